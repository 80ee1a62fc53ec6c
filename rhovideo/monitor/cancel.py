"""``rhovideo cancel``: ending the jobs of a run or a study that are still in the queue. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rhovideo.errors import JobError
from rhovideo.launch.run_state import Answer, events_of, judge
from rhovideo.launch.slurm import job_queue
from rhovideo.launch.slurm.job_queue import QueueState
from rhovideo.runs import records
from rhovideo.runs.folder import progress
from rhovideo.runs.records import Job, read_job, run_folders

# SLURM gives a running job KillWait (usually 30 seconds) between SIGTERM and SIGKILL.
PATIENCE = 120.0
_POLL = 1.0
_AGAIN = 15.0


def cancel(path: str | Path, report: Callable[[str], None], patience: float = PATIENCE) -> bool:
    """Cancel what still waits or runs, and wait until SLURM has done it.

    Args:
        path: a run folder or a study.
        report: called with every line for the user.
        patience: seconds to wait.

    Returns:
        True if none of them is left in the queue.

    Raises:
        JobError: there is no such run, it was not submitted, or SLURM cannot be asked or refuses.
    """
    submitted = {folder: job for folder in run_folders(path) if (job := read_job(folder)) is not None}
    if not submitted:
        raise JobError(f"{path}: was not submitted to SLURM. End a run of a terminal in that terminal, with Ctrl-C")
    found = job_queue.live_state(job.job_id for job in submitted.values())
    live = {folder: job for folder, job in submitted.items() if _is_live(found, job)}
    for folder, job in submitted.items():
        if folder not in live:
            report(f"{folder}: job {job.job_id} was over before: {judge(folder, job, Answer(found))}")
    if live:
        _cancel(live)
    left = _wait(live, patience)
    for folder, job in live.items():
        if job.job_id not in left:
            _record(folder, job)
            report(f"{folder}: job {job.job_id} is cancelled")
    for job_id, state in left.items():
        report(f"job {job_id} is still {state.state} after {patience:g} seconds; `squeue -j {job_id}` shows more")
    return not left


def _is_live(found: Mapping[str, QueueState], job: Job) -> bool:
    state = found.get(job.job_id)
    return state is not None and state.live


def _cancel(live: Mapping[Path, Job]) -> None:
    """Mark the run folders, then cancel: a batch script that finds the mark does not requeue its job."""
    made = []
    try:
        for folder in live:
            mark = folder / records.CANCELLED_FILE
            if not mark.exists():
                mark.touch()
                made.append(mark)
        # The later jobs of a chain first, so that none of them starts because the one before it is gone.
        job_queue.cancel([job.job_id for job in reversed(list(live.values()))])
    except BaseException as error:
        # Jobs that go on running must be requeued as before.
        for mark in made:
            mark.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise JobError(
                f"{error.filename}: cannot be written ({error.strerror}), so nothing was cancelled: is it "
                "the run of another user?"
            ) from error
        raise


def _wait(live: Mapping[Path, Job], patience: float) -> dict[str, QueueState]:
    """Wait until SLURM shows none of the jobs, or ``patience`` is over; returns those that are left."""
    ids = [job.job_id for job in live.values()]
    deadline = time.monotonic() + patience
    again = time.monotonic() + _AGAIN
    while True:
        left = {job_id: state for job_id, state in job_queue.live_state(ids).items() if state.live}
        if not left or time.monotonic() > deadline:
            return left
        if time.monotonic() > again:
            # A job may have been requeued at the moment when it was cancelled.
            job_queue.cancel([job_id for job_id, state in left.items() if state.state != "COMPLETING"])
            again = time.monotonic() + _AGAIN
        time.sleep(_POLL)


def _record(folder: Path, job: Job) -> None:
    """Write down the end of a job that waited, whose batch script was not there to do it."""
    events = events_of(folder, job)
    last = events[-1] if events else {"event": "end", "requeued": True}
    if last["event"] == "start" or not last.get("requeued"):
        return
    event = {"event": "end", "attempt": last.get("attempt", 0), "job_id": job.job_id, "time": time.time()}
    event |= {"exit_code": None, "outcome": records.CANCELLED, "requeued": False, "why": "while it waited"}
    records.append_attempt(folder, event | {"progress": progress(folder)})
