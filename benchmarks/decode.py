"""Decoding the frames of rho clips of a video: ours, the peers', and the floor of exact decoding.

python -m benchmarks.decode [--only WORDS]
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.inputs import Source, generated, generated_videos, real_videos
from benchmarks.peers.decoders import Decoder, Floor, Rhovideo, peers, rhovideo_anew
from benchmarks.peers.ffmpeg_libraries import provide_ffmpeg
from benchmarks.script import run_script
from benchmarks.table import FLOOR, OURS, Row, Table
from benchmarks.timing import interleaved
from rhovideo.data.sampling.start_times import draw_starts
from rhovideo.data.video.reader import Video

# Clip times are drawn this often for a row of small and of large videos. All candidates of a round decode the same
# ones, and the fast candidates all of them.
_DRAWS, _DRAWS_OF_LARGE = 8, 4
_CLIPS = ((8, 8), (16, 4))
_SMALL, _LARGE = (340, 256), (1280, 720)
# Candidates that decode everything from the start, or every clip by itself: up to seconds a round.
_SLOW = ("PyTorchVideo", "PyAV, one pass")
_LONG = 60
# Bytes of frames from which on it is told what new memory for them costs.
_LARGE_CALL = 32 * 2**20


def works() -> list[tuple[Source, int, tuple[int, int], bool]]:
    """(video, rho, (frames, stride), whether the slowest peers take part) of each row.

    They take seconds a round of large and real videos, so of these a row each has to do.
    """
    small = [
        (source, rho, clip, source.seconds < _LONG)
        for source in generated_videos((_SMALL,))
        for rho in (1, 2, 4)
        for clip in _CLIPS
    ]
    large = [
        (generated(10, _LARGE, gop), rho, (8, 8), (gop, rho) == (250, 4)) for gop in (12, 250) for rho in (1, 2, 4)
    ]
    long = [(generated(_LONG, _LARGE, gop), 4, (8, 8), False) for gop in (12, 250)]
    real = [(source, rho, (8, 8), rho == 4) for source in real_videos() for rho in (1, 2, 4)]
    return small + large + long + real


def measure(only: str = "") -> Table:
    """Time every row whose text holds ``only``."""
    differing: dict[str, int] = {}
    rows = []
    for source, rho, (frames, stride), slow in works():
        work = f"{source.name}: ρ={rho}, {frames}×{stride}"
        if only in work:
            found = {name: peer for name, peer in peers().items() if slow or name not in _SLOW}
            rows.append(Row(work, _measure_row(source, draw_times(source, rho, frames, stride), found, differing)))
    told = ", ".join(f"{name} by up to {by}" for name, by in differing.items())
    notes = (
        "One thread; milliseconds of a core from the path to uint8 RGB frames, opening the file included. The floor "
        "decodes the pictures that exact decoding can't do without and makes no RGB of them. Ours goes picture "
        "by picture, in full, into memory that is used again, as the loader's does; the peers, like our Video.frames, "
        "give new memory each call, for which large frames may have to wait. Frames were compared before they were "
        "timed: "
        f"{f'the same as ours but for {told} grey levels' if told else 'all peers give ours'}."
    )
    return Table("decode", "ms", notes, rows)


def draw_times(source: Source, rho: int, frames: int, stride: int, least: int = 0) -> list[np.ndarray]:
    """Indices int64 [rho,T] of clips at random times, several draws, at least so many."""
    rng = np.random.default_rng(0)
    with Video(source.path) as video:
        count = video.num_frames
        draws = _DRAWS if video.width * video.height < 500_000 else _DRAWS_OF_LARGE
    length = (frames - 1) * stride + 1
    starts = [draw_starts(count, length, rho, -np.inf, np.inf, rng) for _ in range(max(draws, least))]
    return [start[:, None] + stride * np.arange(frames) for start in starts]


def _measure_row(
    source: Source, times: list[np.ndarray], found: dict[str, Decoder], differing: dict[str, int]
) -> dict[str, float]:
    rhovideo, floor = Rhovideo(), Floor(source)
    ours = rhovideo(source.path, times[0])
    for name, peer in found.items():
        theirs = peer(source.path, times[0])
        if not np.array_equal(theirs, ours):
            differing[name] = max(differing.get(name, 0), int(cv2.absdiff(theirs, ours).max()))
    for indices in times:
        floor.prepare(indices)

    def bound(decoder: Decoder) -> Callable[[int], object]:
        return lambda number: decoder(source.path, times[number % len(times)])

    candidates = {OURS: bound(rhovideo), **{name: bound(peer) for name, peer in found.items()}}
    if ours.nbytes > _LARGE_CALL:
        candidates["Video.frames"] = bound(rhovideo_anew)
    candidates[FLOOR] = lambda number: floor(times[number % len(times)])
    # Comparing the frames has warmed all up.
    medians = interleaved(candidates, seconds=0.35, min_rounds=len(times), slow=_SLOW, warm=True)
    return {name: 1000 * seconds for name, seconds in medians.items()}


if __name__ == "__main__":
    provide_ffmpeg()
    run_script(measure)
