"""Lists of many videos: time to open one, and the memory of a process and its eight workers.

    python -m benchmarks.manifest [--only WORDS]

Each measurement runs in a program of its own, for what a process once used it may keep.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.inputs import cache_folder
from benchmarks.processes import proportional_set_size
from benchmarks.table import OURS, Row, Table

_WORKERS = 8
# Random rows that the main process and each worker look up before memory is measured.
_LOOKUPS = 20_000
# PyTorchVideo holds a tuple, a string and an integer a row in each process, which ten million rows make too many of.
_ROWS = {1_000_000: True, 10_000_000: False}
_PEER = "PyTorchVideo"


def measure(only: str = "") -> Table:
    """Measure the lists whose text holds ``only``."""
    rows = []
    for count, with_peer in _ROWS.items():
        name = f"{count // 1_000_000} million rows"
        if only in name:
            rows += _rows_of(name, _list_of(count), with_peer)
    notes = (
        f"A list of 60-byte paths with labels. Memory is the proportional set size of the process and {_WORKERS} "
        f"workers, each having looked up {_LOOKUPS:,} random rows; it includes the interpreter, numpy and torch."
    )
    return Table("manifest", "s or MB", notes, rows, digits=2)


def _rows_of(name: str, csv: Path, with_peer: bool) -> list[Row]:
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        first, later = _in_own_program("rhovideo", csv, folder), _in_own_program("rhovideo", csv, folder)
    peer = _in_own_program("pytorchvideo", csv, "") if with_peer else None

    def row(what: str, ours: dict[str, float], key: str) -> Row:
        return Row(f"{name}: {what}", {OURS: ours[key]} | ({_PEER: peer[key]} if peer else {}))

    return [
        row("open for the first time, s", first, "seconds"),
        row("open again, s", later, "seconds"),
        row("memory of the process, MB", later, "parent_mb"),
        row(f"memory of the process and {_WORKERS} workers, MB", later, "all_mb"),
    ]


def _list_of(count: int) -> Path:
    """A CSV of ``count`` rows, written once."""
    path = cache_folder() / f"list_{count}.csv"
    if not path.exists():
        unfinished = path.with_suffix(".part")
        with unfinished.open("w", encoding="utf-8") as file:
            for first in range(0, count, 100_000):
                rows = range(first, min(first + 100_000, count))
                file.write(
                    "".join(f"/data/kinetics/train/some_class_name/{row:012d}_000010.mp4 {row % 400}\n" for row in rows)
                )
        unfinished.rename(path)
    return path


def _in_own_program(kind: str, csv: Path, folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.manifest", "--measure", kind, str(csv), folder]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)


def _measure_here(kind: str, csv: str, folder: str) -> dict[str, float]:
    """Open the list, start workers that hold it, and tell what it took."""
    # As every trainer has; its memory is part of what is measured, on both sides.
    import torch  # noqa: F401

    if kind == "rhovideo":
        from rhovideo.data.lists.manifest import Manifest
        from rhovideo.data.loading.workers import worker_context

        begin = time.perf_counter()
        manifest = Manifest.open(csv, cache_dir=folder)
        seconds = time.perf_counter() - begin
        context = worker_context()
    else:
        from pytorchvideo.data.labeled_video_paths import LabeledVideoPaths

        begin = time.perf_counter()
        manifest = LabeledVideoPaths.from_csv(csv)
        seconds = time.perf_counter() - begin
        # torch's default on Linux up to Python 3.13.
        context = multiprocessing.get_context("fork")
    _use(_look_up(manifest), len(manifest))
    alone = proportional_set_size([os.getpid()])
    return {"seconds": seconds, "parent_mb": alone / 1e6, "all_mb": _with_workers(context, manifest) / 1e6}


def _with_workers(context: multiprocessing.context.BaseContext, manifest: object) -> int:
    ready, leave = context.Semaphore(0), context.Event()
    workers = [context.Process(target=_worker, args=(manifest, ready, leave)) for _ in range(_WORKERS)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    _use(_look_up(manifest), len(manifest))
    size = proportional_set_size([os.getpid(), *(worker.pid for worker in workers)])
    leave.set()
    for worker in workers:
        worker.join()
    return size


def _worker(manifest: object, ready: object, leave: object) -> None:
    _use(_look_up(manifest), len(manifest))
    ready.release()
    leave.wait()


def _look_up(manifest: object) -> Callable[[int], object]:
    """What gives a row of ours or of the peer's."""
    return manifest.path if hasattr(manifest, "path") else manifest.__getitem__


def _use(look_up: Callable[[int], object], count: int) -> None:
    import numpy as np

    for row in np.random.default_rng(os.getpid()).integers(count, size=_LOOKUPS).tolist():
        look_up(row)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(_measure_here(*sys.argv[2:])))
    else:
        from benchmarks.script import run_script

        run_script(measure)
