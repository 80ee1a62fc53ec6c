"""``results`` of a folder of evaluations, as ``rhovideo eval`` leaves them in outputs/eval. Without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rhovideo.monitor.tables import Table
from rhovideo.protocols.outcome import FILE_NAME

_COLUMNS = ("evaluation", "checkpoint", "protocol", "data", "settings changed", "measure", "%", "released")
# In a table for people.
_MOST_CHANGES = 3


def evaluations(folder: Path, precise: bool = False) -> Table | None:
    """A row for each sub-folder that holds a finished evaluation; None where there is none.

    Args:
        folder: such as outputs/eval.
        precise: numbers as they were written, not to two places.
    """
    told = {path.parent.name: _read(path) for path in sorted(folder.glob(f"*/{FILE_NAME}"))}
    rows = [_row(name, values, precise) for name, values in told.items() if values]
    if not rows:
        return None
    notes = ["released: of this checkpoint, or where it is none of those the paper's with these settings"]
    return Table(_COLUMNS, rows, notes if any(row[-1] for row in rows) else [], numbers=("%", "released"))


def _read(path: Path) -> Mapping[str, Any]:
    """The numbers; empty where the file is damaged, which a new ``rhovideo eval`` mends."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _row(name: str, told: Mapping[str, Any], precise: bool) -> list[str]:
    figure = told.get("released") if told.get("released") is not None else told.get("same_settings")
    numbers = [_number(value, precise) for value in (told.get("value"), figure)]
    what = (_checkpoint(told), str(told.get("protocol") or ""), _data(told), _changes(told, precise))
    return [name, *what, str(told.get("metric") or ""), *numbers]


def _checkpoint(told: Mapping[str, Any]) -> str:
    """A released one's name, or the file, whose folders tell of which run it is."""
    which = str(told.get("name") or "") or _from_here(str(told.get("file") or told.get("checkpoint") or ""))
    return f"{which} (momentum)" if told.get("encoder") == "momentum" else which


def _data(told: Mapping[str, Any]) -> str:
    """The data set whose figures may stand beside the number, and where its lists are."""
    dataset, folder = str(told.get("dataset") or ""), _from_here(str(told.get("data") or ""))
    return f"{dataset} in {folder}" if dataset and folder else dataset or folder


def _changes(told: Mapping[str, Any], in_full: bool) -> str:
    """What is not as the protocol says; numbers with different settings are not to be held against each other."""
    changed = told.get("changed")
    words = [f"{key} {value}" for key, value in changed.items()] if isinstance(changed, dict) else []
    shown = words if in_full else words[:_MOST_CHANGES]
    return ", ".join([*shown, *([f"{len(words) - len(shown)} more"] if len(words) > len(shown) else [])])


def _from_here(path: str) -> str:
    """A path as one writes it in the current folder."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if path and Path(path).is_relative_to(here) else path


def _number(value: Any, precise: bool) -> str:
    if not isinstance(value, int | float):
        return ""
    return f"{value:g}" if precise else f"{value:.2f}"
