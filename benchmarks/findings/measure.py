"""The runs of a cell: their configurations before they start, and the row that they give."""

from __future__ import annotations

import datetime
import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fvcore.common.config import CfgNode

import rhovideo
from benchmarks.findings.cells import EPOCHS_SHARE, Cell
from benchmarks.findings.rows import Rows
from rhovideo.config import get_cfg
from rhovideo.config.comparison import settings_with_effect
from rhovideo.config.keys import get_value
from rhovideo.demo.baselines import Baselines, measure_baselines
from rhovideo.demo.measured_runs import MadeSet, made_set, run_afresh, settings_of
from rhovideo.engine.log.json_stats import read_json_stats

# A place, and what is a part of the cell.
_LEFT_OUT = ("DATA.PATH_TO_DATA_DIR", "RNG_SEED")
# Folders of the sets that this process has written, or has found complete.
_written: set[Path] = set()


@dataclass(frozen=True)
class Plan:
    """What is to be run for a cell.

    Attributes:
        cell: that is measured.
        data: its videos.
        cfg: of the pre-training.
        random_cfg: of the linear classifier on a random encoder.
        linear_recipe: of both linear classifiers.
        fingerprint: of all that the numbers depend on beside the seed: recipes and videos.
        random_fingerprint: the same for the random encoder.
    """

    cell: Cell
    data: MadeSet
    cfg: CfgNode
    random_cfg: CfgNode
    linear_recipe: str
    fingerprint: str
    random_fingerprint: str

    @property
    def clips(self) -> int:
        """Clips that the pre-training is to see, about."""
        return int(self.cfg.SOLVER.MAX_EPOCH * self.cell.videos * self.cell.views)


def plan_of(
    cell: Cell, out: Path, linear_recipe: str | None = None, epochs: int | None = None, processes: int | None = None
) -> Plan:
    """Resolve the recipes of a cell.

    Args:
        cell: that is to be measured.
        out: folder of the study.
        linear_recipe: of the classifiers; None: the cell's recipe with ``linear`` in the place of the method.
        epochs: of pre-training with rho = 2; None: the kind's share of the recipe's.
        processes: of each run on the CPU; None: as many as the recipe says. No number depends on it.

    Raises:
        ConfigError: there is no such recipe, or a value is wrong.
        SettingError: a package that the kind of videos needs is not installed.
    """
    data = made_set(out / f"{cell.videos}_videos", cell.kind, cell.videos)
    recipe = cell.recipe.replace("{method}", cell.method)
    linear_recipe = linear_recipe or cell.recipe.replace("{method}", "linear")
    machine: list[object] = ["NUM_CPU_PROCESSES", processes] if processes else []
    rho = [*machine, "DATA.TRAIN_CROP_NUM_TEMPORAL", cell.rho]
    runs = out / _folder_name(cell)
    cfg = settings_of(recipe, data, runs / cell.folder, cell.seed, rho)
    wanted = max(1, round((epochs or cfg.SOLVER.MAX_EPOCH * EPOCHS_SHARE[cell.kind]) * cell.compute_factor))
    if wanted != cfg.SOLVER.MAX_EPOCH:
        # The warm-up keeps its share of the training.
        warm_up = cfg.SOLVER.WARMUP_EPOCHS * wanted / cfg.SOLVER.MAX_EPOCH
        rho += ["SOLVER.MAX_EPOCH", wanted, "SOLVER.WARMUP_EPOCHS", warm_up]
        cfg = settings_of(recipe, data, runs / cell.folder, cell.seed, rho)
    output = runs / f"{cell.kind}_random_seed{cell.seed}_linear"
    random_cfg = settings_of(linear_recipe, data, output, cell.seed, [*machine, *_head(data)])
    of_random = {"set": _set_identity(data), "linear": _changed_keys(random_cfg)}
    of_cell = {**of_random, "pretrain": _changed_keys(cfg)}
    return Plan(cell, data, cfg, random_cfg, linear_recipe, _hash(of_cell), _hash(of_random))


def measure(plan: Plan, rows: Rows) -> dict[str, Any]:
    """Do the runs of a cell.

    Args:
        plan: of the cell.
        rows: those that are there: numbers of the random encoder and of the baselines are taken from them.

    Returns:
        The row: accuracies in percent, and times in seconds.

    Raises:
        JobError, RankFailed: a run failed.
    """
    if plan.data.folder not in _written:
        plan.data.write()
        _written.add(plan.data.folder)
    random, baselines = _random_top1(plan, rows), _baselines(plan, rows)
    began = time.monotonic()
    numbers = run_afresh(plan.cfg)
    output = Path(plan.cfg.OUTPUT_DIR)
    pretrained = time.monotonic()
    linear_output = output.with_name(f"{output.name}_linear")
    seed = plan.cell.seed
    head = ["NUM_CPU_PROCESSES", plan.cfg.NUM_CPU_PROCESSES, *_head(plan.data)]
    linear = settings_of(plan.linear_recipe, plan.data, linear_output, seed, head, output)
    learned = run_afresh(linear)["test_top1"]
    ended = time.monotonic()
    steps, batch = _steps(output, plan.cfg.SOLVER.MAX_EPOCH), _batch(output)
    for each in (output, linear_output):
        # Of some hundred cells they would fill a disk.
        shutil.rmtree(each / "checkpoints", ignore_errors=True)
    return {
        **plan.cell.as_row(),
        "linear_top1": round(learned, 2),
        # A recipe may do without it.
        "knn_top1": round(numbers["knn_top1"], 2) if "knn_top1" in numbers else None,
        "random_init_top1": round(random, 2),
        **{name: round(value, 2) for name, value in baselines._asdict().items()},
        "classes": plan.data.classes,
        "epochs": plan.cfg.SOLVER.MAX_EPOCH,
        "steps": steps,
        "clips": steps * batch * plan.cell.views,
        "seconds": round(ended - began, 1),
        "linear_seconds": round(ended - pretrained, 1),
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__,
        "rhovideo": rhovideo.__version__,
        "fingerprint": plan.fingerprint,
        "random_fingerprint": plan.random_fingerprint,
    }


def knows_random(plan: Plan, rows: Rows) -> bool:
    """True if a row has the random encoder's number of this cell's seed."""
    return _with_random(plan, rows, plan.cell.seed) is not None


def _random_top1(plan: Plan, rows: Rows) -> float:
    known = _with_random(plan, rows, plan.cell.seed)
    if known is not None:
        return float(known["random_init_top1"])
    found = run_afresh(plan.random_cfg)["test_top1"]
    shutil.rmtree(Path(plan.random_cfg.OUTPUT_DIR) / "checkpoints", ignore_errors=True)
    return found


def _baselines(plan: Plan, rows: Rows) -> Baselines:
    known = _with_random(plan, rows)
    if known is not None:
        return Baselines(*(known[name] for name in Baselines._fields))
    return measure_baselines(plan.data.folder)


def _with_random(plan: Plan, rows: Rows, seed: int | None = None) -> dict[str, Any] | None:
    """A row on the same videos, with the same classifier and, if one is given, of this seed."""
    for row in rows.values():
        if row["random_fingerprint"] == plan.random_fingerprint and seed in (None, row["seed"]):
            return row
    return None


def _head(data: MadeSet) -> list[object]:
    return ["MODEL.NUM_CLASSES", data.classes]


def _folder_name(cell: Cell) -> str:
    """Of the runs of one study: demo_256_videos."""
    recipe = Path(cell.recipe.replace("{method}", "").strip("/_")).name or "runs"
    return f"{recipe}_{cell.videos}_videos"


def _steps(output: Path, epochs: int) -> int:
    """Optimizer steps of a finished run: the first step has a line, with ``iter`` 1/STEPS OF AN EPOCH."""
    log = read_json_stats(output / "json_stats.log")
    first = next(line for line in log if line["_type"] == "train_iter")
    return epochs * int(first["iter"].partition("/")[2])


def _batch(output: Path) -> int:
    """Videos of a step; a short list has made it smaller than the recipe's."""
    return int(json.loads((output / "first_launch.json").read_text(encoding="utf-8"))["global_batch"])


def _set_identity(data: MadeSet) -> list[object]:
    return [data.name, data.kind.version, list(data.kind.classes), data.videos]


def _changed_keys(cfg: CfgNode) -> dict[str, Any]:
    """The keys that the numbers depend on and that are not at their defaults.

    A key that comes later leaves the fingerprint as it is, also one that loading fills in as False for these tasks.
    """
    defaults = get_cfg()
    return {
        key: value
        for key, value in settings_with_effect(cfg, _LEFT_OUT).items()
        if not (value is False and get_value(defaults, key) is None)
    }


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
