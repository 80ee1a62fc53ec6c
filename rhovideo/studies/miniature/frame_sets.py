"""Tiny data sets of frames: AVA with its files of boxes, and Charades with the labels of each frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from rhovideo.atomic_files import write_text
from rhovideo.demo.synthetic_videos import class_names, render_video
from rhovideo.randomness import Stream, generator

_HEADER = "original_vido_id video_id frame_id path labels"
_SIZE = (36, 48)
# As in the real sets: frames a second, and the second at which the first frame of AVA lies.
_AVA_FPS, _AVA_START = 30, 900
_CHARADES_FPS = 24
# Of AVA's 80 actions these are shown.
_ACTIONS = 4
_LABELS = 6
_SPLITS = (("train", 0), ("val", 1))


def write_ava(folder: Path) -> None:
    """Write 6 training and 3 validation videos of 3 seconds: frames, true and detected boxes, and the label map.

    A frame shows two videos of shapes, one beside the other, and each half is the box of its action.

    Args:
        folder: is there and empty.
    """
    for (split, stream), count in zip(_SPLITS, (6, 3), strict=True):
        lines, true, found = [_HEADER], [], []
        for video in range(count):
            name = f"{split}{video}"
            actions = [video % _ACTIONS, (video + 1 + stream) % _ACTIONS]
            halves = [
                _rendered(class_names(_ACTIONS)[action], 3 * _AVA_FPS, (2, stream, video, action)) for action in actions
            ]
            frames = np.concatenate(halves, 2)
            lines += [f'{name} {video} {number} {path} ""' for number, path in _written(folder, name, frames)]
            for second in (1, 2):
                for person, action in enumerate(actions):
                    box = f"{name},{_AVA_START + second:04d},{person / 2:.3f},0.000,{(person + 1) / 2:.3f},1.000"
                    true.append(f"{box},{action + 1},{person}")
                    found.append(f"{box},,0.98")
        _write_lines(folder / f"{split}.csv", lines)
        _write_lines(folder / f"ava_{split}_v2.2.csv", true)
        _write_lines(folder / f"ava_{split}_predicted_boxes.csv", found)
    items = [f'item {{\n  name: "{name}"\n  id: {number}\n}}' for number, name in enumerate(class_names(_ACTIONS), 1)]
    _write_lines(folder / "ava_action_list_v2.2_for_activitynet_2019.pbtxt", items)
    write_text(folder / "ava_val_excluded_timestamps_v2.2.csv", "")


def write_charades(folder: Path) -> None:
    """Write 8 training and 4 validation videos of two seconds as frames; each half shows one of a video's two classes.

    Args:
        folder: is there and empty.
    """
    for (split, stream), count in zip(_SPLITS, (8, 4), strict=True):
        lines = [_HEADER]
        for video in range(count):
            name = f"{split.upper()}{video}"
            labels = [video % _LABELS, (video + 2 + stream) % _LABELS]
            halves = [
                _rendered(class_names(_LABELS)[label], _CHARADES_FPS, (3, stream, video, label)) for label in labels
            ]
            for number, path in _written(folder, name, np.concatenate(halves)):
                lines.append(f'{name} {video} {number} {path} "{labels[number // _CHARADES_FPS]}"')
        _write_lines(folder / f"{split}.csv", lines)
    write_text(folder / "test.csv", (folder / "val.csv").read_text(encoding="utf-8"))


def _rendered(class_name: str, frames: int, address: tuple[int, ...]) -> np.ndarray:
    """uint8 [T,H,W,3] of a class; the address, of numbers of the set, split, video and class, seeds it."""
    return render_video(class_name, frames, _CHARADES_FPS, _SIZE, generator(Stream.SYNTHETIC, *address))


def _written(folder: Path, name: str, frames: np.ndarray) -> Iterator[tuple[int, str]]:
    """Write a video's frames as images; yields the number of each, from 0, and its path from the folder."""
    (folder / name).mkdir()
    for number, frame in enumerate(frames):
        path = f"{name}/{name}_{number + 1:06d}.jpg"
        cv2.imwrite(str(folder / path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        yield number, path


def _write_lines(path: Path, lines: list[str]) -> None:
    write_text(path, "".join(f"{line}\n" for line in lines))
