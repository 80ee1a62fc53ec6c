"""The record that a failing rank leaves, and the report that is made of the records of all ranks. Without torch."""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing.util
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from rhovideo.atomic_files import write_text
from rhovideo.errors import FolderNotOursError, LostPeerError, as_foreseen
from rhovideo.runs.folder import FAILURE_FILE

# Seconds for a process that must end at once to end its workers.
_TIDY_SECONDS = 1.0
# The text about a process that SIGKILL has ended.
KILLED = (
    "was killed (SIGKILL). Unless that was done by hand, it ran out of memory: lower TRAIN.BATCH_SIZE, "
    "DATA_LOADER.NUM_WORKERS or the number of processes, or ask SLURM for more (--mem)"
)


@dataclass(frozen=True)
class Failure:
    """The record of a rank that has failed.

    Attributes:
        time: seconds since 1970; the first failure is the one to read.
        summary: one line.
        traceback: in full; of a foreseen failure its message alone.
        folder_is_ours: whether the run folder was this job's to write to.
        of_a_lost_peer: whether the rank failed because it could not reach another one.
    """

    time: float
    summary: str
    traceback: str
    folder_is_ours: bool = True
    of_a_lost_peer: bool = False


def write_failure(folder: Path, rank: int, error: BaseException) -> None:
    """Write the record of ``error``; a full disk must not hide it behind another error."""
    ours = not isinstance(error, FolderNotOursError)
    word = Failure(time.time(), summary(error), full_text(error), ours, _lost_a_peer(error))
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(_path(folder, rank), json.dumps(asdict(word)))


def summary(error: BaseException) -> str:
    """An error in one line; a foreseen one without its class."""
    foreseen = as_foreseen(error)
    text = str(foreseen) if foreseen is not None else traceback.format_exception_only(error)[-1]
    return next(iter(text.strip().splitlines()), type(error).__name__)


def _lost_a_peer(error: BaseException) -> bool:
    # With NCCL a failed collective may raise torch's own error later, where the result is read.
    torch_distributed = sys.modules.get("torch.distributed")
    of_torch = getattr(torch_distributed, "DistError", LostPeerError)
    return isinstance(error, (LostPeerError, of_torch))


def full_text(error: BaseException) -> str:
    """An error as it is shown: with its traceback, or where it was foreseen its message alone."""
    foreseen = as_foreseen(error)
    return str(foreseen) if foreseen is not None else "".join(traceback.format_exception(error))


def read_failures(folder: Path, world: int) -> dict[int, Failure]:
    """The records of those of ``world`` ranks that have left one that can be read, by rank."""
    found = {}
    for rank in range(world):
        with contextlib.suppress(OSError, TypeError, ValueError):
            found[rank] = Failure(**json.loads(_path(folder, rank).read_text(encoding="utf-8")))
    return found


def _path(folder: Path, rank: int) -> Path:
    return folder / f"failure_{rank}"


class Exit(NamedTuple):
    """The end of a rank that did not succeed.

    Attributes:
        code: the exit code of its process; a signal's number with a minus where a signal ended it.
        node: the machine that it ran on.
    """

    code: int
    node: str


def read_exits(folder: Path, world: int) -> dict[int, Exit]:
    """The ends of those of ``world`` ranks that failed, from what the shell around each of them left.

    Args:
        folder: of files ``exit_RANK`` with the shell's exit code and the node's name.
        world: ranks of the job.
    """
    found = {}
    for rank in range(world):
        with contextlib.suppress(OSError, ValueError):
            code, node = (folder / f"exit_{rank}").read_text(encoding="utf-8").split()
            found[rank] = Exit(_code_of_process(int(code)), node)
    return found


def _code_of_process(shell: int) -> int:
    """A shell's exit code as Python writes it: above 128 a shell means a signal."""
    return 128 - shell if shell - 128 in signal.valid_signals() else shell


def report(world: int, failures: Mapping[int, Failure], silent: Mapping[int, str]) -> str:
    """The first failure in full, the others in a line each.

    A rank that was killed leaves no record, and the others soon fail because it is gone. So it comes first.

    Args:
        world: ranks of the job.
        failures: records by rank.
        silent: for ranks that ended by themselves without a record, how they ended (see :func:`death`), by rank.
    """
    known = _in_order(failures)
    killed = [f"rank {rank} of {world} {how}" for rank, how in silent.items()]
    if not known and not killed:
        return f"all {world} ranks ended and left no report"
    parts = killed[:1] or [f"rank {known[0][0]} of {world} failed:\n{known[0][1].traceback.rstrip()}"]
    others = killed[1:]
    for rank, failure in known if killed else known[1:]:
        # What stops all ranks alike is shown once.
        if killed or failure.summary != known[0][1].summary:
            others.append(f"rank {rank}: {failure.summary}")
    if others:
        parts.append("After that:\n  " + "\n  ".join(others))
    return "\n".join(parts)


def headline(world: int, failures: Mapping[int, Failure], silent: Mapping[int, str]) -> str:
    """The first failure in one line; arguments as of :func:`report`."""
    for rank, how in silent.items():
        return f"rank {rank} of {world} {how}"
    for rank, failure in _in_order(failures):
        return f"rank {rank} of {world} failed: {failure.summary}"
    return f"all {world} ranks ended and left no report"


def _in_order(failures: Mapping[int, Failure]) -> list[tuple[int, Failure]]:
    """The failures with their ranks, causes before consequences."""
    # A rank hangs up before it has left its record, and the clocks of two machines differ: time alone is not enough.
    return sorted(failures.items(), key=lambda item: (item[1].of_a_lost_peer, item[1].time))


def keep_report(run: str | Path, first_line: str, text: str) -> None:
    """Put the report of a failure into the run folder, for those who look later; where it cannot, do nothing.

    Args:
        run: the folder.
        first_line: the failure in one line, as ``rhovideo status`` shows it.
        text: the whole report.
    """
    with contextlib.suppress(OSError):
        write_text(Path(run) / FAILURE_FILE, f"{first_line}\n\n{text.rstrip()}\n")


def death(exit_code: int) -> str:
    """The end of a process that has left no record, in words; a negative code is a signal's number."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    name = signal.Signals(-exit_code).name
    if name == "SIGKILL":
        return KILLED
    return f"died by {name}"


def leave(code: int) -> NoReturn:
    """End this process, not through the interpreter's end, which may wait for collectives that never come."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def leave_at_once(code: int) -> NoReturn:
    """End this process from any thread, although its main thread may hang in a call.

    Its workers are ended and its semaphores given back before, else Python would print that they leaked.
    """
    # In a thread, since it may wait for a lock that the main thread holds.
    tidying = threading.Thread(target=_tidy_up, daemon=True)
    tidying.start()
    tidying.join(_TIDY_SECONDS)
    os._exit(code)


def _tidy_up() -> None:
    # Part of what multiprocessing does at exit; the rest of it waits for processes.
    multiprocessing.util._run_finalizers(0)  # type: ignore[attr-defined]
    logging.shutdown()
