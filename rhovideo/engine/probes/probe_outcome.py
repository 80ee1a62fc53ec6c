"""The result of a probe: probe.json, the CSV files of its classes, and lines for the terminal. Without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rhovideo import __version__
from rhovideo.atomic_files import write_text
from rhovideo.engine.evaluation.counts import as_count
from rhovideo.engine.evaluation.intervals import class_mean, in_brackets, wilson
from rhovideo.engine.evaluation.predictions import Predictions, read_class_numbers, write_predictions
from rhovideo.engine.probes.feature_set import ProbeData

FILE_NAME = "probe.json"
# Settings that are printed, the best first.
_SHOWN = 5
_HEADINGS = {"held_out": "held-out", "loss": "held-out loss"}


def summary(kind: str, data: ProbeData, seed: int, seconds: float) -> dict[str, Any]:
    """The part of probe.json that all kinds share.

    Args:
        kind: of the probe.
        data: the features.
        seed: of the probe.
        seconds: how long it took, reading included.
    """
    return {
        "kind": kind,
        "features": os.fsencode(data.train.folder.absolute()).decode("utf-8", "replace"),
        "test": os.fsencode(data.test.folder.absolute()).decode("utf-8", "replace"),
        "train_videos": len(data.train.labels),
        "test_videos": len(data.test.labels),
        "unreadable": data.train.unreadable + data.test.unreadable,
        "test_in_train": data.shared,
        "classes": data.classes,
        "dim": data.train.dim,
        "seed": seed,
        "seconds": round(seconds, 2),
        "rhovideo": __version__,
    }


def finish(
    out: Path,
    data: ProbeData,
    common: Mapping[str, Any],
    predicted: np.ndarray,
    confidence: np.ndarray,
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Write predictions.csv, per_class.csv, confusion.csv and probe.json.

    Args:
        out: folder to write to.
        data: the features.
        common: from :func:`summary`.
        predicted: int64 [N], of the test videos.
        confidence: [N].
        more: what this kind adds: ``chosen``, and ``tried``, the best first.

    Returns:
        The content of probe.json.
    """
    predictions = Predictions(data.test.paths, data.test.labels, predicted, confidence)
    write_predictions(out, predictions, data.names)
    right = int(predictions.correct.sum())
    mean, interval = class_mean(predictions.labels, predictions.correct)
    found = {
        **common,
        "value": 100 * right / len(predictions.labels),
        "interval": wilson(right, len(predictions.labels)),
        "class_mean": mean,
        "class_mean_interval": interval,
        **more,
        **read_class_numbers(out),
    }
    return write(out, found)


def write(out: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Write probe.json and give back what it holds."""
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / FILE_NAME, json.dumps(found, indent=2) + "\n")
    return found


def as_text(found: Mapping[str, Any]) -> str:
    """The lines for the terminal.

    Args:
        found: the content of probe.json.
    """
    sizes = f"{found['train_videos']} training and {found['test_videos']} test videos of {found['classes']} classes"
    lines = [f"{found['kind']} probe: {sizes}, {found['seconds']:.1f} s"]
    lines += _few_labels(found["low_shot"]) if "low_shot" in found else _one(found)
    if found["unreadable"]:
        lines.append(f"  {found['unreadable']} videos could not be read and are left out")
    if found["test_in_train"]:
        lines.append(f"  warning: {found['test_in_train']} test videos are training videos too")
    return "\n".join(lines)


def _one(found: Mapping[str, Any]) -> Iterator[str]:
    chosen, tried = found["chosen"], found["tried"]
    if tried:
        by = "accuracy, then by loss" if "loss" in tried[0] else "accuracy"
        yield f"  best settings on held-out training videos, by {by}:"
        yield from _table(tried[:_SHOWN])
    of = as_count(found["value"], found["test_videos"], found["classes"])
    setting = ", ".join(f"{key} {value:g}" for key, value in chosen.items())
    yield f"  test top-1 {found['value']:.2f} %{in_brackets(found['interval'])}, {of}, with {setting}"


def _few_labels(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        spread = "" if row["deviation"] is None else f" ± {row['deviation']:.2f}"
        labels = f"{row['labels']} label{'' if row['labels'] == 1 else 's'} a class"
        draws = f"{len(row['draws'])} draws"
        less = f"; a class has only {row['fewest']}" if row["fewest"] < row["labels"] else ""
        value = f"{row['value']:6.2f}{spread} %"
        yield f"  {labels:>18}: test top-1 {value} over {draws}{in_brackets(row['interval'])}{less}"


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of a table; the first row is marked as the chosen one."""
    headings = [_HEADINGS.get(key, key) for key in rows[0]]
    cells = [[_cell(key, value) for key, value in row.items()] for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    marks = ["", "  <- chosen", *[""] * (len(rows) - 1)]
    for line, mark in zip((headings, *cells), marks, strict=True):
        yield "    " + "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) + mark


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f} %" if key == "held_out" else f"{value:.4f}" if key == "loss" else f"{value:g}"
