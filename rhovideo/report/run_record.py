"""A run's folder as a page shows it: configuration, numbers, times, warnings. Imports no torch."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from rhovideo.data.lists.classes.class_names import read_class_names
from rhovideo.engine.log.json_stats import read_json_stats
from rhovideo.protocols.outcome import FILE_NAME as OUTCOME_FILE
from rhovideo.runs.first_launch import FILE_NAME as FIRST_LAUNCH_FILE
from rhovideo.runs.folder import FAILURE_FILE, INPUTS_FILE, LOG_FILE, STATS_FILE, list_checkpoints, read_results
from rhovideo.runs.lineage import read_config, started_in
from rhovideo.runs.records import read_attempts
from rhovideo.runs.sessions import wall_seconds

# The names of the main number in results.json; the first that is there is the run's score.
SCORES = ("test_top1", "test_map", "top1", "map", "knn_top1", "recall_at_1")
SCORE_NAMES = {
    "test_top1": "test top-1",
    "test_map": "test mAP",
    "top1": "top-1",
    "map": "mAP",
    "knn_top1": "k-NN top-1",
    "recall_at_1": "recall at 1",
}
_STAMP = re.compile(r"\[(\d\d/\d\d \d\d:\d\d:\d\d)\]\[([A-Z]+)\] *\S+: *\d+: (.*)")


@dataclass(frozen=True)
class LogLines:
    """Lines of the log that a page shows.

    Attributes:
        warnings: texts of warnings and errors, each once, in their order.
        seconds: from the first line to the last one; None where that is not known.
        began: the time of the first line, as it is written there; empty without.
    """

    warnings: list[str]
    seconds: float | None
    began: str


class RunRecord:
    """What a run has left in its folder. Files that are missing or damaged are empty here.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.absolute().name

    @cached_property
    def cfg(self) -> Mapping[str, Any]:
        """The resolved configuration."""
        return read_config(self.folder)

    @property
    def task(self) -> str:
        """The TASK; empty where it is not known."""
        return str(self.cfg.get("TASK") or self.results.get("task") or "")

    @cached_property
    def results(self) -> Mapping[str, Any]:
        """The content of results.json."""
        found = read_results(self.folder)
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def stats(self) -> list[dict[str, Any]]:
        """The records of json_stats.log; of an epoch that was trained twice, after a resume, the last."""
        try:
            records = read_json_stats(self.folder / STATS_FILE)
        except OSError:
            return []
        newest: dict[tuple[Any, ...], dict[str, Any]] = {}
        for record in records:
            place = (record.get("_type"), record.get("epoch"), record.get("iter"))
            newest.pop(place, None)
            newest[place] = record
        return list(newest.values())

    @cached_property
    def first_launch(self) -> Mapping[str, Any]:
        """The content of first_launch.json."""
        return _json(self.folder / FIRST_LAUNCH_FILE)

    @cached_property
    def inputs(self) -> Mapping[str, Any]:
        """The content of inputs.json: hashes of the lists and checkpoints, and the code."""
        return _json(self.folder / INPUTS_FILE)

    @cached_property
    def outcome(self) -> Mapping[str, Any]:
        """The content of eval.json."""
        return _json(self.folder / OUTCOME_FILE)

    @cached_property
    def bad_videos(self) -> list[Mapping[str, Any]]:
        """The videos that could not be read, each once."""
        try:
            lines = (self.folder / "bad_videos.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        found: dict[str, Mapping[str, Any]] = {}
        for line in lines:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found[str(value.get("path"))] = value
        return list(found.values())

    @cached_property
    def log(self) -> LogLines:
        """Warnings and times of stdout.log."""
        return _read_log(self.folder / LOG_FILE)

    @property
    def failure(self) -> str:
        """The last line of the report of a failure; empty without one, or where the run has finished since."""
        path = self.folder / FAILURE_FILE
        if self.results or not path.is_file():
            return ""
        lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    @property
    def data_folder(self) -> Path:
        """The folder of its lists, found from where the run was started, or next to a run that was moved with it."""
        found = self.located(str((self.cfg.get("DATA") or {}).get("PATH_TO_DATA_DIR") or "."))
        moved = self.folder.absolute().parent / found.name
        return moved if not found.exists() and moved.is_dir() else found

    def located(self, written: str) -> Path:
        """A path of the configuration, which may begin where the run was started."""
        path = Path(written)
        start = started_in(self.folder, self.cfg)
        return start / path if not path.is_absolute() and not path.exists() and start else path

    @cached_property
    def class_names(self) -> list[str]:
        """The names of the classes by label; empty where there is no classes.txt."""
        for folder in (self.folder, self.data_folder):
            try:
                names = read_class_names(folder)
            except OSError:
                continue
            if names:
                return names
        return []

    @property
    def checkpoint(self) -> Path | None:
        """The furthest checkpoint."""
        return next(iter(list_checkpoints(self.folder)), None)

    @property
    def processes(self) -> int:
        """Of all machines together."""
        return int(self.first_launch.get("processes") or 1)

    @property
    def on_gpu(self) -> bool:
        """True if the log has memory of a GPU."""
        return any(str(record.get("gpu_mem", "0.00G")) != "0.00G" for record in self.stats)

    @property
    def epochs(self) -> list[dict[str, Any]]:
        """The records of the trained epochs."""
        return [record for record in self.stats if record.get("_type") == "train_epoch"]

    @property
    def evaluations(self) -> list[dict[str, Any]]:
        """The records of evaluations during the training."""
        return [record for record in self.stats if record.get("_type") == "val_epoch"]

    @property
    def steps_per_epoch(self) -> int:
        """0 where it is not known."""
        for record in self.stats:
            text = str(record.get("iter", "")).partition("/")[2]
            if record.get("_type") == "train_iter" and text.isdigit():
                return int(text)
        return 0

    @property
    def training_seconds(self) -> float:
        """The time of all steps."""
        return sum(number(record, "dt") or 0.0 for record in self.epochs) * self.steps_per_epoch

    @property
    def seconds(self) -> float | None:
        """Of all its starts; of an earlier version's run, from its first line of the log to its last.

        Of such a run that went on later, the time of its steps.
        """
        if (recorded := wall_seconds(self.folder)) is not None:
            return recorded
        stopped = bool(read_attempts(self.folder))
        return (self.training_seconds or None) if stopped or self.log.seconds is None else self.log.seconds

    @property
    def score_name(self) -> str:
        """The name of its main number in results.json; empty without."""
        return next((name for name in SCORES if isinstance(self.results.get(name), int | float)), "")

    @property
    def score(self) -> float | None:
        """Its main number, in percent."""
        return number(self.results, self.score_name)

    @property
    def interval(self) -> list[float] | None:
        """The recorded interval of the main number at 95 %, in percent."""
        values = self.results.get(f"{self.score_name}_interval")
        return [float(value) for value in values] if isinstance(values, list) and len(values) == 2 else None


def number(values: Mapping[str, Any], name: str) -> float | None:
    """A finite number of a record; None without."""
    value = values.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def epoch_of(record: Mapping[str, Any]) -> float:
    """The number of an epoch, from 1, or the part of it that is done after a step."""
    epoch = int(str(record.get("epoch", "1")).partition("/")[0] or 1)
    step, _, steps = str(record.get("iter", "")).partition("/")
    return epoch - 1 + int(step) / int(steps) if steps else epoch


def series(records: list[dict[str, Any]], name: str) -> tuple[list[float], list[float]]:
    """Epochs and values of a signal, where it has a finite value."""
    found = [(epoch_of(record), value) for record in records if (value := number(record, name)) is not None]
    return [epoch for epoch, _ in found], [value for _, value in found]


def cfg_value(cfg: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key; None without."""
    value: Any = cfg
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _json(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _read_log(path: Path) -> LogLines:
    warnings: dict[str, None] = {}
    first = last = ""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                found = _STAMP.match(line)
                if not found:
                    continue
                first, last = first or found[1], found[1]
                if found[2] in ("WARNING", "ERROR", "CRITICAL"):
                    warnings[found[3].strip()] = None
    except OSError:
        return LogLines([], None, "")
    return LogLines(list(warnings), _between(first, last), first)


def _between(first: str, last: str) -> float | None:
    """Seconds between two stamps of a log, which name no year."""
    if not first:
        return None
    began, ended = (datetime.strptime(f"2000/{stamp}", "%Y/%m/%d %H:%M:%S") for stamp in (first, last))
    if ended < began:
        ended = ended.replace(year=2001)
    return (ended - began).total_seconds()
