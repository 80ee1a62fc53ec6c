"""Processes of one machine: started, watched and ended together."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import multiprocessing.resource_tracker
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo import distributed, stopping
from rhovideo.atomic_files import write_text
from rhovideo.checks.machine import check_machine, processes_here, under_torchrun
from rhovideo.config.findings import ConfigError, Origin, Problem
from rhovideo.data.loading.worker_warnings import silent_imports
from rhovideo.errors import FolderNotOursError
from rhovideo.launch import RankFailed, Run
from rhovideo.launch.failures import (
    death,
    full_text,
    headline,
    keep_report,
    leave,
    leave_at_once,
    read_failures,
    report,
    summary,
    write_failure,
)
from rhovideo.launch.local.signals import saving_on_signals
from rhovideo.launch.rank_setup import Rank, prepare_rank
from rhovideo.runs.folder import append_to_log
from rhovideo.runs.records import append_attempt
from rhovideo.stopping import Stopped
from rhovideo.terminal import start_beats, stop_beats

__all__ = ["RankFailed", "check_machine", "launch"]

# Seconds between the end of the first process that stopped as asked and SIGKILL for the others. At the end of a step
# all stop together; in an evaluation one may wait for another that has stopped.
GRACE = 5.0
# Seconds for the others to end by themselves, before SIGKILL, which leaves their workers' semaphores behind.
TIDY_SECONDS = 1.5
# Seconds between two checks whether this process was asked to stop.
_LOOK = 0.2
# A file by which rank 0 tells its parent that it has begun.
_SPEAKS = "rank_0_speaks"
STOPPED = 128 + signal.SIGTERM


def launch(run: Run, cfg: CfgNode) -> Any:
    """Execute ``run(cfg)`` on every process of this machine, as NUM_GPUS and NUM_CPU_PROCESSES say.

    A single process is this one. Several are spawned, each with its LOCAL_RANK in the environment and its GPU chosen,
    and join the process group of :mod:`rhovideo.distributed`. Under torchrun this process joins with the rank that it
    was started with.

    Args:
        run: importable by its name (``rhovideo.engine.run.run``).
        cfg: a loaded configuration.

    Returns:
        The value that ``run`` returned on rank 0 (under torchrun: on this rank).

    Raises:
        ConfigError: the machine does not have what the configuration asks for.
        RankFailed: a spawned process failed; the others have been ended.
        SystemExit, KeyboardInterrupt: SIGTERM or Ctrl-C came, and the run has saved; see
            :func:`rhovideo.launch.local.signals.saving_on_signals`.
    """
    findings = check_machine(cfg)
    if findings:
        here = Origin("configuration")
        raise ConfigError([Problem(finding.keys[0], here, finding.wrong, finding.write) for finding in findings])
    with saving_on_signals(), _noting_stops(cfg):
        if under_torchrun():
            return _join_torchrun(run, cfg)
        processes = processes_here(cfg)
        return _spawn(run, cfg, processes) if processes > 1 else _run_here(run, cfg)


@contextlib.contextmanager
def _noting_stops(cfg: CfgNode) -> Iterator[None]:
    """Record in the run folder that the run inside has stopped as asked."""
    try:
        yield
    except Stopped as stopped:
        if distributed.is_main():
            with contextlib.suppress(OSError):
                append_attempt(cfg.OUTPUT_DIR, {"event": "stopped", "reason": stopped.reason, "time": time.time()})
        raise


def _run_here(run: Run, cfg: CfgNode) -> Any:
    os.environ["LOCAL_RANK"] = "0"
    try:
        return run(cfg)
    except (Stopped, FolderNotOursError):
        raise
    except Exception as error:
        keep_failure(cfg.OUTPUT_DIR, f"failed: {summary(error)}", f"failed:\n{full_text(error)}")
        raise


def keep_failure(output_dir: str, first_line: str, text: str) -> None:
    """Put a failure into the run folder's log and its report, see :func:`rhovideo.launch.failures.keep_report`."""
    append_to_log(output_dir, text)
    keep_report(output_dir, first_line, text)


def _join_torchrun(run: Run, cfg: CfgNode) -> Any:
    if not distributed.is_initialised():
        # Kept for the later jobs of this command: torchrun's rendezvous serves one process group.
        prepare_rank(cfg, Rank(int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), processes_here(cfg)))
        atexit.register(distributed.shut_down)
    return run(cfg)


def _spawn(run: Run, cfg: CfgNode, count: int) -> Any:
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory(prefix="rhovideo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # The ranks end when the writing end is closed: by this process, or by the system at its end.
        ends, held = context.Pipe(duplex=False)
        processes = [
            context.Process(target=_rank, args=(run, cfg, rank, count, folder, ends), name=f"rank {rank}")
            for rank in range(count)
        ]
        ended_by_us: set[int] = set()
        try:
            with without_interrupts():
                for rank, process in enumerate(processes):
                    # The ranks import the same modules; one of them shows what these warn of.
                    with silent_imports() if rank else contextlib.nullcontext():
                        process.start()
            succeeded = _wait_for(processes, folder / _SPEAKS)
        finally:
            ended_by_us = _end(processes, held)
        if not succeeded:
            _raise_if_stopped(processes, folder)
            raise _failure(processes, ended_by_us, folder, cfg.OUTPUT_DIR)
        return pickle.loads((folder / "result").read_bytes())


@contextlib.contextmanager
def without_interrupts() -> Iterator[None]:
    """Let processes that are started inside never see Ctrl-C, also while they import torch; this one sees it after.

    They would print how far they had come, before :func:`_rank` can ignore it.
    """
    # Its own start would let the signal through again.
    multiprocessing.resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait_for(processes: Sequence[SpawnProcess], speaks: Path) -> bool:
    """Wait until all processes have succeeded (True) or one has failed; pass on a request to stop.

    This process shows that it works until rank 0 does, which then writes ``speaks``.
    """
    running: dict[Any, SpawnProcess] = {process.sentinel: process for process in processes}
    passed_on = False
    while running:
        for sentinel in wait(list(running), timeout=_LOOK):
            process = running.pop(sentinel)
            process.join()
            if process.exitcode != 0:
                return False
        if speaks.exists():
            stop_beats()
        if stopping.requested() and not passed_on:
            passed_on = True
            for process in running.values():
                process.terminate()
    return True


def _end(processes: Sequence[SpawnProcess], held: Connection) -> set[int]:
    """End the processes that still run, after GRACE seconds if they were asked to stop; returns their ranks."""
    started = [process for process in processes if process.pid]
    if any(process.exitcode == STOPPED for process in processes):
        join(started, GRACE)
    running = {rank: process for rank, process in enumerate(processes) if process.pid and process.is_alive()}
    held.close()
    join(list(running.values()), TIDY_SECONDS)
    for process in running.values():
        process.kill()
    for process in running.values():
        process.join()
    return set(running)


def join(processes: Sequence[SpawnProcess], seconds: float) -> None:
    """Wait for the end of all of them, some seconds at most."""
    deadline = time.monotonic() + seconds
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))


def _raise_if_stopped(processes: Sequence[SpawnProcess], folder: Path) -> None:
    """Raise Stopped if processes have stopped as asked, even if others failed because these had left."""
    messages = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("stopped_*"))]
    before_handlers = any(process.exitcode == -signal.SIGTERM for process in processes)
    if messages or (stopping.requested() and before_handlers):
        raise Stopped(stopping.requested() or "SIGTERM", messages[0] if messages else "stopped before the first step")


def _failure(processes: Sequence[SpawnProcess], ended_by_us: set[int], folder: Path, output_dir: str) -> RankFailed:
    """The error that says how the processes ended, which is also written into the run's log."""
    world = len(processes)
    failures = read_failures(folder, world)
    silent = {
        rank: death(process.exitcode)
        for rank, process in enumerate(processes)
        if process.exitcode and rank not in failures and rank not in ended_by_us
    }
    text = report(world, failures, silent)
    if all(failure.folder_is_ours for failure in failures.values()):
        keep_failure(output_dir, headline(world, failures, silent), text)
    return RankFailed(text)


def _rank(run: Run, cfg: CfgNode, rank: int, count: int, folder: Path, ends: Connection) -> None:
    """One spawned process of a job, from its first line to its last."""
    # Ctrl-C reaches every process of the terminal; the parent decides when this one stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping.listen({signal.SIGTERM: "SIGTERM or Ctrl-C"})
    threading.Thread(target=end_with_parent, args=(ends,), name="end-with-parent", daemon=True).start()
    os.environ["LOCAL_RANK"] = str(rank)
    if rank == 0:
        start_beats("meeting the other processes")
        (folder / _SPEAKS).touch()
    try:
        prepare_rank(cfg, Rank(rank, count, count, f"file://{folder}/rendezvous"))
        result = run(cfg)
        if rank == 0:
            (folder / "result").write_bytes(pickle.dumps(result))
        distributed.shut_down()
    except Stopped as stopped:
        with contextlib.suppress(OSError):
            write_text(folder / f"stopped_{rank}", str(stopped))
        leave(STOPPED)
    except BaseException as error:
        write_failure(folder, rank, error)
        leave(1)


def end_with_parent(ends: Connection) -> None:
    """End this process when its parent wants it, or is killed and cannot end its children."""
    with contextlib.suppress(EOFError, OSError):
        ends.recv()
    leave_at_once(1)
