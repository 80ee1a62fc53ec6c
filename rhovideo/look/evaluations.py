"""``results`` of a folder of evaluations, as ``rhovideo eval`` leaves them in outputs/eval. Without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rhovideo.evaluate.report import FILE_NAME
from rhovideo.look.tables import Table

_COLUMNS = ("evaluation", "checkpoint", "protocol", "data", "measure", "%", "released")


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
    checkpoint = str(told.get("name") or Path(str(told.get("checkpoint", ""))).name)
    if told.get("encoder") == "momentum":
        checkpoint += " (momentum)"
    data = str(told.get("dataset") or told.get("data") or "")
    figure = told.get("released") if told.get("released") is not None else told.get("same_settings")
    numbers = [_number(value, precise) for value in (told.get("value"), figure)]
    return [name, checkpoint, str(told.get("protocol") or ""), data, str(told.get("metric") or ""), *numbers]


def _number(value: Any, precise: bool) -> str:
    if not isinstance(value, int | float):
        return ""
    return f"{value:g}" if precise else f"{value:.2f}"
