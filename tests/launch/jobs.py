"""What the launched processes of these tests run: importable by name, as spawn needs it."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import time
from pathlib import Path

import torch

from rhovideo import distributed, stopping
from rhovideo.errors import JobError


def _leave_word(cfg) -> None:
    """Tell the test which process this is; renamed into place, so that it never reads half of it."""
    word = Path(cfg.OUTPUT_DIR, f"pid_{distributed.rank()}")
    part = Path(cfg.OUTPUT_DIR, f"part_{distributed.rank()}")
    part.write_text(str(os.getpid()))
    part.rename(word)


def report(cfg) -> dict:
    """What each process knows of itself."""
    mine = {
        "rank": distributed.rank(),
        "local_rank": distributed.local_rank(),
        "world": distributed.world_size(),
        "sum": float(distributed.sum_over_ranks(torch.tensor(float(distributed.rank() + 1)))),
        "threads": torch.get_num_threads(),
        "pid": os.getpid(),
    }
    return {"ranks": distributed.gather_objects(mine)}


def raise_on_rank_one(cfg) -> None:
    _leave_word(cfg)
    distributed.barrier()
    if distributed.rank() == 1:
        raise ZeroDivisionError("the batch of rank one")
    distributed.barrier()


def raise_alone(cfg) -> None:
    raise ZeroDivisionError("the batch of rank one")


def stop_on_all_ranks(cfg) -> None:
    distributed.barrier()
    raise JobError("train.csv lists no video")


def killed_on_rank_one(cfg) -> None:
    _leave_word(cfg)
    distributed.barrier()
    if distributed.rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.barrier()


def terminate_myself(cfg) -> None:
    """A run that looks at what it was asked at the end of its only step, as the training loop does."""
    os.kill(os.getpid(), signal.SIGTERM)
    Path(cfg.OUTPUT_DIR, "saved").touch()
    raise stopping.Stopped(stopping.requested() or "nothing", "stopped after the step")


def terminate_myself_and_hang(cfg) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


def finish_although_terminated(cfg) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def stop_when_asked(cfg) -> None:
    """Steps without end; each rank saves at the step that they agree on, rank 1 slowly."""
    _leave_word(cfg)
    step = 0
    while True:
        step += 1
        time.sleep(0.05)
        if distributed.sum_over_ranks(torch.tensor(float(stopping.requested() is not None))) > 0:
            time.sleep(distributed.rank())
            Path(cfg.OUTPUT_DIR, f"saved_{distributed.rank()}").write_text(str(step))
            raise stopping.Stopped("asked", "stopped after a step")


def wait_for_ever(cfg) -> None:
    _leave_word(cfg)
    distributed.barrier()
    if distributed.rank() == 1:
        time.sleep(600)
    distributed.barrier()


def hang_in_one_call(cfg) -> None:
    """A step that is one long call of C, as a backward pass on a CPU is; with a semaphore, as workers have."""
    _lock = multiprocessing.get_context("spawn").Lock()
    _leave_word(cfg)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
