"""Properties of a table's networks and trainings, from the run folders of its pre-trainings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from rhovideo.engine.log.json_stats import read_json_stats
from rhovideo.errors import JobError
from rhovideo.runs.first_launch import read_first_launch
from rhovideo.runs.folder import SIZE_FILE, STATS_FILE
from rhovideo.runs.lineage import read_config
from rhovideo.runs.sessions import last_devices
from rhovideo.studies.record import CellRecord, TableRecord


@dataclass(frozen=True)
class Property:
    """A property that a table can show.

    Attributes:
        heading: over its column.
        text: of a training's folder; empty where it is not known.
        note: below the table.
    """

    heading: str
    text: Callable[[_Training], str]
    note: str = ""


class _Training:
    """What a training's folder says of its network."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def data(self, key: str) -> str:
        """A value of the section DATA of its configuration."""
        value = (self._config.get("DATA") or {}).get(key)
        return "" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)

    def encoder(self, name: str, unit: float, digits: int) -> str:
        """A number of the encoder."""
        return _in_unit((self._size.get("encoder") or {}).get(name), unit, digits)

    def heads(self, name: str, unit: float, digits: int) -> str:
        """A number of all heads together."""
        heads = self._size.get("heads")
        numbers = [head.get(name) for head in heads.values()] if isinstance(heads, dict) else []
        known = [number for number in numbers if isinstance(number, int | float)]
        return _in_unit(sum(known), unit, digits) if known and len(known) == len(numbers) else ""

    def step_seconds(self) -> str:
        """The median seconds of a step, with its videos and its devices where they are known."""
        try:
            lines = read_json_stats(self._folder / STATS_FILE)
        except OSError:
            return ""
        # The first step of a run is the slowest, and has a line of its own.
        seconds = [line.get("dt") for line in lines if line.get("_type") == "train_iter"][1:]
        seconds = seconds or [line.get("dt") for line in lines if line.get("_type") == "train_epoch"]
        known = [each for each in seconds if isinstance(each, int | float)]
        if not known:
            return ""
        batch, devices = _global_batch(self._folder), last_devices(self._folder)
        where = [f"{batch} videos"] if batch else []
        where += [devices] if devices else []
        return f"{median(known):.3g}" + (f" ({', '.join(where)})" if where else "")

    @cached_property
    def _config(self) -> Mapping[str, Any]:
        return read_config(self._folder)

    @cached_property
    def _size(self) -> Mapping[str, Any]:
        try:
            found = json.loads((self._folder / SIZE_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def _global_batch(folder: Path) -> int | None:
    """Videos of a step; None where the run has not begun."""
    try:
        launch = read_first_launch(folder)
    except JobError:
        return None
    return launch.global_batch if launch else None


_FLOPS = "multiply-adds: of one clip; most papers call them FLOPs. G: 10⁹, M: 10⁶"
_HEADS = "heads: the projection, with BYOL's predictor and SwAV's prototypes"
PROPERTIES: dict[str, Property] = {
    "frames": Property("T", lambda run: run.data("NUM_FRAMES"), "T: frames of a clip"),
    "rate": Property("τ", lambda run: run.data("SAMPLING_RATE"), "τ: one frame in every τ"),
    "parameters": Property("parameters (M)", lambda run: run.encoder("parameters", 1e6, 1)),
    "multiply_adds": Property("multiply-adds (G)", lambda run: run.encoder("multiply_adds", 1e9, 1), _FLOPS),
    "head_parameters": Property("heads' parameters (M)", lambda run: run.heads("parameters", 1e6, 2), _HEADS),
    "head_multiply_adds": Property("heads' multiply-adds (G)", lambda run: run.heads("multiply_adds", 1e9, 3), _FLOPS),
    "step_seconds": Property(
        "seconds of a step", _Training.step_seconds, "seconds of a step: with its videos and its device"
    ),
}


@dataclass(frozen=True)
class Described:
    """A property of a table.

    Attributes:
        heading: over its column.
        texts: by row and column; a row's is under ``""`` where all columns agree.
        by_column: whether the columns differ, so that each has its own.
        note: below the table; empty without.
    """

    heading: str
    texts: Mapping[tuple[str, str], str]
    by_column: bool
    note: str


def describe(folder: str | Path, table: TableRecord) -> list[Described]:
    """The properties that a table shows, in their order; a name that this version does not know is left out."""
    known = [PROPERTIES[name] for name in table.describe if name in PROPERTIES]
    trainings = {place: _Training(Path(folder) / run) for place, run in _trainings(table).items()}
    return [_described(wanted, trainings) for wanted in known]


def _trainings(table: TableRecord) -> dict[tuple[str, str], str]:
    """The first seed's training of each row and column; where the weights are random, the first measurement."""
    found: dict[tuple[str, str], str] = {}
    for cell in table.cells:
        if run := _training(cell):
            found.setdefault((cell.row, cell.column), run)
    return found


def _training(cell: CellRecord) -> str:
    trained = next((run for run in cell.pretraining if run), "")
    return trained or next((run for runs in cell.runs for run in runs), "")


def _described(wanted: Property, trainings: Mapping[tuple[str, str], _Training]) -> Described:
    texts = {place: wanted.text(training) for place, training in trainings.items()}
    of_row: dict[str, set[str]] = {}
    for (row, _), text in texts.items():
        of_row.setdefault(row, set()).update([text] if text else [])
    by_column = any(len(found) > 1 for found in of_row.values())
    if not by_column:
        texts = {(row, ""): next(iter(found), "") for row, found in of_row.items()}
    return Described(wanted.heading, texts, by_column, wanted.note)


def _in_unit(value: object, unit: float, digits: int) -> str:
    return f"{value / unit:,.{digits}f}" if isinstance(value, int | float) else ""
