"""A warm worker: a process that imports the engine once, and runs one chain of jobs after the other."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from rhovideo import stopping
from rhovideo.config.extension.plugins import import_in_job, look_in
from rhovideo.config.files.reading import Loaded
from rhovideo.launch.failures import leave
from rhovideo.launch.local.chain_run import ChainEnd, JobFailure, run_chain
from rhovideo.launch.local.processes import STOPPED, end_with_parent
from rhovideo.stopping import Stopped


@dataclass(frozen=True)
class Chain:
    """What a worker is to run.

    Attributes:
        number: of the cell.
        jobs: the whole chain.
        begin: the place of the first job to run.
        end: of the jobs before it.
    """

    number: int
    jobs: Sequence[Loaded]
    begin: int = 0
    end: ChainEnd = field(default_factory=ChainEnd)


@dataclass(frozen=True)
class Ready:
    """Word of a worker that has imported everything."""


@dataclass(frozen=True)
class Started:
    """Word of a worker that a job starts.

    Attributes:
        place: of the job in its chain.
        end: of the jobs before it.
    """

    place: int
    end: ChainEnd


@dataclass(frozen=True)
class Failed:
    """Word of a worker that a job has failed.

    Attributes:
        place: of the job in its chain.
        failure: how.
    """

    place: int
    failure: JobFailure


@dataclass(frozen=True)
class Ended:
    """Word of a worker that a chain has ended.

    Attributes:
        end: of all its jobs.
        seconds: that it took here.
    """

    end: ChainEnd
    seconds: float


@dataclass(frozen=True)
class LeftOff:
    """Word of a worker that a job has stopped as it was asked to.

    Attributes:
        message: of :class:`rhovideo.stopping.Stopped`.
    """

    message: str


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker takes over from its parent.

    Attributes:
        output: the file for all that it prints.
        threads: of torch's operators.
        folders: where plugins are found.
        folder: the working folder.
    """

    output: Path
    threads: int
    folders: Sequence[str]
    folder: str


def work(chains: Connection, ends: Connection, settings: WorkerSettings) -> None:
    """The life of a worker, from its first line to its last.

    Args:
        chains: brings a :class:`Chain` at a time, and takes words about them.
        ends: is closed where the worker is to end at once, also by the death of its parent.
        settings: of the parent.
    """
    # Ctrl-C reaches every process of the terminal; the parent decides when this one stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping.listen({signal.SIGTERM: "SIGTERM or Ctrl-C"})
    threading.Thread(target=end_with_parent, args=(ends,), name="end-with-parent", daemon=True).start()
    _print_into(settings.output)
    try:
        _warm_up(settings)
        chains.send(Ready())
        _run_all(chains, settings.output)
    except (EOFError, BrokenPipeError):
        leave(0)  # the parent wants no more
    except Stopped as stopped:
        with contextlib.suppress(OSError):
            chains.send(LeftOff(str(stopped)))
        leave(STOPPED)
    leave(0)


def _run_all(chains: Connection, output: Path) -> None:
    while True:
        chain = chains.recv()
        # What an earlier chain has printed is in its run folders.
        os.truncate(output, 0)
        stopping.leave_if_requested("before its first step")
        for job in chain.jobs:
            import_in_job(job.cfg.PLUGINS)
        started = time.monotonic()
        end = run_chain(
            chain.jobs,
            begin=chain.begin,
            end=chain.end,
            starts=lambda place, end: chains.send(Started(place, end)),
            fails=lambda place, failure: chains.send(Failed(place, failure)),
        )
        chains.send(Ended(end, time.monotonic() - started))


def _print_into(path: Path) -> None:
    """Let this process, and those that it starts, print into a file: several at once would mix their lines."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(file, stream.fileno())
    os.close(file)


def _warm_up(settings: WorkerSettings) -> None:
    """Import what every job needs."""
    os.chdir(settings.folder)
    look_in(settings.folders)
    import torch

    import rhovideo.engine.run  # noqa: F401

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(settings.threads)
    # What is imported stays: the collection after each job need not look at it.
    gc.collect()
    gc.freeze()
