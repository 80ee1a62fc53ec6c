"""Everything that one call is to run: the cells of a sweep, each a chain of jobs, checked before the first one starts.

Imports no torch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.findings import ConfigError, Finding, Origin, Problem
from rhovideo.config.reading import Loaded, import_plugins_of, load
from rhovideo.config.slurm_options import cluster_file
from rhovideo.config.values import from_word
from rhovideo.config.yaml_settings import Setting
from rhovideo.errors import JobError
from rhovideo.launch.chains import check_chain, check_output_folders
from rhovideo.launch.sweep import SWEEP, cells, check_overrides, parse_sweep, settings
from rhovideo.runs.first_launch import as_resumed
from rhovideo.runs.records import Study, StudyCell, read_study, write_study


@dataclass(frozen=True)
class Cell:
    """One combination of the swept values, or all there is where nothing is swept.

    Attributes:
        name: fit for a folder, such as ``TYPE=moco,TRAIN_CROP_NUM_TEMPORAL=2``; empty without a sweep.
        values: the swept keys and this cell's values, as they were written.
        jobs: the chain, in the order in which it runs.
    """

    name: str
    values: dict[str, str]
    jobs: list[Loaded]


@dataclass(frozen=True)
class Plan:
    """What a launcher is to run.

    Attributes:
        cells: in the order of the product; one without a sweep.
        study: the folder that holds the run folders of all cells; None where each job has its own OUTPUT_DIR.
        sweep: the swept keys and all their values.
    """

    cells: list[Cell]
    study: Path | None = None
    sweep: dict[str, list[str]] = field(default_factory=dict)

    @property
    def jobs(self) -> list[Loaded]:
        """Of all cells."""
        return [job for cell in self.cells for job in cell.jobs]


def make_plan(
    configs: Sequence[str],
    overrides: Sequence[object] = (),
    sweep: str | None = None,
    study: str | None = None,
    slurm: bool = False,
) -> Plan:
    """Load every configuration of every cell.

    Args:
        configs: YAML files, a job each.
        overrides: ``[key, value, ...]`` for all of them.
        sweep: ``"KEY=VALUE,VALUE KEY=VALUE,VALUE"``; the product of the values are the cells.
        study: a folder; each job's OUTPUT_DIR is then ``study/cell/stem of its file``.
        slurm: whether SLURM is to run them: reads the user's defaults for the cluster too.

    Raises:
        ConfigError: with the problems of all files and cells.
    """
    if sweep is not None:
        for path in configs:
            import_plugins_of(path, overrides)
    swept = {} if sweep is None else parse_sweep(sweep)
    check_overrides(swept, overrides)
    _check_study(configs, overrides, sweep, study)
    folder = Path(study) if study else None
    made, tally = [], _Tally()
    for name, values in cells(swept):
        jobs = []
        for path in configs:
            decided = settings(values)
            if folder is not None:
                output = str(folder / name / Path(path).stem)
                decided["OUTPUT_DIR"] = Setting(output, output, Origin(f"--study {study}"))
            try:
                cluster = cluster_file() if slurm else None
                jobs.append(load(path, overrides, cluster=cluster, decided=decided, resumed=as_resumed))
            except ConfigError as error:
                tally.add(name, error.problems)
        made.append(Cell(name, values, jobs))
    tally.raise_if_any(len(made))
    return Plan(made, folder, swept)


def check_plan(plan: Plan) -> None:
    """What depends on the files there are, and on the other jobs.

    Raises:
        ConfigError: with the problems of all cells.
    """
    tally = _Tally()
    tally.add("", check_output_folders(plan.jobs))
    for cell in plan.cells:
        tally.add(cell.name, check_chain(cell.jobs))
    tally.raise_if_any(len(plan.cells))


def check_each(plan: Plan, check: Callable[[CfgNode], Iterable[Finding]]) -> None:
    """Ask ``check`` about every job of every cell.

    Raises:
        ConfigError: with what it found, each once; what only some cells have names them.
    """
    tally = _Tally()
    for cell in plan.cells:
        for job in cell.jobs:
            tally.add(cell.name, map(job.problem, check(job.cfg)))
    tally.raise_if_any(len(plan.cells))


def print_configurations(plan: Plan) -> None:
    """Print what every job amounts to, as YAML documents."""
    for cell in plan.cells:
        of_cell = f" of {cell.name}" if cell.name else ""
        for job in cell.jobs:
            print(f"---\n# {job.file}{of_cell}\n{job.cfg.dump()}", end="")


def write_study_record(plan: Plan) -> None:
    """Leave STUDY/study.json, by which the study's cells are found again.

    Cells of an earlier call in the same folder stay: a study may grow by a value, or by a job at the end of its chains.
    Whoever calls it holds the study (:func:`rhovideo.runs.lock.held_to_submit`).

    Raises:
        JobError: the folder's earlier record cannot be read, or has a cell's name for other values.
    """
    earlier = read_study(plan.study)
    known = {cell.name: cell for cell in earlier.cells} if earlier else {}
    sweep = dict(earlier.sweep) if earlier else {}
    for cell in plan.cells:
        jobs = [Path(job.cfg.OUTPUT_DIR).relative_to(plan.study).as_posix() for job in cell.jobs]
        before = known[cell.name].jobs if cell.name in known else []
        if cell.name in known:
            _check_same_cell(plan.study, known[cell.name], cell)
        known[cell.name] = StudyCell(cell.name, cell.values, list(dict.fromkeys([*before, *jobs])))
    for key, values in plan.sweep.items():
        sweep[key] = list(dict.fromkeys([*sweep.get(key, []), *values]))
    created = earlier.created if earlier else time.time()
    plan.study.mkdir(parents=True, exist_ok=True)
    write_study(plan.study, Study(created, list(known.values()), sweep))


def _check_same_cell(study: Path, before: StudyCell, now: Cell) -> None:
    """Names leave out what no folder is called; a cell that goes on in another's folder would take its checkpoints."""
    for key, value in now.values.items():
        earlier = before.values.get(key, value)
        if from_word(earlier)[0] != from_word(value)[0]:
            raise JobError(
                f"{study / now.name} belongs to the cell of {key}={earlier}, whose name is the same as that of {value}"
                ": give both in one --sweep, in the order of the first time, or write another --study"
            )


def _check_study(configs: Sequence[str], overrides: Sequence[object], sweep: str | None, study: str | None) -> None:
    if study is None:
        if sweep is not None:
            raise ConfigError(Problem("", SWEEP, "its cells need a folder", "--study outputs/NAME"))
        return
    origin = Origin("--study")
    problems = []
    if not study.strip():
        problems.append(Problem("", origin, "is empty", "--study outputs/NAME"))
    if "OUTPUT_DIR" in overrides[::2]:
        wrong = "--study decides where each job writes: STUDY/CELL/name of its file"
        problems.append(Problem("OUTPUT_DIR", origin, wrong, "--study or OUTPUT_DIR"))
    stems = [Path(path).stem for path in configs]
    for stem in dict.fromkeys(stem for stem in stems if stems.count(stem) > 1):
        same = " and ".join(path for path in configs if Path(path).stem == stem)
        wrong = f"{same} have the same name, and the jobs' folders in the study are named so"
        problems.append(Problem("", origin, wrong, "the second one under another file name, or leave it out"))
    if problems:
        raise ConfigError(problems)


class _Tally:
    """Each problem once, with the cells that have it."""

    def __init__(self) -> None:
        self._cells: dict[Problem, list[str]] = {}

    def add(self, cell: str, problems: Iterable[Problem]) -> None:
        for problem in problems:
            names = self._cells.setdefault(problem, [])
            if cell not in names:
                names.append(cell)

    def raise_if_any(self, total: int) -> None:
        if self._cells:
            raise ConfigError([_in_cells(problem, names, total) for problem, names in self._cells.items()])


def _in_cells(problem: Problem, names: list[str], total: int) -> Problem:
    """The problem, with its cells where it is not one of all cells."""
    if not names[0] or len(names) == total:
        return problem
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return replace(problem, wrong=f"{problem.wrong} (in {'; '.join(names[:3])}{more})")
