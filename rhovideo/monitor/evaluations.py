"""``rhovideo results`` of a folder of evaluations, as ``rhovideo eval`` writes them. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rhovideo.engine.evaluation.intervals import in_words
from rhovideo.monitor.tables import Table
from rhovideo.protocols.counted_videos import of_official
from rhovideo.protocols.outcome import FILE_NAME

# The heading of confidence intervals, and a note on them.
INTERVAL = "95 %"
OFFICIAL = "of the official"
INTERVAL_NOTE = "95 %: confidence interval of the number next to it, for other test videos of the same kind"
OFFICIAL_NOTE = f"{OFFICIAL}: test videos that the number is of, of those that the data set's owners list"
BOXES_NOTE = "released: of protocol ava by PySlowFast's rule, to compare with test_map_file_order in eval.json"
_COLUMNS = (
    "evaluation",
    "checkpoint",
    "protocol",
    "data",
    "settings changed",
    "measure",
    "%",
    INTERVAL,
    OFFICIAL,
    "released",
)
# More are counted and not named, in a table for people.
_MOST_CHANGES = 3


def evaluations(folder: Path, precise: bool = False) -> Table | None:
    """A row for each sub-folder that holds a finished evaluation; None where there is none.

    Args:
        folder: such as outputs/eval.
        precise: numbers as they were written, not to two places.
    """
    measured = {path.parent.name: _read(path) for path in sorted(folder.glob(f"*/{FILE_NAME}"))}
    rows = [_row(name, values, precise) for name, values in measured.items() if values]
    if not rows:
        return None
    notes = ["released: the figure of this checkpoint; for other checkpoints the paper's with the same settings"]
    notes = notes if any(row[-1] for row in rows) else []
    if any(values.get("figure_metric") not in (None, values.get("metric")) for values in measured.values()):
        notes.append(BOXES_NOTE)
    columns = list(_COLUMNS)
    for heading, note in ((INTERVAL, INTERVAL_NOTE), (OFFICIAL, OFFICIAL_NOTE)):
        place = columns.index(heading)
        if any(row[place] for row in rows):
            notes.append(note)
        else:
            for row in (columns, *rows):
                del row[place]
    return Table(columns, rows, notes, numbers=("%", "released"))


def _read(path: Path) -> Mapping[str, Any]:
    """The numbers; empty where the file is damaged. The same ``rhovideo eval`` again writes it anew."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _row(name: str, values: Mapping[str, Any], precise: bool) -> list[str]:
    figure = values.get("released") if values.get("released") is not None else values.get("same_settings")
    numbers = [_number(value, precise) for value in (values.get("value"), figure)]
    what = (_checkpoint(values), str(values.get("protocol") or ""), _data(values), _changes(values, precise))
    value, released = numbers
    measure, interval = _measure(values), in_words(values.get("interval"))
    return [name, *what, measure, value, interval, of_official(values), released]


def _measure(values: Mapping[str, Any]) -> str:
    """The name of the number; of several splits also how many they are, and how much they differ."""
    metric, splits = str(values.get("metric") or ""), values.get("splits")
    if not isinstance(splits, dict):
        return metric
    deviation = (values.get("deviation") or {}).get(metric)
    return f"{metric}, mean of {len(splits)} splits" + ("" if deviation is None else f", ± {deviation:.2f}")


def _checkpoint(values: Mapping[str, Any]) -> str:
    """The name of a released checkpoint, or the file, whose folders show its run."""
    which = str(values.get("name") or "") or _from_here(str(values.get("file") or values.get("checkpoint") or ""))
    return f"{which} (momentum)" if values.get("encoder") == "momentum" else which


def _data(values: Mapping[str, Any]) -> str:
    """The data set whose released figures are comparable, and the folder of its lists."""
    dataset, folder = str(values.get("dataset") or ""), _from_here(str(values.get("data") or ""))
    return f"{dataset} in {folder}" if dataset and folder else dataset or folder


def _changes(values: Mapping[str, Any], in_full: bool) -> str:
    """Settings that differ from the protocol's: numbers with different settings cannot be compared."""
    changed = values.get("changed")
    settings = [f"{key} {value}" for key, value in changed.items()] if isinstance(changed, dict) else []
    shown = settings if in_full else settings[:_MOST_CHANGES]
    return ", ".join([*shown, *([f"{len(settings) - len(shown)} more"] if len(settings) > len(shown) else [])])


def _from_here(path: str) -> str:
    """The path relative to the current folder, where it lies below it."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if path and Path(path).is_relative_to(here) else path


def _number(value: Any, precise: bool) -> str:
    if not isinstance(value, int | float):
        return ""
    return f"{value:g}" if precise else f"{value:.2f}"
