"""Run a function in several real processes that share a gloo group."""

from __future__ import annotations

import multiprocessing
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from rhovideo import distributed


def run_processes(function: Callable, world_size: int, *arguments: object) -> list:
    """``function(*arguments)`` in each of ``world_size`` processes; what they return, in rank order.

    ``function`` must be importable (not a lambda), and what it returns must be readable by ``torch.load``.
    """
    # The server imports torch once, and every process is forked from it.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rhovideo.models", "rhovideo.ssl.build"])
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            context.Process(target=_process, args=(function, rank, world_size, folder, arguments))
            for rank in range(world_size)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
            process.kill()
        errors = [path.read_text() for path in Path(folder).glob("*.error")]
        assert not errors, errors[0]
        return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(world_size)]


def _process(function: Callable, rank: int, world_size: int, folder: str, arguments: tuple) -> None:
    torch.set_num_threads(1)
    try:
        distributed.initialise(rank, world_size, f"file://{folder}/store", "gloo", timeout_minutes=1)
        torch.save(function(*arguments), Path(folder) / f"{rank}.pt")
        distributed.barrier()
        distributed.shut_down()
    except Exception:
        (Path(folder) / f"{rank}.error").write_text(traceback.format_exc())
        raise
