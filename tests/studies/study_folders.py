"""Folders of studies with tables, as `rhovideo study` and the engine leave them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from rhovideo.studies.record import CellRecord, StatedFigure, StudyRecord, TableRecord, write_record

SEEDS = [1, 2, 3]


def finish_run(
    run: Path, task: str, seed: int, source: Path | None = None, *, keys: Any = None, **numbers: Any
) -> None:
    """A finished run: its configuration, inputs and numbers.

    Args:
        run: its folder.
        task: TASK.
        seed: RNG_SEED.
        source: the run folder that its weights come from.
        keys: more of the configuration.
        numbers: its results.
    """
    begin_run(run, task, seed, source, keys)
    (run / "results.json").write_text(json.dumps({"task": task, **numbers}))


def begin_run(run: Path, task: str, seed: int, source: Path | None = None, keys: Any = None) -> None:
    """A run that has begun, and whose process is gone."""
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = str(source / "checkpoints/checkpoint_epoch_00200.pyth") if source else ""
    cfg = {"TASK": task, "RNG_SEED": seed, "TRAIN": {"CHECKPOINT_FILE_PATH": checkpoint}, **(keys or {})}
    (run / "config.yaml").write_text(yaml.safe_dump(cfg))
    (run / "stdout.log").write_text("TASK\n")
    (run / "inputs.json").write_text(json.dumps({"inputs": [], "code": {}}))


def spend(run: Path, hours: float, device: str = "NVIDIA H200", devices: int = 8) -> None:
    """One start of a run that has taken some hours of all its devices together."""
    line = {"event": "session", "seconds": hours * 3600 / devices, "devices": devices, "device": device}
    with (run / "sessions.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def training(row: str, column: str, seed: int) -> str:
    return f"runs/{column}_rho{row}_seed{seed}/training"


def cell(row: str, column: str, measure: str, stated: StatedFigure | None = None, **jobs: Any) -> CellRecord:
    """A cell whose job of each seed is in the folder that ``jobs`` names; with ``splits``, one for each of them."""
    names = jobs.get("names") or [f"{measure}_finetune"]
    starts = [training(row, column, seed) for seed in jobs.get("seeds", SEEDS)]
    runs = [[str(Path(start).parent / name) for name in names] for start in starts]
    return CellRecord(row, column, measure, runs, starts, stated=stated)


def fill(folder: Path, cell: CellRecord, values: list[float | list[float]], task: str = "finetune") -> None:
    """Finish the trainings and jobs of a cell's first seeds with these numbers, a list where there are splits."""
    for seed, (start, runs, own) in enumerate(zip(cell.pretraining, cell.runs, values, strict=False), 1):
        finish_run(folder / start, "pretrain", seed, knn_top1=30.0)
        for run, value in zip(runs, own if isinstance(own, list) else [own], strict=False):
            finish_run(folder / run, task, seed, folder / start, test_top1=value)


def table(cells: list[CellRecord], name: str = "table2", **values: Any) -> TableRecord:
    """A table of these cells, with their rows, columns and measures in the order in which they come."""
    labels = [list(dict.fromkeys(getattr(cell, kind) for cell in cells)) for kind in ("row", "column", "measure")]
    return TableRecord(name, "Clips of a video", "rho", *labels, **{"plot": "lines", "cells": cells, **values})


def write(folder: Path, *tables: TableRecord, **values: Any) -> Path:
    """Write the record of a study."""
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder, replace(StudyRecord(SEEDS, {}, tables=list(tables)), **values))
    return folder
