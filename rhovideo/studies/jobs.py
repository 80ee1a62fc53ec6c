"""From study files to the jobs that fill their tables: each training once, with all that is measured of it.

A training and its measurements are a chain of :mod:`rhovideo.launch.chains`, so they resume and go to SLURM as any
other jobs do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.checks.fitting import fit_to_list
from rhovideo.config.files.reading import Loaded, load
from rhovideo.config.files.yaml_settings import Setting
from rhovideo.config.findings import COMMAND_LINE, ConfigError, Origin, Problem
from rhovideo.config.slurm_options import cluster_file
from rhovideo.config.task_defaults import CLASSIFIES
from rhovideo.launch.plan import Cell, Plan, ProblemTally
from rhovideo.protocols.known_datasets import CLASSES
from rhovideo.protocols.list_settings import list_settings
from rhovideo.protocols.recipes import Subject, recipe
from rhovideo.runs.first_launch import as_resumed
from rhovideo.studies.data_sets import DataSets, classes_of
from rhovideo.studies.job_names import TRAINING, fit_for_folder, measure_name, training_name, untrained_name
from rhovideo.studies.record import RUNS, CellRecord, StudyRecord, TableRecord
from rhovideo.studies.study_file import Measure, StudyCell, StudyFile, studies_folder
from rhovideo.zoo.stated_figures import stated

_RANDOM = "random"


@dataclass(frozen=True)
class Request:
    """What a person asks of a study.

    Attributes:
        out: the study's folder.
        data: the data sets.
        seeds: of every cell.
        overrides: ``[KEY, VALUE, ...]`` for all jobs.
        only: patterns of ROW/COLUMN/MEASURE; empty: all cells.
        slurm: whether SLURM is to run the jobs.
        shrink: gives the keys that make a job tiny, for a miniature.
    """

    out: Path
    data: DataSets
    seeds: Sequence[int] = (1,)
    overrides: Sequence[object] = ()
    only: Sequence[str] = ()
    slurm: bool = False
    shrink: Callable[[CfgNode], Mapping[str, Any]] | None = None


@dataclass
class _Chain:
    """A training and its measurements by the names of their folders; some are only in the record, not to be run."""

    jobs: dict[str, Loaded] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Base:
    """What a job's configuration begins with: a recipe, or the settings of a protocol under a name."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Start:
    """The start of a chain: its name, the configuration that its encoder has, and whether that is trained."""

    chain: str
    cfg: CfgNode
    trained: bool


def make_study(studies: Sequence[StudyFile], request: Request) -> tuple[Plan, StudyRecord]:
    """The jobs of studies, and the record of their tables.

    Args:
        studies: tables; a training that several have is one job.
        request: the folders, seeds and settings.

    Returns:
        The plan, with a chain for each training, the longest first; and the record.

    Raises:
        ConfigError: with the problems of all cells.
        JobError: a list cannot be used.
    """
    _check_names(studies)
    _check_overrides(studies, request.overrides)
    for study in studies:
        request.data.add_subsets_of(study)
    maker = _JobMaker(request)
    tables = [maker.table(study) for study in studies]
    maker.tally.raise_errors()
    if request.only and not any(chain.wanted for chain in maker.chains.values()):
        labels = sorted(
            {_label(cell, measure) for study in studies for cell in study.cells for measure in cell.measures}
        )
        wrong = f"no cell is called {' or '.join(request.only)}"
        raise ConfigError(Problem("", Origin("--only"), wrong, f"ROW/COLUMN/MEASURE, such as {labels[0]}"))
    cells = [cell for name, chain in maker.chains.items() for cell in _cells_of(name, chain)]
    # On SLURM the jobs at one place of the chains are an array, whose last jobs may be missing.
    cells.sort(key=lambda cell: -len(cell.jobs))
    words = [str(word) for word in request.overrides]
    data = {name: str(folder) for name, folder in request.data.folders.items()}
    record = StudyRecord(list(request.seeds), data, words, request.shrink is not None, tables)
    return Plan(cells, request.out), record


def _cells_of(name: str, chain: _Chain) -> list[Cell]:
    """The chain of a training; measurements of random weights have none, and are each alone."""
    jobs = {folder: job for folder, job in chain.jobs.items() if folder in chain.wanted}
    if TRAINING in jobs:
        return [Cell(name, {}, list(jobs.values()))]
    # In one chain the later ones would take the weights of the first.
    return [Cell(f"{name}/{folder}", {}, [job]) for folder, job in jobs.items()]


def _check_names(studies: Sequence[StudyFile]) -> None:
    """Refuse two files of one name: a table is called after its file."""
    paths: dict[str, Path] = {}
    for study in studies:
        before = paths.setdefault(study.name, study.path)
        if before != study.path:
            wrong = f"{before} has this name too, and a table is called after its file"
            raise ConfigError(Problem(study.name, Origin(str(study.path)), wrong, "another name for one of the files"))


def _check_overrides(studies: Sequence[StudyFile], overrides: Sequence[object]) -> None:
    """Refuse overrides of what the cells differ in."""
    problems = []
    given = set(map(str, overrides[::2]))
    for study in studies:
        for cell in study.cells:
            for key, setting in cell.keys.items():
                if key in given:
                    wrong = f"is {setting.text} for a cell of {study.name} ({setting.origin}), and an override too"
                    problems.append(Problem(key, COMMAND_LINE, wrong, "nothing: leave it out; or a study of your own"))
                    given.discard(key)
    if problems:
        raise ConfigError(problems)


class _JobMaker:
    """Makes the chains and the tables' records."""

    def __init__(self, request: Request) -> None:
        self.chains: dict[str, _Chain] = {}
        self.tally = ProblemTally(0)
        self._request = request
        # Keys that the person has written on the command line.
        self._given = tuple(map(str, request.overrides[::2]))
        self._starts: dict[tuple[object, ...], _Start] = {}
        self._cluster = cluster_file() if request.slurm else None

    def table(self, study: StudyFile) -> TableRecord:
        """A study's table, whose jobs are added to the chains."""
        cells = [record for cell in study.cells for record in self._cell(study, cell)]
        lists = {
            name: str(self._request.data.folder(name) / "train.csv")
            for name in study.statistics
            if not self._request.data.missing(name)
        }
        return TableRecord(
            study.name,
            study.title,
            study.row_heading,
            list(study.statistics or study.rows),
            list(study.columns),
            list(study.measures),
            list(study.describe),
            study.plot,
            cells,
            lists,
        )

    def _cell(self, study: StudyFile, cell: StudyCell) -> list[CellRecord]:
        """The numbers of a cell, one a measure."""
        missing = self._request.data.missing(cell.train_on) if cell.start != _RANDOM else ""
        of_paper = study.path.parent == studies_folder()
        starts = [] if missing else [self._start(study, cell, seed) for seed in self._request.seeds]
        records = []
        for label in cell.measures:
            measure = study.measures[label]
            measure = replace(measure, keys={**measure.keys, **cell.measure_keys.get(label, {})})
            figure = stated(study.name, cell.row, cell.column, label) if of_paper else None
            lacking = [missing, self._request.data.missing(measure.data)]
            needs = " and ".join(dict.fromkeys(name for name in lacking if name))
            if needs or None in starts:
                why = f"needs {needs}" if needs else "its configuration is wrong"
                records.append(CellRecord(cell.row, cell.column, label, left_out=why, stated=figure))
                continue
            wanted = _is_wanted(_label(cell, label), self._request.only)
            runs, trained = [], []
            for start, seed in zip(starts, self._request.seeds, strict=True):
                assert start is not None
                trained.append(f"{RUNS}/{start.chain}/{TRAINING}" if start.trained else "")
                runs.append(self._measured(study, cell, measure, start, seed, wanted=wanted))
            records.append(CellRecord(cell.row, cell.column, label, runs, trained, stated=figure))
        return records

    def _start(self, study: StudyFile, cell: StudyCell, seed: int) -> _Start | None:
        """The chain of a cell, begun with its training; None where its configuration is wrong."""
        texts = tuple(sorted((key, str(setting.value)) for key, setting in cell.keys.items()))
        known = (cell.recipe, cell.train_on, cell.start, texts, seed)
        if known not in self._starts:
            try:
                self._starts[known] = self._new_start(cell, seed)
            except ConfigError as error:
                self.tally.add(f"{study.name} {cell.row}/{cell.column}", error.problems)
                return None
        return self._starts[known]

    def _new_start(self, cell: StudyCell, seed: int) -> _Start:
        data = self._request.data
        trained = cell.start != _RANDOM
        keys = dict(cell.keys)
        if trained:
            data.draw([cell.train_on])
            keys |= _decided(list_settings(data.folder(cell.train_on)), Origin("--data"))
        own = set(cell.keys)
        first = self._load(_Base(cell.recipe), keys, own, seed, str(self._request.out / "unnamed"))
        if trained and first.cfg.TASK in CLASSIFIES:
            folder = data.folder(cell.train_on)
            classes = classes_of(folder, "finetune", cell.train_on if cell.train_on in CLASSES else "")
            keys |= _decided({"MODEL.NUM_CLASSES": classes}, Origin("--data"))
            first = self._load(_Base(cell.recipe), keys, own, seed, str(self._request.out / "unnamed"))
        if not trained:
            name = untrained_name(first.cfg, seed)
            self.chains.setdefault(name, _Chain())
            return _Start(name, first.cfg, trained)
        name = training_name(first.cfg, cell.train_on, seed)
        loaded = self._load(_Base(cell.recipe), keys, own, seed, self._folder(name, TRAINING))
        self.chains.setdefault(name, _Chain()).jobs[TRAINING] = loaded
        return _Start(name, loaded.cfg, trained)

    def _measured(
        self, study: StudyFile, cell: StudyCell, measure: Measure, start: _Start, seed: int, *, wanted: bool
    ) -> list[str]:
        """The run folders of a measure, one a split, relative to the study; their jobs are added to the chain."""
        chain = self.chains[start.chain]
        if wanted and start.trained:
            chain.wanted.add(TRAINING)
        if start.trained and start.cfg.TASK in CLASSIFIES and measure.data == cell.train_on:
            # A supervised training measures itself.
            return [f"{RUNS}/{start.chain}/{TRAINING}"]
        folders = []
        for split in measure.splits or (None,):
            own = {key: setting.value for key, setting in measure.keys.items()}
            name = measure_name(measure.data, measure.protocol, split, own)
            if name not in chain.jobs:
                try:
                    chain.jobs[name] = self._measurement(measure, split, start, seed, self._folder(start.chain, name))
                except ConfigError as error:
                    self.tally.add(f"{study.name} {_label(cell, measure.label)}", error.problems)
                    continue
            if wanted:
                chain.wanted.add(name)
            folders.append(f"{RUNS}/{start.chain}/{name}")
        return folders

    def _measurement(self, measure: Measure, split: int | None, start: _Start, seed: int, output: str) -> Loaded:
        data, protocol = self._request.data, measure.protocol
        data.draw([measure.data])
        folder = data.folder(measure.data, split)
        dataset = measure.data if measure.data in CLASSES else ""
        classes = classes_of(folder, protocol, dataset, self._given)
        settings = recipe(Subject("", "", "", start.cfg), protocol, dataset, classes)
        settings |= list_settings(folder, protocol, self._given)
        # The chain fills it in.
        settings = {key: value for key, value in settings.items() if not key.endswith("CHECKPOINT_FILE_PATH")}
        name = f"{fit_for_folder(measure.data)}_{protocol}{f'_split{split}' if split else ''}"
        loaded = self._load(_Base(name, settings), measure.keys, set(measure.keys), seed, output)
        return replace(loaded, file=name)

    def _load(self, base: _Base, keys: Mapping[str, Setting], own: set[str], seed: int, output: str) -> Loaded:
        """A job's configuration; in a miniature it is loaded a second time, with what makes it tiny.

        Args:
            base: the recipe or protocol.
            keys: settings that win over it and over the overrides.
            own: those of them that are not fitted to the list, since a study's file has them.
            seed: RNG_SEED.
            output: OUTPUT_DIR.
        """
        decided = {**keys, **_decided({"RNG_SEED": seed, "OUTPUT_DIR": output}, Origin("the study"))}
        loaded = self._load_once(base, decided, own)
        if self._request.shrink is None:
            return loaded
        smaller = _decided(self._request.shrink(loaded.cfg), Origin("--miniature"))
        return self._load_once(base, decided | smaller, own | smaller.keys())

    def _load_once(self, base: _Base, decided: Mapping[str, Setting], own: set[str]) -> Loaded:
        given = set(self._given)
        words = [part for pair in base.settings.items() for part in pair]
        try:
            return load(
                base.name if not base.settings else None,
                [*words, *self._request.overrides],
                cluster=self._cluster,
                decided=decided,
                resumed=as_resumed,
                fitted=lambda cfg, _, automatic: fit_to_list(cfg, own | given, automatic),
            )
        except ConfigError as error:
            raise ConfigError([_relocated(problem, base, given) for problem in error.problems]) from None

    def _folder(self, chain: str, job: str) -> str:
        return str(self._request.out / RUNS / chain / job)


def _relocated(problem: Problem, base: _Base, given: set[str]) -> Problem:
    """The problem, placed in its protocol unless the person has written the value."""
    if problem.origin != COMMAND_LINE or problem.key in given or problem.key not in base.settings:
        return problem
    return Problem(problem.key, Origin(base.name), problem.wrong, problem.write, problem.severity)


def _decided(settings: Mapping[str, Any], origin: Origin) -> dict[str, Setting]:
    return {key: Setting(value, None, origin) for key, value in settings.items()}


def _label(cell: StudyCell, measure: str) -> str:
    return "/".join(part for part in (cell.row, cell.column, measure) if part)


def _is_wanted(label: str, only: Sequence[str]) -> bool:
    """True if a pattern is the label or its beginning, such as ``2/BYOL`` of ``2/BYOL/K``."""
    return not only or any(fnmatchcase(label, pattern) or fnmatchcase(label, f"{pattern}/*") for pattern in only)
