"""Small sets of videos with several labels each: bars of two directions and three colours, as frames or as videos.

A class is a bar's direction and colour together: a video with a horizontal red bar and a vertical blue one has other
labels than one with a vertical red bar and a horizontal blue one, and the same directions and colours.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np

from tests.videos import write_video

COLOURS = ((220, 40, 40), (40, 200, 40), (60, 60, 230))
CLASSES = 2 * len(COLOURS)
HEADER = "original_vido_id video_id frame_id path labels"


def bars(labels: Collection[int], frames: int, seed: int, size: int = 40) -> np.ndarray:
    """uint8 [frames,size,size,3] RGB: a bar for each label, which drifts over noise."""
    rng = np.random.default_rng(seed)
    clip = rng.integers(60, 150, (frames, size, size, 3)).astype(np.uint8)
    for label in labels:
        direction, colour = divmod(label, len(COLOURS))
        long, short = size * 5 // 8, size // 5
        height, width = (short, long) if direction == 0 else (long, short)
        top, left = rng.integers(0, size - height), rng.integers(0, size - width)
        for frame in clip:
            top, left = (
                int(np.clip(place + rng.integers(-1, 2), 0, size - side))
                for place, side in ((top, height), (left, width))
            )
            frame[top : top + height, left : left + width] = COLOURS[colour]
    return clip


def drawn_labels(rng: np.random.Generator) -> list[int]:
    """Up to two classes; some videos have none."""
    return sorted(rng.choice(CLASSES, rng.choice([0, 1, 2], p=[0.1, 0.3, 0.6]), replace=False).tolist())


def write_frames(folder: Path, train: int = 12, val: int = 6, frames: int = 12, **more) -> Path:
    """Charades' lists of frames, train.csv and val.csv, with their images in ``folder``/frames.

    The labels of a video are seen in the first three quarters of its frames; the others show and have none.
    """
    rng = np.random.default_rng(more.pop("seed", 0))
    for split, count in (("train", train), ("val", val)):
        lines = [HEADER]
        for video in range(count):
            name, labels = f"{split}{video}", drawn_labels(rng) if video > 1 else [video, CLASSES - 1 - video]
            (folder / "frames" / name).mkdir(parents=True)
            shown = frames * 3 // 4
            seed = 1000 * (split == "val") + video
            clip = np.concatenate([bars(labels, shown, seed, **more), bars((), frames - shown, seed + 7, **more)])
            for place, picture in enumerate(clip):
                path = f"{name}/{name}-{place + 1:06d}.png"
                cv2.imwrite(str(folder / "frames" / path), picture[..., ::-1])
                text = ",".join(map(str, labels)) if place < shown else ""
                lines.append(f'{name} {video} {place} {path} "{text}"')
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return folder


def write_videos(folder: Path, train: int = 12, val: int = 6, frames: int = 12, **more) -> Path:
    """Lists of videos with quoted labels, train.csv, val.csv and test.csv, and the videos, in ``folder``."""
    rng = np.random.default_rng(more.pop("seed", 0))
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("train", train), ("val", val)):
        lines = []
        for video in range(count):
            labels = drawn_labels(rng) if video > 1 else [video, CLASSES - 1 - video]
            clip = bars(labels, frames, 1000 * (split == "val") + video, **more)
            write_video(folder / f"{split}{video}.mp4", clip)
            lines.append(f'{split}{video}.mp4 "{",".join(map(str, labels))}"')
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    (folder / "test.csv").write_text((folder / "val.csv").read_text())
    return folder
