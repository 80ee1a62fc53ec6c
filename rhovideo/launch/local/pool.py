"""Cells of a plan in several warm workers, which take them from one queue."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tqdm import tqdm

from rhovideo import stopping
from rhovideo.config.extension.plugins import plugin_folders
from rhovideo.data.loading.worker_warnings import silent_imports
from rhovideo.errors import JobError
from rhovideo.launch.failures import death
from rhovideo.launch.local.chain_run import ChainEnd, JobFailure, job_names
from rhovideo.launch.local.pool_checks import gpu_of_worker
from rhovideo.launch.local.pool_worker import Chain, Ended, Failed, LeftOff, Ready, Started, WorkerSettings, work
from rhovideo.launch.local.processes import GRACE, STOPPED, TIDY_SECONDS, join, keep_failure, without_interrupts
from rhovideo.launch.local.signals import saving_on_signals
from rhovideo.launch.plan import Cell
from rhovideo.launch.rank_setup import threads_per_process
from rhovideo.stopping import Stopped
from rhovideo.terminal import note_output, start_beats, stop_beats

# Seconds between two checks whether this process was asked to stop.
_LOOK = 0.2
# Lines of a dead worker's own words that are shown.
_LAST_WORDS = 5


def run_in_workers(cells: Sequence[Cell], workers: int) -> dict[int, tuple[int, str]]:
    """Run all cells, each in one of some warm processes of one job at a time.

    What a job prints is in its run folder's log alone; a line says how each cell has ended.

    Args:
        cells: with jobs of one process (:func:`rhovideo.launch.local.pool_checks.check_workers`).
        workers: the most that run at once.

    Returns:
        Exit code and summary of failures of each cell, by its number.

    Raises:
        JobError: a worker cannot start.
        SystemExit, KeyboardInterrupt: SIGTERM or Ctrl-C came. All jobs have saved and stopped, or the workers were
            ended after a second signal.
    """
    count = min(workers, len(cells))
    with saving_on_signals(), TemporaryDirectory(prefix="rhovideo-", ignore_cleanup_errors=True) as folder:
        pool = _Pool(cells, count, Path(folder))
        try:
            return pool.run()
        finally:
            pool.end()


class _Worker:
    """A process, the connection to it, and the chain that it runs.

    Args:
        number: of the worker, from 0.
        process: started.
        connection: to it.
        output: the file of what it prints.
    """

    def __init__(self, number: int, process: SpawnProcess, connection: Connection, output: Path) -> None:
        self.number, self.process, self.connection, self.output = number, process, connection, output
        self.ready = False
        self.chain: Chain | None = None
        # The job of the chain that it runs; None before the first.
        self.place: int | None = None

    def give(self, chain: Chain) -> None:
        self.chain, self.place = chain, None
        # A worker that has just died is noticed by its sentinel.
        with contextlib.suppress(OSError):
            self.connection.send(chain)


class _Pool:
    """The workers, the queue and what is done."""

    def __init__(self, cells: Sequence[Cell], count: int, folder: Path) -> None:
        self._cells, self._folder = cells, folder
        self._queue = deque(Chain(number, cell.jobs) for number, cell in enumerate(cells))
        self._context = multiprocessing.get_context("spawn")
        # The workers end when the writing end is closed: by this process, or by the system at its end.
        self._ends, self._held = self._context.Pipe(duplex=False)
        self._workers: list[_Worker] = []
        # All that were ever started, also those that are to end by themselves.
        self._processes: list[SpawnProcess] = []
        self._done: dict[int, tuple[int, str]] = {}
        self._stopped: list[str] = []
        self._count = count
        # tqdm's own lock is one between processes, whose semaphore a process that is killed would leave behind.
        tqdm.set_lock(threading.RLock())
        self._bar = tqdm(total=len(cells), unit="cell", desc="cells", disable=not sys.stderr.isatty(), leave=False)

    def run(self) -> dict[int, tuple[int, str]]:
        start_beats("starting the workers")
        with without_interrupts():
            for number in range(self._count):
                self._workers.append(self._start(number))
        while len(self._done) < len(self._cells):
            self._listen()
            if stopping.requested():
                self._stop()
        return self._done

    def end(self) -> None:
        """End all workers; those that were asked to stop have had their time."""
        stop_beats()
        self._bar.close()
        for worker in self._workers:
            worker.connection.close()
        if not any(worker.chain for worker in self._workers):
            join(self._processes, GRACE)
        self._held.close()
        join(self._processes, TIDY_SECONDS)
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()

    def _start(self, number: int) -> _Worker:
        ours, theirs = self._context.Pipe()
        output = self._folder / f"worker_{number}.txt"
        settings = WorkerSettings(output, threads_per_process(self._count), plugin_folders(), os.getcwd())
        process = self._context.Process(target=work, args=(theirs, self._ends, settings), name=f"worker {number}")
        quiet = silent_imports() if number else contextlib.nullcontext()
        with _environment(gpu_of_worker(number)), quiet:
            process.start()
        self._processes.append(process)
        theirs.close()
        return _Worker(number, process, ours, output)

    def _listen(self) -> None:
        """Wait for a word or the death of a worker, for a moment at most, and act on all there are."""
        by_object: dict[Any, _Worker] = {}
        for worker in self._workers:
            by_object[worker.process.sentinel] = worker
            if not worker.connection.closed:
                by_object[worker.connection] = worker
        heard = wait(list(by_object), timeout=_LOOK)
        for worker in {id(by_object[source]): by_object[source] for source in heard}.values():
            # A worker's last words come before its end.
            for word in _words(worker.connection):
                self._hear(worker, word)
            if not worker.process.is_alive():
                self._bury(worker)

    def _hear(self, worker: _Worker, word: object) -> None:
        if isinstance(word, Started):
            assert worker.chain is not None
            worker.place, worker.chain = word.place, replace(worker.chain, end=word.end)
        elif isinstance(word, Failed):
            assert worker.chain is not None
            self._say_failure(worker.chain, word.place, word.failure)
        elif isinstance(word, LeftOff):
            self._stopped.append(word.message)
        elif isinstance(word, Ended):
            assert worker.chain is not None
            self._cell_ended(worker.chain, word.end, word.seconds)
            worker.chain = None
        elif isinstance(word, Ready):
            worker.ready = True
            stop_beats()
        if worker.chain is None and stopping.requested():
            worker.connection.close()
        elif worker.chain is None and self._queue:
            worker.give(self._queue.popleft())

    def _bury(self, worker: _Worker) -> None:
        """Go on after the death of a worker: its job has failed, and another worker takes its place."""
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        if stopping.requested() and worker.process.exitcode in (STOPPED, -signal.SIGTERM, 0):
            return
        how = death(worker.process.exitcode or 0)
        if not worker.ready:
            raise JobError(f"a worker {how} before its first job" + _last_words(worker.output))
        if worker.chain is not None:
            place = worker.chain.begin if worker.place is None else worker.place
            self._requeue(worker.chain, place, f"worker {worker.number + 1} {how}", worker.output)
        if (self._queue or worker.chain) and not stopping.requested():
            with without_interrupts():
                self._workers.append(self._start(worker.number))

    def _requeue(self, chain: Chain, place: int, how: str, output: Path) -> None:
        """Note a job that has died with its worker, and let the rest of its chain run first of all."""
        run = Path(chain.jobs[place].cfg.OUTPUT_DIR)
        if run.is_dir():
            keep_failure(str(run), how, how)
        text = how + _last_words(output)
        failure = JobFailure(1, text, text)
        chain.end.failures[place] = failure
        self._say_failure(chain, place, failure)
        self._queue.appendleft(replace(chain, begin=place + 1))

    def _stop(self) -> None:
        """Ask all workers to stop, wait until they have, and raise Stopped."""
        for worker in self._workers:
            if worker.chain is None:
                worker.connection.close()
            worker.process.terminate()
        while self._workers:
            self._listen()
        left = len(self._cells) - len(self._done)
        where = next(iter(dict.fromkeys(self._stopped)), "stopped")
        raise Stopped(stopping.requested() or "SIGTERM", f"{where} ({left} of {len(self._cells)} cells are left)")

    def _cell_ended(self, chain: Chain, end: ChainEnd, seconds: float) -> None:
        failed = end.summary(chain.jobs)
        self._done[chain.number] = end.code, failed
        self._bar.update()
        name = self._cells[chain.number].name
        how = f"{failed} (after {seconds:.0f} s)" if failed else f"done in {seconds:.0f} s"
        self._say(f"cell {len(self._done)} of {len(self._cells)}: " + (f"{name}: {how}" if name else how))

    def _say_failure(self, chain: Chain, place: int, failure: JobFailure) -> None:
        run = chain.jobs[place].cfg.OUTPUT_DIR
        more = f"\n  in full: {run}/stdout.log" if failure.raw else ""
        name = self._cells[chain.number].name
        of_cell = f"{name}: " if name else ""
        self._say(f"{of_cell}{job_names(chain.jobs)[place]} failed: {failure.short}{more}")

    def _say(self, text: str) -> None:
        """Print a line above the progress bar."""
        tqdm.write(f"rhovideo: {text}", file=sys.stderr)
        note_output()


def _words(connection: Connection) -> Iterator[object]:
    """What a worker has said and is not read yet."""
    with contextlib.suppress(EOFError, OSError):
        while not connection.closed and connection.poll():
            yield connection.recv()


def _last_words(output: Path) -> str:
    """The end of what a worker has printed, such as the message of a library that has ended it."""
    with contextlib.suppress(OSError):
        lines = output.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_WORDS:]
        return "".join(f"\n  {line}" for line in lines)
    return ""


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Let processes that are started inside have these variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
