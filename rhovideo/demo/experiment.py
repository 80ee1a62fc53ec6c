"""The paper in miniature: pre-train on rho clips of made videos, then compare linear classifiers.

A set of video files is written, an encoder is pre-trained on it without labels (recipe ``demo/METHOD``), and the
same linear classifier (recipe ``demo/linear``) is trained on the learned encoder and on a random one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.atomic_files import write_text
from rhovideo.data.loading.shown_clips import shown_clips
from rhovideo.demo.baselines import Baselines, measure_baselines
from rhovideo.demo.loss_curve import save_report
from rhovideo.demo.measured_runs import MadeSet, made_set, run_afresh, settings_of
from rhovideo.engine.log.json_stats import read_json_stats


@dataclass(frozen=True)
class Experiment:
    """The settings of a demo.

    Attributes:
        out: the folder for everything that is written.
        kind: of the videos: ``shapes``, ``physics`` or ``footage``.
        methods: names of recipes: ``simclr``, ``moco``, ``byol``, ``swav``.
        rhos: numbers of clips of a video that are positives of each other; 1 is two views of one clip.
        seeds: of weights, clips and augmentation; each gives a row for every method and rho.
        videos: training videos; half as many are for validation.
        epochs: of pre-training; None: as the recipe says.
    """

    out: Path
    kind: str = "shapes"
    methods: Sequence[str] = ("simclr",)
    rhos: Sequence[int] = (2,)
    seeds: Sequence[int] = (1,)
    videos: int = 256
    epochs: int | None = None


def run_experiment(experiment: Experiment) -> dict[str, Any]:
    """Do every run, print the table, and write ``results.json`` and ``demo.png``.

    Returns:
        What ``results.json`` holds: accuracies in percent and seconds, under ``rows`` where there are several.

    Raises:
        JobError, RankFailed: a run failed.
        SettingError: a package that the kind of videos needs is not installed.
    """
    started = time.monotonic()
    out = experiment.out
    data = made_set(out, experiment.kind, experiment.videos)
    data.write()
    baselines = measure_baselines(data.folder)
    rows = []
    for seed in experiment.seeds:
        random = _linear_top1(out, data, seed, None)
        choices = product(experiment.methods, experiment.rhos)
        rows += [_measure(experiment, data, seed, method, rho, random) for method, rho in choices]
    _print_table(rows, baselines)
    results: dict[str, Any] = rows[0] if len(rows) == 1 else {"rows": rows}
    of_set = {name: round(value, 2) for name, value in baselines._asdict().items()}
    results = results | {"kind": data.name, **of_set, "seconds": round(time.monotonic() - started, 1)}
    write_text(out / "results.json", json.dumps(results, indent=2) + "\n")
    print(f"{results['seconds']:.0f} seconds; see {out}/results.json and {out}/demo.png")
    return results


def _measure(experiment: Experiment, data: MadeSet, seed: int, method: str, rho: int, random: float) -> dict[str, Any]:
    """Pre-train, draw, then train the linear classifier: a row of the table."""
    output = experiment.out / f"{_prefix(data)}{method}_rho{rho}_seed{seed}"
    overrides: list[object] = ["DATA.TRAIN_CROP_NUM_TEMPORAL", rho]
    if experiment.epochs is not None:
        # The warm-up must end before the training does.
        warm_up = min(2.0, experiment.epochs / 10)
        overrides += ["SOLVER.MAX_EPOCH", experiment.epochs, "SOLVER.WARMUP_EPOCHS", warm_up]
    print(f"\nPre-training: {method}, rho {rho}, seed {seed}; log in {output}")
    cfg = settings_of(f"demo/{method}", data, output, seed, overrides)
    numbers = run_afresh(cfg)
    _draw(cfg, experiment.out / "demo.png", f"What {method} saw, rho = {rho}: augmented clips")
    learned = _linear_top1(experiment.out, data, seed, output)
    return {
        "method": method,
        "rho": rho,
        "seed": seed,
        "knn_top1": round(numbers["knn_top1"], 2),
        "linear_top1": round(learned, 2),
        "random_init_top1": round(random, 2),
    }


def _linear_top1(out: Path, data: MadeSet, seed: int, pretrained: Path | None) -> float:
    """Test accuracy in percent of a linear classifier on the encoder of a run, or on a random one."""
    name = pretrained.name if pretrained else f"{_prefix(data)}random_seed{seed}"
    print(f"\nLinear classifier on {f'the encoder of {name}' if pretrained else 'a random encoder'}")
    overrides = ["MODEL.NUM_CLASSES", data.classes]
    cfg = settings_of("demo/linear", data, out / f"{name}_linear", seed, overrides, pretrained)
    return run_afresh(cfg)["test_top1"]


def _prefix(data: MadeSet) -> str:
    """Of the folders of runs, so that those of several kinds may lie in one folder."""
    return "" if data.name == "shapes" else f"{data.name}_"


def _draw(cfg: CfgNode, path: Path, title: str) -> None:
    """One picture of what the method saw and of how its loss went."""
    # Twice as large, to be seen well.
    clips = [video.clips.repeat(2, axis=2).repeat(2, axis=3) for video in shown_clips(cfg, 4).videos]
    log = read_json_stats(Path(cfg.OUTPUT_DIR) / "json_stats.log")
    losses = [line["loss"] for line in log if line["_type"] == "train_epoch"]
    save_report(path, clips, losses, sheet_title=title, x_label="epoch")


def _print_table(rows: Sequence[dict[str, Any]], baselines: Baselines) -> None:
    """The numbers of all runs, as Markdown; those of the set are the same in each row."""
    headings = ["method", "rho", "seed", "k-NN top-1 %", "linear top-1 %", "linear top-1 %, random encoder", "gain"]
    headings += [f"{name} %" for name in baselines._fields]
    print(f"\n| {' | '.join(headings)} |")
    print("|" + "---|" * len(headings))
    for row in rows:
        learned, random = row["linear_top1"], row["random_init_top1"]
        cells = [row["method"], row["rho"], row["seed"], f"{row['knn_top1']:.1f}", f"{learned:.1f}", f"{random:.1f}"]
        cells += [f"{learned - random:+.1f}", *(f"{value:.1f}" for value in baselines)]
        print(f"| {' | '.join(map(str, cells))} |")
    print()
