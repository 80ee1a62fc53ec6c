"""Key frames: a second of a video, with the boxes of people in it and their actions. Without torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.config.box_file_names import box_files, frame_list_files
from rhovideo.data.lists.boxes.box_files import NO_ACTION, BoxRows, read_box_rows
from rhovideo.data.lists.boxes.box_footage import BoxFootage, open_footage
from rhovideo.data.lists.csv_parsing import NO_LABEL, ManifestError
from rhovideo.data.lists.video_list import OpenVideo, VideoList

# The evaluation during training looks at each fourth second, as PySlowFast's does.
EVALUATED_EVERY = 4
# Detectors' boxes may stand out of the frame a little; where one is that far out, it is in pixels.
_FARTHEST = 2.0
# The lists that were opened last, by the state of their files.
_MOST_OPENED = 4
_opened: dict[tuple[Hashable, ...], KeyFrameList] = {}


@dataclass
class KeyFrame:
    """One key frame.

    Attributes:
        video: the id of its video.
        second: its time, as the files have it.
        boxes: x1, y1, x2, y2 of each box in shares of the frame's width and height, in the order of the files.
        actions: of each box; none for a box without a label.
        line: of its first row, from 1.
    """

    video: str
    second: int
    boxes: list[tuple[float, ...]] = field(default_factory=list)
    actions: list[list[int]] = field(default_factory=list)
    line: int = 0


class KeyFrameList(VideoList):
    """Key frames by index: videos in the order of the frame lists, seconds ascending.

    They are kept as arrays, since every worker has a copy of them.

    Args:
        name: the file of boxes, or the first of several.
        frames: the key frames.
        footage: where the frames of each video are.
        start_second: the second at which the videos begin.
        unlisted: ids of videos that have boxes, but no frames.

    Attributes:
        unlisted: as given.
        labels: int64 [N], a number for the boxes and actions of each key frame, by which a change of one is found.
    """

    def __init__(
        self,
        name: str,
        frames: Sequence[KeyFrame],
        footage: BoxFootage,
        start_second: int,
        unlisted: Sequence[str] = (),
    ) -> None:
        self.csv = name
        self.unlisted = list(unlisted)
        self.labels = np.array([_digest(frame) for frame in frames], np.int64)
        self._footage = footage
        self._start = start_second
        self._names = list(dict.fromkeys(frame.video for frame in frames))
        numbers = {name: number for number, name in enumerate(self._names)}
        self._videos = np.array([numbers[frame.video] for frame in frames], np.int32)
        self._seconds = np.array([frame.second for frame in frames], np.int64)
        self._lines = np.array([frame.line for frame in frames], np.int64)
        self._boxes = np.array([box for frame in frames for box in frame.boxes], np.float64).reshape(-1, 4)
        self._first_box = _starts(len(frame.boxes) for frame in frames)
        actions = [of_box for frame in frames for of_box in frame.actions]
        self._actions = np.array([action for of_box in actions for action in of_box], np.int32)
        self._first_action = _starts(map(len, actions))

    def __len__(self) -> int:
        return len(self._videos)

    def key_frame(self, index: int) -> KeyFrame:
        """Key frame ``index``."""
        boxes = [tuple(box) for box in self.boxes(index).tolist()]
        actions = [self._of_box(box) for box in self._box_numbers(index)]
        name = self._names[self._videos[index]]
        return KeyFrame(name, int(self._seconds[index]), boxes, actions, self.line(index))

    def boxes(self, index: int) -> np.ndarray:
        """The boxes of a key frame, float64 [N,4], in shares of the frame's width and height."""
        return self._boxes[self._first_box[index] : self._first_box[index + 1]]

    def _box_numbers(self, index: int) -> range:
        """The numbers of a key frame's boxes among all boxes."""
        return range(int(self._first_box[index]), int(self._first_box[index + 1]))

    def targets(self, index: int, num_classes: int) -> np.ndarray:
        """The actions of a key frame's boxes, uint8 [N,num_classes]: action 1 is in the first column."""
        numbers = self._box_numbers(index)
        targets = np.zeros((len(numbers), num_classes), np.uint8)
        for row, box in zip(targets, numbers, strict=True):
            row[[action - 1 for action in self._of_box(box)]] = 1
        return targets

    def _of_box(self, box: int) -> list[int]:
        actions: list[int] = self._actions[self._first_action[box] : self._first_action[box + 1]].tolist()
        return actions

    def offset(self, index: int) -> int:
        """Seconds from the beginning of the video to a key frame."""
        return int(self._seconds[index]) - self._start

    def path(self, index: int) -> str:
        return f"{self._footage.path(self._names[self._videos[index]])} at second {self._seconds[index]}"

    def label(self, index: int) -> int:
        return NO_LABEL

    def line(self, index: int) -> int:
        return int(self._lines[index])

    @property
    def num_classes(self) -> int:
        """The largest action; 0 if no box has one."""
        return int(self._actions.max(initial=0))

    @property
    def has_labels(self) -> bool:
        """False: a key frame has no label of its own, and none is needed to read it."""
        return False

    def open_video(self, index: int, image_fps: float, backend: str = "pyav") -> OpenVideo:
        return self._footage.open_video(self._names[self._videos[index]], image_fps, backend)


def _starts(counts: Iterable[int]) -> np.ndarray:
    """Where each of some parts begins among all, and the end of the last, int64 [N + 1]."""
    return np.cumsum([0, *counts], dtype=np.int64)


def open_key_frames(cfg: CfgNode, split: str) -> KeyFrameList:
    """Open the key frames of a split (TRAIN.DATASET ava).

    Args:
        cfg: a loaded configuration; its AVA section names the files.
        split: "train": true boxes, and detected ones. "val" and "test": detected boxes; "val" each fourth second of
            them, unless AVA.FULL_TEST_ON_VAL.

    Raises:
        ManifestError: a file cannot be used, or no box is left.
        FileNotFoundError: a file is missing.
    """
    state = _state(cfg, split)
    if state not in _opened:
        frames = _open(cfg, split)
        while len(_opened) >= _MOST_OPENED:
            del _opened[next(iter(_opened))]
        _opened[state] = frames
    return _opened[state]


def _state(cfg: CfgNode, split: str) -> tuple[Hashable, ...]:
    """Equal where the same key frames would be found again: a start asks for them several times."""
    files = [*(path for path, _ in box_files(cfg, split)), *frame_list_files(cfg, split)]
    stats = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    videos = os.stat(cfg.AVA.VIDEO_DIR).st_mtime_ns if cfg.AVA.VIDEO_DIR else 0
    return (split, *stats, videos, cfg.AVA.dump(), cfg.MODEL.NUM_CLASSES, cfg.DATA.PATH_PREFIX, cfg.DATA.MANIFEST_CACHE)


def _open(cfg: CfgNode, split: str) -> KeyFrameList:
    start = start_second(cfg)
    every = EVALUATED_EVERY if split == "val" and not cfg.AVA.FULL_TEST_ON_VAL else 1
    collected = _KeyFrames(every)
    files = box_files(cfg, split)
    for path, threshold in files:
        rows = read_box_rows(path, scored=threshold is not None, texts=True)
        _check(rows, start, cfg.MODEL.NUM_CLASSES)
        collected.add(rows, threshold)
    footage = open_footage(cfg, split)
    frames = collected.of(footage.known(collected.found))
    if not frames:
        raise _nothing_left(cfg, every, files, collected.found, footage)
    unlisted = sorted(collected.found.keys() - set(footage.known(collected.found)))
    return KeyFrameList(str(files[0][0]), frames, footage, start, unlisted)


def _digest(frame: KeyFrame) -> int:
    text = repr((frame.boxes, [sorted(of_box) for of_box in frame.actions]))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")


def start_second(cfg: CfgNode) -> int:
    """The second at which the videos begin: AVA's frame lists begin at minute 15."""
    if cfg.AVA.START_SECOND is not None:
        return int(cfg.AVA.START_SECOND)
    return 0 if cfg.AVA.VIDEO_DIR else 900


class _KeyFrames:
    """Collects the rows of files. Rows whose coordinates are written alike are one box with several actions.

    Attributes:
        found: the key frames by video and second.
    """

    def __init__(self, every: int) -> None:
        self.found: dict[str, dict[int, KeyFrame]] = {}
        self._every = every
        self._places: dict[tuple[str, int, str], int] = {}

    def add(self, rows: BoxRows, threshold: float | None) -> None:
        """Add the rows with a score of the threshold or more."""
        kept = np.ones(len(rows), bool) if threshold is None else rows.last >= threshold
        kept &= rows.seconds % self._every == 0
        for row in np.flatnonzero(kept).tolist():
            video, second = rows.videos[row], int(rows.seconds[row])
            seconds = self.found.setdefault(video, {})
            if second not in seconds:
                seconds[second] = KeyFrame(video, second, line=int(rows.lines[row]))
            frame = seconds[second]
            place = self._places.setdefault((video, second, rows.texts[row]), len(frame.boxes))
            if place == len(frame.boxes):
                frame.boxes.append(tuple(rows.boxes[row].tolist()))
                frame.actions.append([])
            action = int(rows.actions[row])
            if action != NO_ACTION and action not in frame.actions[place]:
                frame.actions[place].append(action)

    def of(self, videos: Sequence[str]) -> list[KeyFrame]:
        """The key frames of some videos, in their order."""
        return [self.found[video][second] for video in videos for second in sorted(self.found[video])]


def _check(rows: BoxRows, start: int, num_classes: int) -> None:
    """Raise an error at the first row that no training or test can use."""
    early = rows.seconds < start
    far = np.abs(rows.boxes).max(axis=1, initial=0) > _FARTHEST
    high, none = rows.actions > num_classes, rows.actions == 0
    # A row of corner, width and height is often one of these.
    turned = (rows.boxes[:, 0] > rows.boxes[:, 2]) | (rows.boxes[:, 1] > rows.boxes[:, 3])
    for wrong in np.flatnonzero(early | far | turned | high | none)[:1].tolist():
        keys: tuple[str, ...] = ()
        if early[wrong]:
            said = f"the second {rows.seconds[wrong]} is before the first one of the videos, {start}"
            write, keys = "AVA.START_SECOND as it is", ("AVA.START_SECOND",)
        elif far[wrong]:
            said = f"a corner of the box is at {np.abs(rows.boxes[wrong]).max():g}, far out of the frame"
            write = "shares of the frame's width and height, from 0 to 1, not pixels"
        elif turned[wrong]:
            x1, y1, x2, y2 = rows.boxes[wrong].tolist()
            said = f"the box ends before it begins, from ({x1:g}, {y1:g}) to ({x2:g}, {y2:g})"
            write = "x1,y1,x2,y2, the left upper and the right lower corner, not a width and a height"
        elif none[wrong]:
            said, write = "the action is 0, and they are counted from 1", "each action plus one, in all files"
        else:
            said = f"the action is {rows.actions[wrong]}, but MODEL.NUM_CLASSES is {num_classes}"
            write, keys = f"MODEL.NUM_CLASSES {rows.actions.max()}", ("MODEL.NUM_CLASSES",)
        raise ManifestError(f"{rows.path}, line {rows.lines[wrong]}: {said}: write {write}", keys=keys)


def _nothing_left(
    cfg: CfgNode,
    every: int,
    files: Sequence[tuple[Path, float | None]],
    found: Mapping[str, object],
    footage: BoxFootage,
) -> ManifestError:
    if not found and every > 1:
        wrong = f"{files[0][0]} holds no box of enough score at a second that {every} divides, as the evaluation needs"
        write = "AVA.FULL_TEST_ON_VAL True for all seconds, or TRAIN.EVAL_PERIOD 0 for no evaluation"
        return ManifestError(f"{wrong}: write {write}", keys=("AVA.FULL_TEST_ON_VAL",))
    if not found and files[0][1] is None:
        write = "video,second,x1,y1,x2,y2,action,person on each line"
        return ManifestError(f"{files[0][0]} holds no box: write {write}", keys=("AVA.ANNOTATION_DIR",))
    if not found:
        wrong = f"{files[0][0]} holds no box with a score of AVA.DETECTION_SCORE_THRESH {files[0][1]} or more"
        return ManifestError(f"{wrong}: write a lower one, or another file", keys=("AVA.DETECTION_SCORE_THRESH",))
    there = next(iter(footage.files or footage.places), "no video")
    wrong = f"no box is left: {files[0][0]} has boxes of {next(iter(found))}, and the videos are {there} and the like"
    key = "AVA.VIDEO_DIR" if cfg.AVA.VIDEO_DIR else "AVA.FRAME_LIST_DIR"
    return ManifestError(f"{wrong}: write the folder of the videos that the boxes are of", keys=(key,))
