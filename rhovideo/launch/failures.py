"""The word that a failing rank leaves, and the report that the words of all ranks amount to. Without torch."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn

from rhovideo.atomic_files import write_text
from rhovideo.errors import FolderNotOursError, JobError
from rhovideo.runs.folder import FAILURE_FILE

# What is said of a process that SIGKILL has ended.
KILLED = (
    "was killed (SIGKILL). If nobody did it by hand, it ran out of memory: lower TRAIN.BATCH_SIZE, "
    "DATA_LOADER.NUM_WORKERS or the number of processes, or ask SLURM for more (--mem)"
)


# What a rank says that has lost another: gloo, nccl.
_PEER_LOST = re.compile(r"by peer|gloo|NCCL")


@dataclass(frozen=True)
class Failure:
    """What a rank said before it ended.

    Attributes:
        time: seconds since 1970; the first failure is the one to read.
        summary: one line.
        traceback: in full; of a foreseen failure its message alone.
        folder_is_ours: whether the run folder was this job's to write to.
    """

    time: float
    summary: str
    traceback: str
    folder_is_ours: bool = True

    @property
    def of_a_lost_peer(self) -> bool:
        """Whether the rank failed for the lack of another one."""
        return _PEER_LOST.search(self.summary) is not None


def write_failure(folder: Path, rank: int, error: BaseException) -> None:
    """Leave word of ``error``; a disk that is full must not hide it behind an error of its own."""
    summary = traceback.format_exception_only(error)[-1].strip().partition("\n")[0]
    ours = not isinstance(error, FolderNotOursError)
    word = Failure(time.time(), summary, full_text(error), ours)
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(_path(folder, rank), json.dumps(asdict(word)))


def full_text(error: BaseException) -> str:
    """What is shown of an error: its traceback, or its message alone where it was foreseen."""
    return str(error) if isinstance(error, JobError) else "".join(traceback.format_exception(error))


def read_failures(folder: Path, world: int) -> dict[int, Failure]:
    """The words of those of ``world`` ranks that left one that can be read."""
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

    A rank that was killed leaves no word, and the others soon fail for the lack of it: so it comes first.

    Args:
        world: ranks of the job.
        failures: words by rank.
        silent: how a rank without a word ended by itself (see :func:`death`), by rank.
    """
    # A rank hangs up before it has left its word, and the clocks of two machines differ: time alone does not tell.
    said = sorted(failures.items(), key=lambda item: (item[1].of_a_lost_peer, item[1].time))
    killed = [f"rank {rank} of {world} {how}" for rank, how in silent.items()]
    if not said and not killed:
        return f"all {world} ranks ended without a word"
    parts = killed[:1] or [f"rank {said[0][0]} of {world} failed:\n{said[0][1].traceback.rstrip()}"]
    others = killed[1:]
    for rank, failure in said if killed else said[1:]:
        # What stops all ranks alike is said once.
        if killed or failure.summary != said[0][1].summary:
            others.append(f"rank {rank}: {failure.summary}")
    if others:
        parts.append("After that:\n  " + "\n  ".join(others))
    return "\n".join(parts)


def keep_report(run: str | Path, text: str) -> None:
    """Put the report of a failure into the run folder, for those who look later; does nothing where it cannot."""
    with contextlib.suppress(OSError):
        write_text(Path(run) / FAILURE_FILE, text.rstrip("\n") + "\n")


def death(exit_code: int) -> str:
    """How a process ended that left no word; a negative code is a signal's number."""
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
