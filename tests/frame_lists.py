"""A small Something-Something on disk: folders of images, lists of frames, JSON labels."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

TEMPLATES = ("Holding [something]", "Moving [something] up", "Pushing [something] from left to right")
HEADER = "original_vido_id video_id frame_id path labels"


def picture(video: int, frame: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """uint8 [H,W,3] RGB that tells video and frame; red over blue."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[:] = (200, 20 + 5 * frame, 10 + video % 100)
    return image


def write_frame_lists(
    folder: Path, train: int = 16, val: int = 8, frames: int = 12, size: tuple[int, int] = (64, 48)
) -> Path:
    """Lists of ``train`` and ``val`` videos, called 100, 101, ... and 200, ...; video i has ``frames`` + i % 5 frames.

    Labels are i % 3. Frames lie in ``folder``/frames, PNG files, numbered from 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {template.replace("[", "").replace("]", ""): str(i) for i, template in enumerate(TEMPLATES)}
    (folder / "something-something-v2-labels.json").write_text(json.dumps(numbers))
    for split, part, first, count in (("train", "train", 100, train), ("val", "validation", 200, val)):
        ids = range(first, first + count)
        videos = [{"id": str(i), "template": TEMPLATES[i % 3], "placeholders": ["a box"]} for i in ids]
        (folder / f"something-something-v2-{part}.json").write_text(json.dumps(videos))
        lines = [HEADER]
        for i in ids:
            (folder / "frames" / str(i)).mkdir(parents=True)
            for frame in range(1, frames + i % 5 + 1):
                name = f"{i}/{i}_{frame:06d}.png"
                cv2.imwrite(str(folder / "frames" / name), picture(i, frame, size)[..., ::-1])
                lines.append(f'{i} {i - first} {frame - 1} {name} ""')
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return folder
