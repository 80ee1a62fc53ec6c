"""The state of a run, from the files in its folder and from SLURM's answers. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhovideo.launch.slurm.job_queue import QueueState, SlurmError, live_state
from rhovideo.runs import records
from rhovideo.runs.folder import CONFIG_FILE, FAILURE_FILE, LOG_FILE, changed, is_finished
from rhovideo.runs.lock import is_held
from rhovideo.runs.records import CANCELLED, FAILED, FINISHED, STOPPED, Job

WAITING = "waiting"
REQUEUED = "requeued"
RUNNING = "running"
SILENT = "ended without a word"
NOT_STARTED = "not started"
UNKNOWN = "unknown"

# The run does nothing any more.
OVER = frozenset({FINISHED, STOPPED, FAILED, CANCELLED, SILENT})
_ENDED_BY_SLURM = {"CANCELLED": CANCELLED, "REVOKED": CANCELLED, "COMPLETED": SILENT, "PREEMPTED": SILENT}


@dataclass(frozen=True)
class State:
    """One of this module's states, and the reason as SLURM or the job gave it."""

    word: str
    why: str = ""

    @property
    def over(self) -> bool:
        return self.word in OVER

    def __str__(self) -> str:
        return f"{self.word} ({self.why})" if self.why else self.word


@dataclass(frozen=True)
class Answer:
    """SLURM's answer about several jobs.

    Attributes:
        found: by job id.
        trouble: the reason why SLURM could not be asked; empty where it answered.
    """

    found: Mapping[str, QueueState]
    trouble: str = ""


def ask_slurm(jobs: Sequence[Job | None]) -> Answer:
    """Ask SLURM about all jobs at once. Where it does not answer, the folders alone show the states."""
    try:
        return Answer(live_state([job.job_id for job in jobs if job is not None]))
    except SlurmError as error:
        return Answer({}, str(error))


def judge(run: Path, job: Job | None, answer: Answer) -> State:
    """The state of a run.

    Args:
        run: its folder.
        job: the job that was submitted; None for a run in a terminal.
        answer: from :func:`ask_slurm`.
    """
    if job is None:
        return _local(run)
    events = events_of(run, job)
    found = answer.found.get(job.job_id)
    if found is not None and found.live:
        return _in_queue(events, found)
    return _gone(run, job, events, found, answer.trouble)


def events_of(run: Path, job: Job) -> list[dict[str, Any]]:
    """The starts and ends of this job's attempts, without those of earlier submissions."""
    events = records.read_attempts(run)
    return [event for event in events if event.get("job_id") == job.job_id and event.get("event") in ("start", "end")]


def _in_queue(events: Sequence[dict[str, Any]], found: QueueState) -> State:
    last = events[-1] if events else None
    if found.waiting:
        return State(REQUEUED if last else WAITING, found.reason)
    if found.state == "COMPLETING" and last is not None and last["event"] == "end":
        # The batch script has ended; SLURM is only cleaning up.
        return State(REQUEUED) if last.get("requeued") else State(last["outcome"], last.get("why", ""))
    return State(RUNNING, "" if found.state == "RUNNING" else found.state.lower())


def _gone(run: Path, job: Job, events: Sequence[dict[str, Any]], found: QueueState | None, trouble: str) -> State:
    """The state of a job that is not in the queue, or that SLURM does not know."""
    last = events[-1] if events else None
    if last is not None and last["event"] == "end" and not last.get("requeued"):
        if last["outcome"] == STOPPED and found is not None and found.state == "CANCELLED":
            return State(CANCELLED, "by scancel")  # which looked to the batch script like any other end
        return State(last["outcome"], "" if last["outcome"] == FINISHED else last.get("why", ""))
    if is_finished(run):
        return State(FINISHED)
    if trouble:
        return State(RUNNING) if is_held(run) else State(UNKNOWN, "SLURM does not answer")
    if (run / records.CANCELLED_FILE).exists():
        return State(CANCELLED)
    if last is None and (found is None or found.reason == "DependencyNeverSatisfied") and job.depends_on:
        return State(CANCELLED, f"never started: job {job.depends_on}, which it waited for, did not succeed")
    if found is not None:
        reason = f"{found.state}, {found.reason}" if found.reason else found.state
        return State(_ENDED_BY_SLURM.get(found.state, FAILED), f"SLURM says {reason}")
    return State(SILENT, "it never started" if last is None else "SLURM no longer knows it")


def _local(run: Path) -> State:
    if is_held(run):
        return State(RUNNING)
    if is_finished(run):
        return State(FINISHED)
    began = changed(run / CONFIG_FILE)
    stops = [
        event for event in records.read_attempts(run) if event["event"] == "stopped" and event.get("time", 0) >= began
    ]
    if stops:
        return State(STOPPED, stops[-1]["reason"])
    failure = run / FAILURE_FILE
    if failure.exists() and changed(failure) >= began:
        return State(FAILED)
    # A run creates its log first.
    return State(SILENT) if (run / LOG_FILE).exists() else State(NOT_STARTED)
