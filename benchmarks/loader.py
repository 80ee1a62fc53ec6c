"""Whole samples: decoded, augmented and brought to the main process in batches, by one worker.

python -m benchmarks.loader [--only WORDS]
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from benchmarks.augment import BareCalls, aug_plus, small_clips
from benchmarks.decode import draw_times
from benchmarks.inputs import Source, generated, real_videos
from benchmarks.peers.decoders import Floor
from benchmarks.peers.ffmpeg_libraries import provide_ffmpeg
from benchmarks.peers.loaders import FRAMES, STRIDE, peers
from benchmarks.processes import cpu_seconds
from benchmarks.script import run_script
from benchmarks.table import FLOOR, OURS, Row, Table
from benchmarks.timing import Work, interleaved
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.loading.datasets import VideoDataset
from rhovideo.data.loading.loader import Loader
from rhovideo.data.sampling.clip_samplers import RhoClipSampler
from rhovideo.data.video.reader import Video

_BATCH = 2
# Samples of a round, which is an epoch whose start is to weigh nothing: of small videos and of large ones, which take
# longer. PyTorchVideo's take many times as long. The floor's are no epoch.
_SAMPLES = {OURS: (16, 8), "torchcodec": (8, 4), "PyTorchVideo": (4, 2), FLOOR: (8, 4)}
_LARGE = 500_000


def works() -> list[tuple[Source, int]]:
    """(video, rho) of each row."""
    small, large = (340, 256), (1280, 720)
    rows = [(generated(10, small, gop), rho) for gop in (12, 250) for rho in (2, 4)]
    others = [generated(60, small, 250), *real_videos(), generated(10, large, 12)]
    return rows + [(source, 4) for source in others]


def measure(only: str = "") -> Table:
    """Time every row whose text holds ``only``."""
    rows = [
        Row(f"{source.name}: ρ={rho}", _measure_row(source, rho))
        for source, rho in works()
        if only in f"{source.name}: ρ={rho}"
    ]
    pinned = "page-locked, " if torch.cuda.is_available() else "not page-locked, for want of a GPU, "
    notes = (
        f"ρ clips of {FRAMES}×{STRIDE} at 224² with the whole aug+ list, in batches of {_BATCH} (uint8, {pinned}the "
        "peers' in torchvision v2), by one worker process; the figures are samples a second of a core, all processes' "
        "cores counted. The floor: exact decoding and OpenCV's bare calls of the augmentation, of frames of "
        "340×256 that are there in RGB."
    )
    return Table("loader", "samples/s/core", notes, rows, more_is_better=True, digits=2)


def _measure_row(source: Source, rho: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        with Video(source.path) as video:
            num_frames, is_large = video.num_frames, video.width * video.height > _LARGE
        samples = {name: of_large if is_large else of_small for name, (of_small, of_large) in _SAMPLES.items()}
        loader = our_loader(source, rho, Path(folder), samples[OURS])
        candidates: dict[str, Work] = {OURS: lambda number: _exhaust(loader.epoch(number))}
        for name, build in peers(source.path, num_frames, samples, rho, _BATCH).items():
            candidates[name] = _epoch_of(build())
        candidates[FLOOR] = _floor(source, rho, samples[FLOOR])
        medians = interleaved(candidates, seconds=2.0, slow=["PyTorchVideo"], clock=_tree_seconds)
        loader.close()
    return {name: samples[name] / seconds for name, seconds in medians.items()}


def _floor(source: Source, rho: int, samples: int) -> Work:
    """What must be decoded of so many samples, and what OpenCV must do to small frames of them."""
    times, decode = draw_times(source, rho, FRAMES, STRIDE, least=4 * samples), Floor(source)
    for indices in times:
        decode.prepare(indices)
    augmentation, calls, clip = aug_plus(), BareCalls(FRAMES), small_clips()[0]

    def work(number: int) -> None:
        for sample in range(number * samples, (number + 1) * samples):
            decode(times[sample % len(times)])
            rng = np.random.default_rng(sample)
            for _ in range(rho):
                calls(clip, augmentation.draw_operations(rng))

    return work


def our_loader(source: Source, rho: int, folder: Path, samples: int) -> Loader:
    """Ours, of a list that names one video again and again."""
    csv = folder / "train.csv"
    csv.write_text(f"{source.path} 0\n" * samples, encoding="utf-8")
    dataset = VideoDataset(
        Manifest.open(csv, cache_dir=folder),
        RhoClipSampler(rho=rho, num_frames=FRAMES, sampling_rate=STRIDE),
        aug_plus(),
        seed=0,
    )
    pin = torch.cuda.is_available()
    return Loader(dataset, training=True, seed=0, global_batch=_BATCH, num_workers=1, pin_memory=pin)


def _epoch_of(loader: Iterable) -> Callable[[int], None]:
    return lambda number: _exhaust(loader)


def _exhaust(batches: Iterable) -> None:
    for _ in batches:
        pass


def _tree_seconds() -> float:
    """Seconds on cores of this process and all that descend from it, which is where workers are."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue  # It ended meanwhile.
            children.setdefault(parent, []).append(int(entry.name))
    pids, waiting = [], [os.getpid()]
    while waiting:
        pid = waiting.pop()
        pids.append(pid)
        waiting += children.get(pid, [])
    return cpu_seconds(pids)


if __name__ == "__main__":
    provide_ffmpeg()
    run_script(measure)
