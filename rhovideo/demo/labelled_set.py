"""A labelled set of made videos: H.264 files, their lists, and a receipt that says what was made."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np

from rhovideo.atomic_files import write_text, writing
from rhovideo.config.list_names import CLASS_NAMES_FILE
from rhovideo.randomness import Stream, generator

SPLITS = ("train", "val")
# Written last: where it is there with the same contents, the set is complete.
RECEIPT = "synthetic.json"
# Encoding and OpenCV let other threads run; more than two find little to do.
_THREADS = 2


class Render(Protocol):
    """Renders one video."""

    def __call__(
        self, class_name: str, split: str, num_frames: int, fps: int, size: tuple[int, int], rng: np.random.Generator
    ) -> np.ndarray:
        """The pictures of a video, uint8 [T, H, W, 3], a function of the arguments alone."""


@dataclass(frozen=True)
class VideoKind:
    """A kind of made videos.

    Attributes:
        classes: their names; label i is that of ``classes[i]``.
        version: another one for other pictures.
        render: renders one video.
    """

    classes: Sequence[str]
    version: int | str
    render: Render


def write_labelled_set(
    folder: str | Path,
    kind: VideoKind,
    *,
    train_videos: int = 240,
    val_videos: int = 120,
    seconds: float | tuple[float, float] = (4.0, 6.0),
    fps: int = 15,
    size: tuple[int, int] = (96, 128),
    seed: int = 0,
) -> Path:
    """Write a set into ``folder``, unless the same set is there already.

    Files: ``{train,val}/<class>/<number>.mp4`` and ``{train,val,test}.csv`` with lines ``path label``, paths
    relative to ``folder`` (where a manifest looks when DATA.PATH_PREFIX is empty); test.csv repeats val.csv.
    ``classes.txt`` has the names of the classes, as that of ``rhovideo index``.
    The pictures are a function of the arguments alone.

    Args:
        folder: made if missing.
        kind: of the videos. Each class gets equally many, give or take one.
        train_videos: number of training videos.
        val_videos: number of validation videos.
        seconds: length of a video, or the range from which it is drawn.
        fps: frames a second.
        size: height and width of the pictures, even numbers of at least 32 pixels.
        seed: of the whole set.

    Returns:
        ``folder``.

    Raises:
        ValueError: a number is out of range.
    """
    shortest, longest = (seconds, seconds) if isinstance(seconds, int | float) else seconds
    _check(kind, train_videos, val_videos, (shortest, longest), fps, size)
    folder = Path(folder)
    receipt = {
        "version": kind.version,
        "classes": list(kind.classes),
        "train_videos": train_videos,
        "val_videos": val_videos,
        "seconds": [shortest, longest],
        "fps": fps,
        "size": list(size),
        "seed": seed,
    }
    if _is_complete(folder, receipt):
        return folder
    # Without a receipt, a set that is cut off half-way is written again.
    (folder / RECEIPT).unlink(missing_ok=True)

    def write(split: str, index: int) -> tuple[str, int]:
        label = index % len(kind.classes)
        rng = generator(Stream.SYNTHETIC, seed, SPLITS.index(split), index)
        num_frames = max(1, round(rng.uniform(shortest, longest) * fps))
        path = Path(split) / kind.classes[label] / f"{index:05d}.mp4"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with writing(folder / path):
            write_h264(folder / path, kind.render(kind.classes[label], split, num_frames, fps, size, rng), fps)
        return path.as_posix(), label

    # Each video has its own generator of random numbers, so threads change nothing but the time.
    with ThreadPoolExecutor(_THREADS) as pool:
        train = list(pool.map(write, ["train"] * train_videos, range(train_videos)))
        val = list(pool.map(write, ["val"] * val_videos, range(val_videos)))
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("val", val), ("test", val)):
        _write_manifest(folder / f"{name}.csv", rows)
    write_text(folder / CLASS_NAMES_FILE, "".join(f"{name}\n" for name in kind.classes))
    write_text(folder / RECEIPT, json.dumps(receipt, indent=1))
    return folder


def read_list(folder: str | Path, split: str) -> list[tuple[Path, int]]:
    """The paths and labels of a set's videos, in their order.

    Args:
        folder: of the set.
        split: ``train``, ``val`` or ``test``.

    Raises:
        OSError: the list is missing.
    """
    with open(Path(folder) / f"{split}.csv", newline="", encoding="utf-8") as file:
        return [(Path(folder) / name, int(label)) for name, label in csv.reader(file, delimiter=" ")]


def _check(
    kind: VideoKind, train_videos: int, val_videos: int, seconds: tuple[float, float], fps: int, size: tuple[int, int]
) -> None:
    if not kind.classes or train_videos < 1 or val_videos < 1:
        raise ValueError(
            f"{len(kind.classes)} classes, {train_videos} training and {val_videos} validation videos; write 1 or "
            "more of each"
        )
    if any(side < 32 or side % 2 for side in size):
        raise ValueError(f"size is {size}; write an even height and width of at least 32 pixels")
    if not 0 < seconds[0] <= seconds[1] or fps < 1:
        raise ValueError(f"seconds is {seconds} and fps {fps}; write positive numbers, the shorter length first")


def _write_manifest(path: Path, rows: list[tuple[str, int]]) -> None:
    with writing(path), open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=" ", lineterminator="\n").writerows(rows)


def _is_complete(folder: Path, receipt: dict[str, Any]) -> bool:
    try:
        return bool(json.loads((folder / RECEIPT).read_text(encoding="utf-8")) == receipt)
    except (OSError, ValueError):
        return False


def write_h264(path: str | Path, frames: Sequence[np.ndarray] | np.ndarray, fps: int) -> None:
    """Encode RGB uint8 [T,H,W,3] as H.264 in an MP4 file; equal pictures give equal bytes."""
    height, width = frames[0].shape[:2]
    # x264's macroblock tree gives other bytes from run to run, even with one thread.
    options = {"preset": "veryfast", "crf": "21", "x264-params": "mbtree=0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.thread_count = 1
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
