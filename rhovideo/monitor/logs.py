"""``rhovideo logs``: the log of a rank of a run, also while it grows. Imports no torch."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from rhovideo.errors import JobError
from rhovideo.launch.run_state import NOT_STARTED, REQUEUED, RUNNING, WAITING, State, ask_slurm, judge
from rhovideo.launch.slurm import submitit_adapter
from rhovideo.runs.folder import LOG_FILE
from rhovideo.runs.records import Job, read_job, run_folders
from rhovideo.runs.tail import lines_backwards

_POLL = 0.5
# All users share SLURM's controller, so it is asked seldom.
_ASK_SLURM = 5.0
# Lines written on another machine may appear here a moment after the job's end.
_SETTLE = 1.0
_CHUNK = 1 << 20


def single_run(path: str | Path) -> Path:
    """The only run folder at ``path``.

    Raises:
        JobError: it is no run, or a study of several runs.
    """
    folders = run_folders(path)
    if len(folders) > 1:
        shown = "\n  ".join(map(str, folders[:20])) + ("\n  ..." if len(folders) > 20 else "")
        raise JobError(f"{path}: is a study of {len(folders)} runs; write one of them:\n  {shown}")
    return folders[0]


def log_file(run: Path, rank: int = 0, stderr: bool = False) -> Path:
    """The log of a rank in the run's newest job.

    Raises:
        JobError: the job has no such rank, or the run no such log.
    """
    job = read_job(run)
    if job is None:
        if rank or stderr:
            raise JobError(
                f"{run}: ran in a terminal, which writes stdout.log and no other log; leave out --rank and --stderr"
            )
        return run / LOG_FILE
    if not 0 <= rank < job.ranks:
        raise JobError(f"--rank {rank}: job {job.job_id} has the ranks 0 to {job.ranks - 1}")
    return submitit_adapter.log_file(job.slurm_folder, job.job_id, rank, "err" if stderr else "out")


def show(run: Path, out: BinaryIO, rank: int = 0, lines: int | None = None, stderr: bool = False) -> None:
    """Print a log, or its last lines.

    Raises:
        JobError: there is none yet; the message says why.
    """
    path = log_file(run, rank, stderr)
    try:
        _print(path, out, lines)
    except FileNotFoundError:
        raise JobError(f"{path}: not written yet; {_situation(read_job(run), _state(run))}") from None


def _print(path: Path, out: BinaryIO, lines: int | None) -> int:
    """Print the file, or its last lines; returns the position of its end."""
    with path.open("rb") as file:
        if lines is not None:
            file.seek(_offset_of_last_lines(path, lines))
        return _copy(file, out)


def _offset_of_last_lines(path: Path, lines: int) -> int:
    size = path.stat().st_size
    last = list(itertools.islice(lines_backwards(path), lines))
    with path.open("rb") as file:
        file.seek(max(0, size - 1))
        ends_a_line = file.read(1) == b"\n"
    return max(0, size - sum(len(line) + 1 for line in last) + (0 if ends_a_line else 1)) if last else size


def _copy(file: BinaryIO, out: BinaryIO) -> int:
    while chunk := file.read(_CHUNK):
        out.write(chunk)
    out.flush()
    return file.tell()


def _state(run: Path) -> State:
    job = read_job(run)
    return judge(run, job, ask_slurm([job]))


def _situation(job: Job | None, state: State) -> str:
    """A line such as ``waiting: job 17 is pending (Resources)``."""
    who = f"job {job.job_id}" if job else "the run"
    waiting = {WAITING: "is pending", REQUEUED: "is requeued", NOT_STARTED: "has not started"}
    if state.word in waiting:
        return f"waiting: {who} {waiting[state.word]}" + (f" ({state.why})" if state.why else "")
    return f"{who}: {state}"


def follow(
    run: Path,
    out: BinaryIO,
    report: Callable[[str], None],
    rank: int = 0,
    lines: int | None = None,
    stderr: bool = False,
) -> None:
    """Print a log as it grows, over requeues and resubmissions, until the job is over.

    Args:
        run: the run folder.
        out: where the log goes.
        report: called with a line when the job does not run: it waits, SLURM does not answer, or it is over.
        rank: the process whose log is printed.
        lines: how many of the lines that are there already come first; None: all.
        stderr: print what it wrote to stderr instead.

    Raises:
        JobError: the job has no such rank.
    """
    reader = _Reader(out, lines)
    reported, asked = "", -_ASK_SLURM
    while True:
        over = False
        if time.monotonic() - asked >= _ASK_SLURM:
            job, state = read_job(run), _state(run)
            asked = time.monotonic()
            over = state.over
            situation = _situation(job, state)
        if over:
            time.sleep(_SETTLE)
        # After asking SLURM, so that the last lines before the job's end are printed.
        reader.read(log_file(run, rank, stderr))
        if situation != reported and state.word != RUNNING:
            report(situation)
        reported = situation
        if over:
            return
        time.sleep(_POLL)


class _Reader:
    """Prints the lines that are added to a file; from the start again where the file was replaced or cut."""

    def __init__(self, out: BinaryIO, lines: int | None) -> None:
        self._out = out
        self._lines = lines
        self._identity: tuple[int, int] | None = None
        self._position = 0

    def read(self, path: Path) -> None:
        try:
            now = path.stat()
            identity = (now.st_dev, now.st_ino)
            if self._identity is None:
                self._position = _print(path, self._out, self._lines)
            elif identity != self._identity or now.st_size < self._position:
                self._position = _print(path, self._out, None)
            elif now.st_size > self._position:
                with path.open("rb") as file:
                    file.seek(self._position)
                    self._position = _copy(file, self._out)
        except FileNotFoundError:
            return
        self._identity = identity
