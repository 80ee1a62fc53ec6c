"""Worker processes, which decode videos: how they start, and what they inherit.

Workers are forked from a fork server, a process without threads or CUDA that imports all modules once. Forking the
trainer would copy the locks of its threads, and its signal handlers (submitit's handler requeues the job). A new
interpreter for each worker would import torch each time.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.forkserver
import multiprocessing.resource_tracker
import os
import signal
import threading
from multiprocessing.context import ForkServerContext

from fvcore.common.config import CfgNode

from rhovideo.data.loading.worker_warnings import silent_imports

# The most workers of a process where DATA_LOADER.NUM_WORKERS is not set: PySlowFast's default.
_MOST_UNASKED = 8
# Schedulers and terminals send these to all processes of a job, but only the main process should act on them.
_JOB_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# The fork server imports this module, and with it torch and the decoders.
_PRELOAD = ["rhovideo.data.loading.loader"]


def cores() -> int:
    """The CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(cfg: CfgNode) -> int:
    """The number of workers of this process, on which no result depends.

    Args:
        cfg: a whole configuration.

    Returns:
        DATA_LOADER.NUM_WORKERS, or as many as there are cores, at most eight, if that is None.
    """
    wanted: int | None = cfg.DATA_LOADER.NUM_WORKERS
    return min(_MOST_UNASKED, cores()) if wanted is None else wanted


def worker_context() -> ForkServerContext:
    """The multiprocessing context of workers, whose server starts now and imports in the background.

    A process has one fork server. If another library has started it before, workers block signals only when they run,
    and import all modules themselves.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        # The server and its children inherit the blocked signals, so they are safe from their first moment on.
        signal.pthread_sigmask(signal.SIG_BLOCK, _JOB_SIGNALS)
        # Else the server would start the tracker, which unblocks SIGINT and SIGTERM in this process.
        multiprocessing.resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, _JOB_SIGNALS)
        with silent_imports():
            multiprocessing.forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return context


def shut_out_signals() -> None:
    """Block and ignore the signals that are for the main process: Ctrl-C, preemption, time limits.

    Blocked, because torch gives each worker a handler that ends it on SIGTERM, before our code runs. Ignored as well,
    because other code may unblock them.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _JOB_SIGNALS)
    for number in _JOB_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def initialise_worker(worker_id: int = 0) -> None:
    """Prepare a process that decodes: one thread, no signals, and it ends when the main process ends.

    Args:
        worker_id: not used; torch passes it.
    """
    import cv2
    import torch

    shut_out_signals()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    # torch's own watchdog compares the parent's id, which is the fork server's here.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def describe_exit(code: int | None) -> str:
    """The end of a process in words.

    Args:
        code: its exit code, a negative one for a signal; None if it is not known.
    """
    if code == -signal.SIGKILL:
        return "killed (signal 9), most likely because memory ran out"
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
