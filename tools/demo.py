#!/usr/bin/env python
"""The whole of the paper in miniature: pre-train on rho clips, then compare linear classifiers.

Writes a synthetic set of real video files, pre-trains an encoder on it without labels, and trains the same linear
classifier on the learned encoder and on a random one. Prints one table; writes OUT/results.json and OUT/demo.png
(augmented clips and the loss curve).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs/demo"
METHODS = ("moco", "byol", "simclr", "swav")


def parse(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("outputs/demo"), help="folder of everything that is written")
    parser.add_argument("--method", choices=METHODS, default="moco")
    parser.add_argument("--rho", type=int, default=2, help="clips of a video that are positives of each other")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> dict:
    """Run the demo and return what it wrote to results.json."""
    from rhovideo.data.synthetic import write_synthetic

    options = parse(words)
    started = time.monotonic()
    data = options.out / "data"
    if not (data / "train.csv").exists():
        write_synthetic(data)
    run = options.out / f"{options.method}_rho{options.rho}_seed{options.seed}"
    common = ["DATA.PATH_TO_DATA_DIR", str(data.resolve()), "RNG_SEED", str(options.seed)]
    pretrained = pretrain(options, run / "pretrain", common)
    learned = linear(run / "linear", common, pretrained)
    random = linear(run / "linear_random", common, None)
    results = {
        "method": options.method,
        "rho": options.rho,
        "seed": options.seed,
        "linear_top1": learned["test_top1"],
        "random_init_top1": random["test_top1"],
        "seconds": round(time.monotonic() - started, 1),
    }
    (run / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (options.out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    return results


def run_job(config: str, words: list[str], output: Path) -> dict:
    from rhovideo.config import load_cfg
    from rhovideo.engine.run import run
    from rhovideo.launch.local import launch

    launch(run, load_cfg(CONFIGS / config, [*words, "OUTPUT_DIR", str(output)]))
    return json.loads((output / "results.json").read_text())


if __name__ == "__main__":
    main()
