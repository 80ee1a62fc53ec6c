#!/usr/bin/env python
"""The whole of the paper in miniature: pre-train on rho clips, then compare linear classifiers.

Writes a synthetic set of real video files, pre-trains an encoder on it without labels, and trains the same linear
classifier on the learned encoder and on a random one. Prints one table; writes OUT/results.json, and OUT/demo.png
with augmented clips and the loss curve. With --study it does so for every method with one clip and with two.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rhovideo.config import load_cfg
from rhovideo.data.contact_sheet import save_report
from rhovideo.data.datasets import SampleKey, build_dataset
from rhovideo.data.synthetic import write_synthetic
from rhovideo.engine.json_stats import read_json_stats
from rhovideo.engine.run import run
from rhovideo.launch.local import launch

CONFIGS = Path(__file__).resolve().parent.parent / "configs/demo"
METHODS = ("moco", "byol", "simclr", "swav")


def main(words: Sequence[str] | None = None) -> None:
    options = parse(words)
    started = time.monotonic()
    data = write_synthetic(options.out / "data")
    random = linear_probe(options, data, None)
    pairs = [(m, rho) for m in METHODS for rho in (1, 2)] if options.study else [(options.method, options.rho)]
    rows = [measure(options, data, method, rho, random) for method, rho in pairs]
    print_table(rows)
    results = rows[-1] | {"seconds": round(time.monotonic() - started, 1)}
    if options.study:
        results = {"rows": rows, "seconds": results["seconds"]}
    (options.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print(f"{results['seconds']:.0f} s; see {options.out}/results.json and {options.out}/demo.png")


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("outputs/demo"), help="folder of everything that is written")
    parser.add_argument("--method", choices=METHODS, default="byol")
    parser.add_argument("--rho", type=int, default=2, help="clips of a video that are positives of each other")
    parser.add_argument("--seed", type=int, default=1, help="of the weights, the clips and the augmentation")
    parser.add_argument("--study", action="store_true", help="every method, with rho 1 and 2")
    return parser.parse_args(words)


def measure(options: argparse.Namespace, data: Path, method: str, rho: int, random: dict) -> dict:
    """Pre-train, then the linear protocol; a row of the table."""
    output = options.out / f"{method}_rho{rho}_seed{options.seed}"
    cfg = job(f"{method}.yaml", data, output, options.seed, "DATA.TRAIN_CROP_NUM_TEMPORAL", rho)
    pretrained = json.loads((output / "results.json").read_text())
    draw(cfg, options.out / "demo.png", f"{method}, rho = {rho}: augmented clips")
    checkpoint = max((output / "checkpoints").glob("*.pyth"))
    learned = linear_probe(options, data, checkpoint)
    return {
        "method": method,
        "rho": rho,
        "seed": options.seed,
        "knn_top1": pretrained["knn_top1"],
        "linear_top1": learned["test_top1"],
        "random_init_top1": random["test_top1"],
    }


def linear_probe(options: argparse.Namespace, data: Path, checkpoint: Path | None) -> dict:
    """Results of a linear classifier on a checkpoint's encoder, or on a random one."""
    name = checkpoint.parent.parent.name if checkpoint else f"random_seed{options.seed}"
    output = options.out / f"{name}_linear"
    words = ["TRAIN.CHECKPOINT_FILE_PATH", checkpoint] if checkpoint else []
    job("linear.yaml", data, output, options.seed, *words)
    return json.loads((output / "results.json").read_text())


def job(config: str, data: Path, output: Path, seed: int, *overrides: object):
    """Run one configuration and return it."""
    words = ["DATA.PATH_TO_DATA_DIR", data, "OUTPUT_DIR", output, "RNG_SEED", seed, *overrides]
    cfg = load_cfg(CONFIGS / config, [str(word) for word in words])
    launch(run, cfg)
    return cfg


def draw(cfg, path: Path, title: str) -> None:
    """One picture of what the method saw and of how its loss went."""
    dataset = build_dataset(cfg, "train", "pretrain")
    spread = np.linspace(0, len(dataset) - 1, 4).astype(int)
    clips = [dataset[SampleKey(0, int(index))].clips.numpy() for index in spread]
    log = read_json_stats(Path(cfg.OUTPUT_DIR) / "json_stats.log")
    losses = [line["loss"] for line in log if line["_type"] == "train_epoch"]
    save_report(path, clips, losses, sheet_title=title, x_label="epoch")


def print_table(rows: list[dict]) -> None:
    print("\n| method | rho | k-NN top-1 % | linear top-1 % | linear top-1 %, random encoder | gain |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        learned, random = row["linear_top1"], row["random_init_top1"]
        cells = (row["method"], row["rho"], f"{row['knn_top1']:.1f}", f"{learned:.1f}", f"{random:.1f}")
        print(f"| {' | '.join(map(str, cells))} | {learned - random:+.1f} |")
    print()


if __name__ == "__main__":
    main()
