"""Generated sets for TASK detection: frames of several figures, of which each has its own action and its own box."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

HEADER = "original_vido_id video_id frame_id path labels"
SIZE = (64, 96)
SIDE = 24
FPS = 4
ACTIONS = ("stripes that stand", "stripes that lie", "a ring", "a cross")


def figure(action: int, time: int) -> np.ndarray:
    """uint8 [SIDE,SIDE], the figure of an action, from 1; it brightens and darkens with time."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    distance = np.hypot(rows, columns)
    shapes = (
        columns % 8 < 4,
        rows % 8 < 4,
        (distance > 5) & (distance < 10),
        (abs(rows) < 3) | (abs(columns) < 3),
    )
    return np.where(shapes[action - 1], 200 + 40 * (time % 2), 60).astype(np.uint8)


def write_box_set(
    folder: Path, train: int = 12, val: int = 6, *, frames: int = 24, start: int = 0, fps: int = FPS, seed: int = 0
) -> Path:
    """Write frame lists, images, true and detected boxes, a label map and exclusions, in AVA's formats.

    A frame shows two to four figures, each anywhere: what a box is labelled with depends on where it is. Videos are
    called t0, t1, ... and v0, v1, ...; key frames are the whole seconds of a video but the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for split, name, count in (("train", "t", train), ("val", "v", val)):
        lines, true, found = [HEADER], [], []
        for number in range(count):
            video = f"{name}{number}"
            (folder / "frames" / video).mkdir(parents=True)
            figures = _placed(rng)
            for frame in range(frames):
                image = rng.integers(90, 130, (*SIZE, 3), dtype=np.uint8)
                for action, top, left in figures:
                    image[top : top + SIDE, left : left + SIDE] = figure(action, frame)[..., None]
                path = f"{video}/{video}_{frame + 1:06d}.jpg"
                cv2.imwrite(str(folder / "frames" / path), image)
                lines.append(f'{video} {number} {frame} {path} ""')
            for second in range(1, frames // fps):
                for person, (action, top, left) in enumerate(figures):
                    corners = (left / SIZE[1], top / SIZE[0], (left + SIDE) / SIZE[1], (top + SIDE) / SIZE[0])
                    box = f"{video},{start + second:04d}," + ",".join(f"{share:.6f}" for share in corners)
                    true.append(f"{box},{action},{person}")
                    found.append(f"{box},,0.98")
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
        (folder / f"ava_{split}_v2.2.csv").write_text("\n".join(true) + "\n")
        (folder / f"ava_{split}_predicted_boxes.csv").write_text("\n".join(found) + "\n")
    items = "".join(f'item {{\n  name: "{action}"\n  id: {number}\n}}\n' for number, action in enumerate(ACTIONS, 1))
    (folder / "ava_action_list_v2.2_for_activitynet_2019.pbtxt").write_text(items)
    (folder / "ava_val_excluded_timestamps_v2.2.csv").write_text("")
    return folder


def _placed(rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """Two to four figures (action, top, left) that do not overlap."""
    placed: list[tuple[int, int, int]] = []
    wanted = int(rng.integers(2, 5))
    for _ in range(200):
        top, left = (int(rng.integers(0, side - SIDE, endpoint=True)) for side in SIZE)
        if all(abs(top - one[1]) >= SIDE or abs(left - one[2]) >= SIDE for one in placed):
            placed.append((int(rng.integers(1, len(ACTIONS) + 1)), top, left))
        if len(placed) == wanted:
            break
    return placed
