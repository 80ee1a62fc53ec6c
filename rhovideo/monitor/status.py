"""``rhovideo status``: the state of the jobs of a run or a study. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rhovideo.engine.log.json_stats import last_json_stats
from rhovideo.launch.run_state import RUNNING, Answer, State, ask_slurm, events_of, judge
from rhovideo.monitor.tables import Table
from rhovideo.runs import records
from rhovideo.runs.folder import FAILURE_FILE, STATS_FILE, read_results
from rhovideo.runs.records import FAILED, Job, read_job, run_folders

# Names of the accuracy in results.json and in the log, and its name in the table; the first that is there is shown.
ACCURACIES = {"test_top1": "test", "top1_acc": "test", "top1": "top1", "knn_top1": "knn", "map": "mAP"}


@dataclass(frozen=True)
class RunStatus:
    """The state of a run.

    Attributes:
        run: its name: the folder, within the study where it is part of one.
        folder: the run folder.
        state: one of :mod:`rhovideo.launch.run_state`; ``why``: the reason, from SLURM or from the job.
        job_id: SLURM's; empty for a run in a terminal.
        nodes: where it runs, or ran last.
        epoch, step, eta: of the last line of the log, such as ``3/200``; empty before the first.
        loss: of that line.
        accuracy: of the last evaluation, in percent; ``accuracy_of``: its kind, ``knn``, ``top1`` or ``test``.
        restarts: attempts after the first; None for a run in a terminal, where they are not counted.
        failure: a line about the failure, where it failed; ``failure_file``: the whole report.
    """

    run: str
    folder: str
    state: str
    why: str
    job_id: str
    nodes: str
    epoch: str
    step: str
    eta: str
    loss: float | None
    accuracy: float | None
    accuracy_of: str
    restarts: int | None
    failure: str
    failure_file: str


@dataclass(frozen=True)
class Report:
    """The runs of a folder, and the reason why SLURM could not be asked; empty where it answered."""

    runs: list[RunStatus]
    trouble: str = ""

    def as_json(self) -> str:
        return json.dumps({"runs": [asdict(run) for run in self.runs], "trouble": self.trouble}, indent=2)


def status(path: str | Path) -> Report:
    """The state of every job of a run or a study, or of a folder that holds runs.

    Raises:
        JobError: ``path`` is none of these.
    """
    folders = run_folders(path, below=True)
    jobs = [read_job(folder) for folder in folders]
    answer = ask_slurm(jobs)
    runs = [_status(folder, job, answer, _name(folder, Path(path))) for folder, job in zip(folders, jobs, strict=True)]
    return Report(runs, answer.trouble)


def _name(folder: Path, path: Path) -> str:
    return str(folder.relative_to(path)) if folder != path else folder.absolute().name


def _status(folder: Path, job: Job | None, answer: Answer, name: str) -> RunStatus:
    state = judge(folder, job, answer)
    accuracy, accuracy_of = _accuracy(folder)
    failure_file = folder / FAILURE_FILE if state.word == FAILED else None
    return RunStatus(
        run=name,
        folder=str(folder),
        state=state.word,
        why=state.why,
        job_id=job.job_id if job else "",
        nodes=_nodes(folder, job, answer),
        **_progress(folder, state),
        accuracy=accuracy,
        accuracy_of=accuracy_of,
        restarts=_restarts(folder, job),
        failure=headline(failure_file) if failure_file else "",
        failure_file=str(failure_file) if failure_file and failure_file.exists() else "",
    )


def _nodes(folder: Path, job: Job | None, answer: Answer) -> str:
    if job is None:
        return ""
    found = answer.found.get(job.job_id)
    if found is not None and found.waiting:
        return ""
    starts = [event for event in events_of(folder, job) if event["event"] == "start"]
    return (found.nodes if found else "") or (starts[-1].get("nodes", "") if starts else "")


def _restarts(folder: Path, job: Job | None) -> int | None:
    if job is None:
        return None
    starts = [event for event in records.read_attempts(folder) if event.get("event") == "start"]
    return max(0, len(starts) - 1)


def _progress(folder: Path, state: State) -> dict[str, Any]:
    last = last_json_stats(folder / STATS_FILE, ("train_iter", "train_epoch")) or {}
    return {
        "epoch": last.get("epoch", ""),
        "step": last.get("iter", ""),
        "eta": last.get("eta", "") if state.word == RUNNING else "",
        "loss": last.get("loss"),
    }


def _accuracy(folder: Path) -> tuple[float | None, str]:
    last = last_json_stats(folder / STATS_FILE, ("val_epoch", "test_final"))
    for numbers in (last or {}, read_results(folder)):
        for name, shown in ACCURACIES.items():
            if numbers.get(name) is not None:
                return numbers[name], shown
    return None, ""


def headline(path: Path) -> str:
    """The first line of a failure's report, which names the rank and its error; empty where there is no report."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""


def table(report: Report) -> Table:
    """The report in columns, and a note for every failure."""
    columns = ["run", "job", "state", "nodes", "epoch", "step", "eta", "loss", "accuracy", "restarts"]
    rows, notes = [], []
    for run in report.runs:
        rows.append(
            [
                run.run,
                run.job_id,
                _state_text(run),
                run.nodes,
                run.epoch,
                run.step,
                run.eta,
                "" if run.loss is None else f"{run.loss:.4g}",
                "" if run.accuracy is None else f"{run.accuracy_of} {run.accuracy:.2f}",
                "" if run.restarts is None else str(run.restarts),
            ]
        )
        notes += _notes(run)
    return Table(columns, rows, notes, numbers=("restarts",))


def _state_text(run: RunStatus) -> str:
    """The state, with SLURM's reason, which is one word; a reason of several words becomes a note."""
    return f"{run.state} ({run.why})" if run.why and " " not in run.why else run.state


def _notes(run: RunStatus) -> list[str]:
    notes = [f"{run.run}: {run.state}: {run.why}"] if " " in run.why else []
    if run.failure:
        notes.append(f"{run.run}: {run.failure}\n  in full: {run.failure_file}")
    if run.why == "DependencyNeverSatisfied":
        notes.append(f"{run.run}: the job before it did not succeed, so it never starts; `rhovideo cancel` removes it")
    return notes
