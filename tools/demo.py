#!/usr/bin/env python
"""The whole of the paper in miniature: pre-train on rho clips, then compare linear classifiers.

Writes a synthetic set of real video files, pre-trains an encoder on it without labels (configs/demo/METHOD.yaml), and
trains the same linear classifier (configs/demo/linear.yaml) on the learned encoder and on a random one. Prints one
table and writes, into OUT,

  results.json   linear_top1 and random_init_top1 in percent, seconds; a list "rows" where several were asked for
  demo.png       augmented clips, a group of rows for each video, and the curve of the loss
  */             the log, resolved configuration and checkpoints of every run

examples:
  python tools/demo.py                                    some minutes on two cores
  python tools/demo.py --method moco --rho 3
  python tools/demo.py --seed 1 2 3                       is it luck?
  python tools/demo.py --study --out outputs/study        rho 1 against rho 2 for each of the methods: 8 pre-trainings
  python tools/demo.py --epochs 2 --videos 32             does it run at all?
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fvcore.common.config import CfgNode

# What takes torch is imported where it is used: --help need not wait for it.
CONFIGS = Path(__file__).resolve().parent.parent / "configs/demo"
METHODS = ("simclr", "moco", "byol", "swav")
CLASSES = 6


def main(words: Sequence[str] | None = None) -> int:
    """Run the demo; ``words`` are the command line's, None takes ``sys.argv``. Returns the exit code."""
    options = parse(words)
    try:
        demo(options)
    except KeyboardInterrupt:
        print("demo: interrupted; started again, it begins anew", file=sys.stderr)
        return 130
    return 0


def demo(options: argparse.Namespace) -> None:
    """Every run that was asked for, the table and the picture."""
    from rhovideo.demo.synthetic_videos import write_synthetic

    started = time.monotonic()
    print(f"Writing {options.videos} training and {options.videos // 2} validation videos to {options.out}/data")
    data = write_synthetic(
        options.out / "data",
        num_classes=CLASSES,
        train_videos=options.videos,
        val_videos=options.videos // 2,
        fps=12,
    )
    methods = METHODS if options.study else (options.method,)
    rhos = (1, 2) if options.study else (options.rho,)
    rows = []
    for seed in options.seed:
        random = linear_top1(options, data, seed, None)
        rows += [measure(options, data, seed, method, rho, random) for method, rho in product(methods, rhos)]
    print_table(rows)
    results = rows[0] if len(rows) == 1 else {"rows": rows}
    results = results | {"seconds": round(time.monotonic() - started, 1)}
    (options.out / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"{results['seconds']:.0f} seconds; see {options.out}/results.json and {options.out}/demo.png")


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = partial(parser.add_argument, metavar="N", type=int)
    add("--out", metavar="OUT", type=Path, default=Path("outputs/demo"), help="folder to write to (outputs/demo)")
    add(
        "--method", metavar="METHOD", type=str, choices=METHODS, default="simclr", help=f"{', '.join(METHODS)} (simclr)"
    )
    add("--rho", default=2, help="clips of a video that are positives of each other; 1: two views of one clip (2)")
    add("--seed", nargs="+", default=[1], help="of weights, clips and augmentation; several give a row each (1)")
    add("--epochs", help="of pre-training, instead of the configuration's")
    add("--videos", default=256, help="training videos; half as many are for validation (256)")
    parser.add_argument("--study", action="store_true", help="every method, with rho 1 and with rho 2")
    return parser.parse_args(words)


def measure(options: argparse.Namespace, data: Path, seed: int, method: str, rho: int, random: float) -> dict:
    """Pre-train, draw, then the linear protocol; a row of the table."""
    output = options.out / f"{method}_rho{rho}_seed{seed}"
    words = ["DATA.TRAIN_CROP_NUM_TEMPORAL", rho]
    if options.epochs is not None:
        # The warm-up must end before the training does.
        words += ["SOLVER.MAX_EPOCH", options.epochs, "SOLVER.WARMUP_EPOCHS", min(2.0, options.epochs / 10)]
    print(f"\nPre-training: {method}, rho {rho}, seed {seed}; log in {output}")
    cfg, pretrained = run_job(f"{method}.yaml", data, output, seed, *words)
    draw(cfg, options.out / "demo.png", f"What {method} saw, rho = {rho}: augmented clips")
    learned = linear_top1(options, data, seed, output)
    return {
        "method": method,
        "rho": rho,
        "seed": seed,
        "knn_top1": round(pretrained["knn_top1"], 2),
        "linear_top1": round(learned, 2),
        "random_init_top1": round(random, 2),
    }


def linear_top1(options: argparse.Namespace, data: Path, seed: int, pretrained: Path | None) -> float:
    """Test accuracy in percent of a linear classifier on the encoder of a run, or on a random one."""
    from rhovideo.demo.synthetic_videos import class_names

    name = pretrained.name if pretrained else f"random_seed{seed}"
    words = ["MODEL.NUM_CLASSES", len(class_names(CLASSES))]
    if pretrained:
        words += ["TRAIN.CHECKPOINT_FILE_PATH", max((pretrained / "checkpoints").glob("*.pyth"))]
    print(f"\nLinear classifier on {f'the encoder of {name}' if pretrained else 'a random encoder'}")
    return run_job("linear.yaml", data, options.out / f"{name}_linear", seed, *words)[1]["test_top1"]


def run_job(config: str, data: Path, output: Path, seed: int, *overrides: object) -> tuple[CfgNode, dict]:
    """Run one configuration afresh; what it resolved to, and its numbers."""
    from rhovideo.config import load_cfg
    from rhovideo.engine.run import run
    from rhovideo.launch.local.processes import launch

    words = ["DATA.PATH_TO_DATA_DIR", data, "OUTPUT_DIR", output, "RNG_SEED", seed, *overrides]
    cfg = load_cfg(CONFIGS / config, [str(word) for word in words])
    # What an earlier demo left here may be of another configuration.
    shutil.rmtree(output, ignore_errors=True)
    return cfg, launch(run, cfg)


def draw(cfg: CfgNode, path: Path, title: str) -> None:
    """One picture of what the method saw and of how its loss went."""
    import numpy as np

    from rhovideo.data.loading.datasets import SampleKey, build_dataset
    from rhovideo.demo.contact_sheet import save_report
    from rhovideo.engine.json_stats import read_json_stats

    dataset = build_dataset(cfg, "train", "pretrain")
    shown = np.linspace(0, len(dataset) - 1, 4).astype(int)
    clips = [dataset[SampleKey(0, int(index))].clips.numpy() for index in shown]
    # Twice as large, to be seen well.
    clips = [views.repeat(2, axis=2).repeat(2, axis=3) for views in clips]
    log = read_json_stats(Path(cfg.OUTPUT_DIR) / "json_stats.log")
    losses = [line["loss"] for line in log if line["_type"] == "train_epoch"]
    save_report(path, clips, losses, sheet_title=title, x_label="epoch")


def print_table(rows: list[dict]) -> None:
    """The numbers of all runs, as Markdown."""
    print("\n| method | rho | seed | k-NN top-1 % | linear top-1 % | linear top-1 %, random encoder | gain |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        learned, random = row["linear_top1"], row["random_init_top1"]
        cells = [row["method"], row["rho"], row["seed"], f"{row['knn_top1']:.1f}", f"{learned:.1f}", f"{random:.1f}"]
        print(f"| {' | '.join(map(str, cells))} | {learned - random:+.1f} |")
    print()


if __name__ == "__main__":
    sys.exit(main())
