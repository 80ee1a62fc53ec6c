"""The numbers of a study's cells, from the run folders that its record names."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhovideo.config.task_defaults import CLASSIFIES, DETECTS, MEASURES
from rhovideo.errors import JobError
from rhovideo.launch.run_state import NOT_STARTED, RUNNING, Answer, ask_slurm, judge
from rhovideo.protocols.counted_videos import count_videos, of_official
from rhovideo.runs.folder import read_results
from rhovideo.runs.inputs import read_inputs
from rhovideo.runs.lineage import read_config
from rhovideo.runs.records import FAILED, FINISHED, read_job
from rhovideo.studies.record import SEED_IN_NAME, CellRecord, StudyRecord

OTHER_SETTINGS = "other settings"
NO_NUMBER = "no number"
# Of several states in a cell the first one here is shown; others follow by name.
_TELLING = (FAILED, OTHER_SETTINGS, RUNNING, NO_NUMBER)


@dataclass(frozen=True)
class RunNumber:
    """A run and its number.

    Attributes:
        folder: relative to the study's folder.
        split: of the data set, such as ``1``; empty where there is one.
        value: in percent; None as long as there is none.
        state: a word, ``finished`` where there is a number.
        official: such as ``19,404 of 19,761``; empty where not known.
    """

    folder: str
    split: str
    value: float | None
    state: str
    official: str = ""


@dataclass(frozen=True)
class SeedNumber:
    """The number of one seed: the mean over the splits of the data set."""

    seed: int
    runs: Sequence[RunNumber]

    @property
    def value(self) -> float | None:
        """None until the runs of all splits have a number."""
        values = _known(run.value for run in self.runs)
        return statistics.fmean(values) if values and len(values) == len(self.runs) else None


@dataclass(frozen=True)
class CellNumber:
    """A cell with its numbers.

    Attributes:
        record: the cell.
        seeds: a number for each seed of the study; empty where it is left out.
    """

    record: CellRecord
    seeds: Sequence[SeedNumber]

    @property
    def values(self) -> list[float]:
        """The numbers of the seeds that are done."""
        return _known(seed.value for seed in self.seeds)

    @property
    def mean(self) -> float | None:
        """Over the seeds that are done."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def deviation(self) -> float | None:
        """The sample standard deviation over the seeds; over the splits in a study of one seed; None of one number."""
        values = self._single_values
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def deviation_of(self) -> str:
        """What the deviation is over: ``seeds`` or ``splits``; empty without one."""
        if self.deviation is None:
            return ""
        return "splits" if len(self.seeds) == 1 else "seeds"

    @property
    def _single_values(self) -> list[float]:
        return _known(run.value for run in self.seeds[0].runs) if len(self.seeds) == 1 and self.values else self.values

    @property
    def is_partial(self) -> bool:
        """True if only some of the seeds are done."""
        return 0 < len(self.values) < len(self.seeds)

    @property
    def state(self) -> str:
        """Why there is no number, or why seeds are missing; empty where all are there."""
        if self.record.left_out:
            return self.record.left_out
        states = {run.state for seed in self.seeds for run in seed.runs if run.value is None}
        known = [word for word in _TELLING if word in states] + sorted(states - {*_TELLING, NOT_STARTED})
        return known[0] if known else NOT_STARTED if states else ""

    @property
    def name(self) -> str:
        """Its row, column and measure, such as ``2/BYOL/K``."""
        return "/".join(part for part in (self.record.row, self.record.column, self.record.measure) if part)


@dataclass(frozen=True)
class StudyNumbers:
    """All numbers of a study.

    Attributes:
        tables: by name of the table, its measured cells in their order.
        trouble: the reason why SLURM could not be asked; empty where it answered.
    """

    tables: Mapping[str, Sequence[CellNumber]]
    trouble: str = ""


def read_numbers(folder: str | Path, record: StudyRecord) -> StudyNumbers:
    """Read the numbers of a study.

    Args:
        folder: the study's.
        record: of :func:`rhovideo.studies.record.read_record`.
    """
    folders = {run for table in record.tables for cell in table.cells for runs in cell.runs for run in runs}
    folders |= {run for table in record.tables for cell in table.cells for run in cell.pretraining if run}
    jobs = {run: read_job(Path(folder) / run) for run in sorted(folders)}
    reader = _Reader(Path(folder), jobs, ask_slurm(list(jobs.values())))
    tables = {
        table.name: [reader.cell(cell, record.seeds) for cell in table.cells if cell.measure] for table in record.tables
    }
    return StudyNumbers(tables, reader.answer.trouble)


class _Reader:
    """Reads each run folder once, though several tables may have it."""

    def __init__(self, folder: Path, jobs: Mapping[str, Any], answer: Answer) -> None:
        self.answer = answer
        self._folder = folder
        self._states = {run: judge(folder / run, job, answer).word for run, job in jobs.items()}
        self._configs: dict[str, Mapping[str, Any]] = {}

    def cell(self, cell: CellRecord, seeds: Sequence[int]) -> CellNumber:
        """A cell's numbers."""
        own = zip(seeds, cell.runs, cell.pretraining or [""] * len(cell.runs), strict=False)
        return CellNumber(cell, [self._seed(seed_of(runs, seed), runs, start) for seed, runs, start in own])

    def _seed(self, seed: int, runs: Sequence[str], pretraining: str) -> SeedNumber:
        return SeedNumber(seed, [self._run(run, seed, pretraining, len(runs) > 1) for run in runs])

    def _run(self, run: str, seed: int, pretraining: str, several: bool) -> RunNumber:
        split = split_of(run) if several else ""
        state = self._states[run]
        if state != FINISHED:
            before = self._states.get(pretraining, NOT_STARTED)
            # A job that waits for its pre-training has that one's state.
            inherited = state == NOT_STARTED and before not in (NOT_STARTED, FINISHED)
            return RunNumber(run, split, None, before if inherited else state)
        cfg = self._config(run)
        if not _is_of_cell(cfg, run, seed, pretraining):
            return RunNumber(run, split, None, OTHER_SETTINGS)
        results = read_results(self._folder / run)
        value = _number(cfg, results)
        return RunNumber(
            run, split, value, NO_NUMBER if value is None else state, _official(self._folder / run, results)
        )

    def _config(self, run: str) -> Mapping[str, Any]:
        if run not in self._configs:
            self._configs[run] = read_config(self._folder / run)
        return self._configs[run]


def seed_of(runs: Sequence[str], otherwise: int) -> int:
    """The seed in the names of run folders: a table that was begun later may have other seeds than the first ones."""
    found = SEED_IN_NAME.search(runs[0]) if runs else None
    return int(found[1]) if found else otherwise


def split_of(run: str) -> str:
    """The split in the name of a run folder, such as ``2`` of ``UCF101_split2_finetune``; empty without."""
    found = re.search(r"(?<![A-Za-z])split(\d+)", run.rpartition("/")[2])
    return found[1] if found else ""


def _is_of_cell(cfg: Mapping[str, Any], run: str, seed: int, pretraining: str) -> bool:
    """True if a run has the seed of its cell, and weights of the cell's pre-training or of none."""
    if cfg.get("RNG_SEED") != seed:
        return False
    if run == pretraining:
        return True
    section = "TEST" if cfg.get("TASK") in MEASURES else "TRAIN"
    train, own = (str((cfg.get(name) or {}).get("CHECKPOINT_FILE_PATH") or "") for name in ("TRAIN", section))
    source = Path(own or train)
    # RUN/checkpoints/checkpoint_....pyth; by the last names alone, since a study's folder may have been moved.
    parts = Path(pretraining).parts
    return source.parent.parent.parts[-len(parts) :] == parts if pretraining else not source.parts


def _number(cfg: Mapping[str, Any], results: Mapping[str, Any]) -> float | None:
    """The number of a finished run that a table shows, in percent."""
    several = bool((cfg.get("DATA") or {}).get("MULTI_LABEL"))
    task = cfg.get("TASK")
    if task in DETECTS or (several and task in CLASSIFIES):
        name = "test_map"
    else:
        name = "knn_top1" if task in ("knn", "pretrain") else "test_top1"
    value = results.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _official(run: Path, results: Mapping[str, Any]) -> str:
    """The official videos that a number is of, of all that there are."""
    try:
        inputs = read_inputs(run)
    except JobError:
        return ""
    for item in inputs.inputs if inputs else []:
        if item.split == "test" and item.official:
            counts = count_videos({"test": item.official.listed}, results, {"test": item.official})
            return of_official({"lists": counts})
    return ""


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
