"""The processes that decode: how they are started, and what they must and must not inherit.

Workers come from a fork server, a process without threads or CUDA that has imported everything once: forking the
trainer itself would copy the locks of its threads and its signal handlers (submitit's requeues the job), and a
fresh interpreter for each worker would import torch each time.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import signal
import threading
from multiprocessing.context import BaseContext

from fvcore.common.config import CfgNode

# Of each process, where nobody says how many: PySlowFast's default.
_MOST_UNASKED = 8
# What a scheduler or a terminal sends to every process of a job, for the main process to act upon.
_JOB_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# What the fork server imports, torch and all decoders with it.
_PRELOAD = ["rhovideo.data.loading.loader"]


def cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(cfg: CfgNode) -> int:
    """How many workers this process starts, on which no result depends: DATA_LOADER.NUM_WORKERS, or by its cores."""
    wanted = cfg.DATA_LOADER.NUM_WORKERS
    return min(_MOST_UNASKED, cores()) if wanted is None else wanted


def worker_context() -> BaseContext:
    """The multiprocessing context of workers; its server is started now, so that it imports while we go on.

    A process has one fork server. Where another library has started it before, workers shut out signals only once they
    run, and import everything themselves.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        # The server inherits that they are blocked: while its interpreter starts it could not shut them out yet.
        signal.pthread_sigmask(signal.SIG_BLOCK, _JOB_SIGNALS)
        # The server would start the tracker, and starting it unblocks SIGINT and SIGTERM in this process.
        multiprocessing.resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, _JOB_SIGNALS)
        multiprocessing.forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return context


def shut_out_signals() -> None:
    """Leave to the main process what is sent to all of a job's processes: Ctrl-C, preemption, time limits.

    Blocked, because torch gives each worker a handler that ends it on SIGTERM, before anything of ours runs there:
    children inherit the mask from the fork server. Ignored as well, for other code may unblock them.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _JOB_SIGNALS)
    for number in _JOB_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def initialise_worker(worker_id: int = 0) -> None:
    """What a process that decodes does first: one thread, no signals, an end together with the main process."""
    import cv2
    import torch

    shut_out_signals()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    # torch's own watchdog looks at the parent's id, which is that of the fork server here.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
