"""The plan of one call: the cells of a sweep, each a chain of jobs. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rhovideo.checks.files import check_folder_name
from rhovideo.checks.fitting import fit_to_list
from rhovideo.config.files.reading import Loaded, import_plugins_of, load
from rhovideo.config.files.values import from_word
from rhovideo.config.files.yaml_settings import Setting
from rhovideo.config.findings import ConfigError, Origin, Problem, Severity, as_lines
from rhovideo.config.slurm_options import cluster_file
from rhovideo.errors import JobError
from rhovideo.launch.sweep import SWEEP, cells, check_overrides, parse_sweep, settings
from rhovideo.runs.first_launch import as_resumed
from rhovideo.runs.records import Study, StudyCell, read_study, write_study
from rhovideo.terminal import print_line


@dataclass(frozen=True)
class Cell:
    """One combination of the swept values; the only one where nothing is swept.

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
    """The jobs that a launcher is to run.

    Attributes:
        cells: in the order of the product; one without a sweep.
        study: the folder that holds the run folders of all cells; None where each job has its own OUTPUT_DIR.
        sweep: the swept keys and all their values.
        keep: writes what a study keeps besides, once its jobs have been checked; None: nothing.
    """

    cells: list[Cell]
    study: Path | None = None
    sweep: dict[str, list[str]] = field(default_factory=dict)
    keep: Callable[[], None] | None = None

    @property
    def jobs(self) -> list[Loaded]:
        """The jobs of all cells."""
        return [job for cell in self.cells for job in cell.jobs]


def make_plan(
    configs: Sequence[str],
    overrides: Sequence[object] = (),
    sweep: str | None = None,
    study: str | None = None,
    slurm: bool = False,
) -> Plan:
    """Load every configuration of every cell. Only their keys are checked (see :mod:`rhovideo.launch.before_start`).

    Args:
        configs: YAML files, a job each.
        overrides: ``[key, value, ...]`` for all of them.
        sweep: ``"KEY=VALUE,VALUE KEY=VALUE,VALUE"``; the product of the values are the cells.
        study: a folder; each job's OUTPUT_DIR is then ``study/cell/stem of its file``.
        slurm: whether SLURM is to run them: then the user's defaults for the cluster are read too.

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
    combinations = list(cells(swept))
    made, tally = [], ProblemTally(len(combinations))
    for name, values in combinations:
        jobs = []
        for path in configs:
            decided = settings(values)
            if folder is not None:
                output = str(folder / name / Path(path).stem)
                decided["OUTPUT_DIR"] = Setting(output, output, Origin(f"--study {study}"))
            try:
                cluster = cluster_file() if slurm else None
                jobs.append(
                    load(path, overrides, cluster=cluster, decided=decided, resumed=as_resumed, fitted=fit_to_list)
                )
            except ConfigError as error:
                tally.add(name, error.problems)
        made.append(Cell(name, values, jobs))
    tally.raise_errors()
    return Plan(made, folder, swept)


def print_configurations(plan: Plan) -> None:
    """Print the resolved configuration of every job, as YAML documents."""
    for cell in plan.cells:
        of_cell = f" of {cell.name}" if cell.name else ""
        for job in cell.jobs:
            print(f"---\n# {job.file}{of_cell}\n{job.cfg.dump()}", end="")


def write_study_record(plan: Plan) -> None:
    """Write STUDY/study.json, by which the cells of a study are found again, and what the plan keeps besides.

    Cells of an earlier call in the same folder stay: a study may grow by a value, or by a job at the end of its chains.

    Args:
        plan: with a study, which the caller holds (:func:`rhovideo.runs.lock.held_to_submit`).

    Raises:
        JobError: the folder's earlier record cannot be read, or has a cell's name for other values.
    """
    study = plan.study
    assert study is not None
    if plan.keep is not None:
        plan.keep()
    earlier = read_study(study)
    known = {cell.name: cell for cell in earlier.cells} if earlier else {}
    sweep = dict(earlier.sweep) if earlier else {}
    for cell in plan.cells:
        jobs = [Path(job.cfg.OUTPUT_DIR).relative_to(study).as_posix() for job in cell.jobs]
        before = known[cell.name].jobs if cell.name in known else []
        if cell.name in known:
            _check_same_cell(study, known[cell.name], cell)
        known[cell.name] = StudyCell(cell.name, cell.values, list(dict.fromkeys([*before, *jobs])))
    for key, values in plan.sweep.items():
        sweep[key] = list(dict.fromkeys([*sweep.get(key, []), *values]))
    created = earlier.created if earlier else time.time()
    study.mkdir(parents=True, exist_ok=True)
    write_study(study, Study(created, list(known.values()), sweep))


def _check_same_cell(study: Path, before: StudyCell, now: Cell) -> None:
    """Stop where the folder of a name belongs to other values: the checkpoints in it would not be this cell's."""
    for key, value in now.values.items():
        earlier = before.values.get(key, value)
        if from_word(earlier)[0] != from_word(value)[0]:
            raise JobError(
                f"{study / now.name} belongs to the cell of {key}={earlier}, whose name is the same as that of {value}"
                ": give both values in one --sweep, in the order of the first time, or write another --study"
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
    elif wrong := check_folder_name(study):
        problems.append(Problem("", origin, wrong, "--study outputs/NAME"))
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


class ProblemTally:
    """The problems of a plan's cells: each once, with the cells that have it."""

    def __init__(self, cells: int) -> None:
        self._total = cells
        self._cells: dict[Problem, list[str]] = {}

    def add(self, cell: str, problems: Iterable[Problem]) -> None:
        """Add problems of a cell; an empty name stands for the plan as a whole."""
        for problem in problems:
            names = self._cells.setdefault(problem, [])
            if cell not in names:
                names.append(cell)

    def of_severity(self, severity: Severity) -> list[Problem]:
        """The errors, or the warnings, in the order in which they came; what only some cells have names them."""
        return [
            _in_cells(problem, names, self._total)
            for problem, names in self._cells.items()
            if problem.severity == severity
        ]

    def print_warnings(self) -> None:
        """Print the warnings for the person who started the command."""
        for line in as_lines(self.of_severity("warning")):
            print_line(f"warning: {line}")

    def raise_errors(self) -> None:
        """Raise a ConfigError with the errors, if there are any."""
        if errors := self.of_severity("error"):
            raise ConfigError(errors)


def _in_cells(problem: Problem, names: list[str], total: int) -> Problem:
    """The problem, with its cells where it is not one of all cells."""
    if not names[0] or len(names) == total:
        return problem
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return replace(problem, wrong=f"{problem.wrong} (in {'; '.join(names[:3])}{more})")
