"""``rhovideo results``: the final numbers of a study, cell by cell, next to the paper's. Imports no torch."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from rhovideo.config.list_names import is_split
from rhovideo.config.task_defaults import CLASSIFIES, DETECTS, TRAINS_ON_LABELS
from rhovideo.engine.evaluation.intervals import in_words
from rhovideo.launch.run_state import State, ask_slurm, judge
from rhovideo.launch.sweep import short_keys
from rhovideo.monitor.evaluations import INTERVAL, INTERVAL_NOTE, evaluations
from rhovideo.monitor.tables import Table
from rhovideo.protocols.evaluation_folder import has_protocols_batch
from rhovideo.runs.folder import read_results
from rhovideo.runs.lineage import lineage, read_config
from rhovideo.runs.records import FINISHED, Study, is_run, read_job, read_study, run_folders
from rhovideo.zoo.figures import AVA, FIGURE_NAMES, Figure, figure_for

# Columns of a task: a heading, and the names in results.json whose first value is shown.
_Columns: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]

_CLASSIFIER: _Columns = (("top1", ("test_top1", "top1")), ("top5", ("test_top5", "top5")))
_NUMBERS: dict[str, _Columns] = {
    "pretrain": (("knn top1", ("knn_top1",)),),
    "linear": _CLASSIFIER,
    "finetune": _CLASSIFIER,
    "detection": (("mAP", ("test_map", "map")),),
    "detection_test": (("mAP", ("test_map",)),),
    "test": _CLASSIFIER,
    "logistic": (("top1", ("test_top1",)),),
    "knn": (("top1", ("knn_top1",)), ("recall@1", ("recall_at_1",))),
}
# Of several labels a video.
_SEVERAL: _Columns = (("mAP", ("test_map", "map")),)
_NOTHING_KNOWN: _Columns = (("", ()),)


@dataclass(frozen=True)
class _Run:
    """One job of a chain.

    Attributes:
        folder: its run folder.
        task: the TASK, empty where it is not known yet.
        state: its state.
        numbers: its results; empty before it has finished.
        figure: the paper's figure for its settings.
        several_labels: its videos have several labels each (DATA.MULTI_LABEL).
    """

    folder: Path
    task: str
    state: State
    numbers: Mapping[str, Any]
    figure: Figure | None
    several_labels: bool


@dataclass(frozen=True)
class _Row:
    """A cell: its swept values and its chain."""

    values: Sequence[str]
    runs: Sequence[_Run]


def results(path: str | Path, precise: bool = False) -> Table:
    """A row for each cell: swept values, then the numbers of each job of its chain, and the paper's next to them.

    Args:
        path: a study; a run, whose chain is followed back along its checkpoints; a folder of evaluations; or any folder
            that holds runs and studies, some levels deep, of which each run has a row.
        precise: for programs: whole names of keys, and numbers as in results.json, not rounded.

    Raises:
        JobError: ``path`` is none of these.
    """
    folder = Path(path)
    study = read_study(folder)
    if study is None and not is_run(folder) and (table := evaluations(folder, precise)):
        return table
    if study is None and not is_run(folder):
        return _of_folder(folder, precise)
    if study is None:
        chains = [lineage(run) for run in run_folders(folder)]
        keys, values = ["run"], [[chains[0][-1].absolute().name]]
    else:
        chains = [[folder / job for job in cell.jobs] for cell in study.cells]
        keys, values = _swept(study, folder, precise)
    runs, trouble = _runs([run for chain in chains for run in chain])
    rows = [_Row(text, [runs[run] for run in chain]) for text, chain in zip(values, chains, strict=True)]
    rows += _mean_of_splits(rows)
    return _table(keys, rows, precise, [f"SLURM was not asked: {trouble}"] if trouble else [])


def _of_folder(folder: Path, precise: bool) -> Table:
    """A row for each run below a folder: its task, its state and its first number."""
    folders = run_folders(folder, below=True)
    runs, trouble = _runs(folders)
    rows = []
    for each in folders:
        run = runs[each]
        shown = _shown(run)[:1]
        value = _numbers(run, shown, precise)[0] if run.state.word == FINISHED else ""
        rows.append([str(each.relative_to(folder)), run.task, run.state.word, shown[0][0], value])
    notes = [f"SLURM was not asked: {trouble}"] if trouble else []
    return Table(("run", "task", "state", "measure", "%"), rows, notes, numbers=("%",))


def _shown(run: _Run) -> _Columns:
    """The columns of a run's numbers."""
    return _SEVERAL if run.several_labels and run.task in CLASSIFIES else _NUMBERS.get(run.task, _NOTHING_KNOWN)


def _swept(study: Study, folder: Path, in_full: bool) -> tuple[list[str], list[list[str]]]:
    """Headings and values of the swept keys; the study's name where nothing is swept."""
    keys = list(study.sweep)
    if not keys:
        return ["run"], [[cell.name or folder.absolute().name] for cell in study.cells]
    headings = keys if in_full else list(short_keys(keys).values())
    return headings, [[str(cell.values.get(key, "")) for key in keys] for cell in study.cells]


def _runs(folders: Sequence[Path]) -> tuple[dict[Path, _Run], str]:
    jobs = {folder: read_job(folder) for folder in folders}
    answer = ask_slurm(list(jobs.values()))
    runs = {}
    for folder, job in jobs.items():
        state = judge(folder, job, answer)
        numbers = read_results(folder) if state.word == FINISHED else {}
        cfg = read_config(folder)
        task = cfg.get("TASK") or (job.task if job else "")
        several = bool((cfg.get("DATA") or {}).get("MULTI_LABEL"))
        figure = _figure(folder) if task in (*CLASSIFIES, *DETECTS) else None
        runs[folder] = _Run(folder, task, state, numbers, figure, several)
    return runs, answer.trouble


def _figure(run: Path) -> Figure | None:
    chain = [(each, read_config(each)) for each in lineage(run)]
    trained = [(each, cfg) for each, cfg in chain if cfg.get("TASK") in TRAINS_ON_LABELS]
    if not trained or len(chain) < 2:
        return None
    folder, training = trained[-1]
    figure = figure_for(chain[0][1], training, chain[-1][1])
    return figure if figure and has_protocols_batch(training, folder) else None


def _table(keys: Sequence[str], rows: Sequence[_Row], precise: bool, notes: list[str]) -> Table:
    columns = list(keys)
    cells = [list(row.values) for row in rows]
    numbers = []
    for place in range(max(len(row.runs) for row in rows)):
        runs = [row.runs[place] if place < len(row.runs) else None for row in rows]
        headings, texts = _columns(runs, precise)
        columns += headings
        numbers += headings
        for cell, text in zip(cells, texts, strict=True):
            cell += text
    notes = [*notes, *_sources(rows), *([INTERVAL_NOTE] if any(INTERVAL in column for column in columns) else [])]
    return Table(columns, cells, notes, numbers)


def _mean_of_splits(rows: Sequence[_Row]) -> list[_Row]:
    """Two more rows where each row is a finished split of one data set: the mean and the standard deviation."""
    measured = [row.runs[-1] for row in rows if row.runs]
    if len(measured) < 2 or not all(is_split(row.values[-1]) for row in rows):
        return []
    if any(run.state.word != FINISHED for run in measured):
        return []
    numbers = {
        key: [run.numbers[key] for run in measured]
        for key, value in measured[0].numbers.items()
        if isinstance(value, int | float) and all(isinstance(run.numbers.get(key), int | float) for run in measured)
    }
    means = {key: statistics.fmean(values) for key, values in numbers.items()}
    deviations = {key: statistics.stdev(values) for key, values in numbers.items()}
    return [
        _Row([f"mean of {len(measured)} splits"], [replace(measured[0], numbers=means, figure=None)]),
        _Row(["standard deviation"], [replace(measured[0], numbers=deviations, figure=None)]),
    ]


def _columns(runs: Sequence[_Run | None], precise: bool) -> tuple[list[str], list[list[str]]]:
    """Headings of the jobs at one place of the chains, and the texts of every row."""
    known = [run for run in runs if run is not None]
    name = known[0].folder.name
    shown = next((_shown(run) for run in known if run.task in _NUMBERS), _NOTHING_KNOWN)
    with_paper = any(run.figure for run in known)
    intervals = [_interval(run, shown) for run in runs]
    headings = [f"{name} {heading}".rstrip() for heading, _ in shown]
    if any(intervals):
        # Next to the first number, the main one.
        headings.insert(1, f"{name} {INTERVAL}")
    texts = []
    for run, interval in zip(runs, intervals, strict=True):
        text = _numbers(run, shown, precise) if run else [""] * len(shown)
        if any(intervals):
            text.insert(1, interval)
        figure = f"{run.figure.value:g}" if run and run.figure else ""
        texts.append([*text, *([figure] if with_paper else [])])
    return headings + ([f"{name} paper"] if with_paper else []), texts


def _interval(run: _Run | None, shown: _Columns) -> str:
    """The confidence interval of a finished job's first number; empty where there is none."""
    names = shown[0][1]
    if run is None or run.state.word != FINISHED:
        return ""
    name = next((name for name in names if run.numbers.get(name) is not None), "")
    return in_words(run.numbers.get(f"{name}_interval"))


def _numbers(run: _Run, shown: _Columns, precise: bool) -> list[str]:
    """The job's numbers, or its state in the first of their columns."""
    if run.state.word != FINISHED:
        return [run.state.word, *[""] * (len(shown) - 1)]
    texts = []
    for _, names in shown:
        value = next((run.numbers[name] for name in names if run.numbers.get(name) is not None), None)
        texts.append("" if value is None else f"{value:g}" if precise else f"{value:.2f}")
    return texts


def _sources(rows: Sequence[_Row]) -> list[str]:
    """A note on the tables of the paper that the figures come from."""
    figures = [run.figure for row in rows for run in row.runs if run.figure]
    sources = dict.fromkeys(f"{figure.protocol} of the {figure.source}" for figure in figures)
    measures = " or ".join(dict.fromkeys(figure.protocol.measure for figure in figures))
    note = f"paper: {measures} after 200 epochs of K400 with these settings ({'; '.join(sources)})"
    boxes = any(figure.protocol == AVA for figure in figures)
    by_file = f"paper: its mAP is by PySlowFast's rule, which {FIGURE_NAMES[AVA.measure][0]} in results.json has, too"
    return [*([note] if sources else []), *([by_file] if boxes else [])]
