"""Key frames: a second of a video, with the boxes of people in it and their actions. Without torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.config.box_file_names import box_files
from rhovideo.data.lists.boxes.box_files import NO_ACTION, BoxRows, read_box_rows
from rhovideo.data.lists.boxes.box_footage import BoxFootage, open_footage
from rhovideo.data.lists.csv_parsing import NO_LABEL, ManifestError
from rhovideo.data.lists.video_list import OpenVideo, VideoList

# The evaluation during training looks at each fourth second, as PySlowFast's does.
EVALUATED_EVERY = 4
# Detectors' boxes may stand out of the frame a little; where one is that far out, it is in pixels.
_FARTHEST = 2.0


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
        self._frames = list(frames)
        self._footage = footage
        self._start = start_second
        self.unlisted = list(unlisted)
        paths = [f"{footage.path(frame.video)} at second {frame.second}" for frame in frames]
        super().__init__(name, paths, [_digest(frame) for frame in frames])

    def key_frame(self, index: int) -> KeyFrame:
        """Key frame ``index``."""
        return self._frames[index]

    def boxes(self, index: int) -> np.ndarray:
        """The boxes of a key frame, float64 [N,4], in shares of the frame's width and height."""
        return np.array(self._frames[index].boxes, np.float64).reshape(-1, 4)

    def targets(self, index: int, num_classes: int) -> np.ndarray:
        """The actions of a key frame's boxes, uint8 [N,num_classes]: action 1 is in the first column."""
        actions = self._frames[index].actions
        targets = np.zeros((len(actions), num_classes), np.uint8)
        for row, of_box in zip(targets, actions, strict=True):
            row[[action - 1 for action in of_box]] = 1
        return targets

    def offset(self, index: int) -> int:
        """Seconds from the beginning of the video to a key frame."""
        return self._frames[index].second - self._start

    def label(self, index: int) -> int:
        return NO_LABEL

    def line(self, index: int) -> int:
        return self._frames[index].line

    @property
    def num_classes(self) -> int:
        """The largest action; 0 if no box has one."""
        return max((action for frame in self._frames for of_box in frame.actions for action in of_box), default=0)

    @property
    def has_labels(self) -> bool:
        """False: a key frame has no label of its own, and none is needed to read it."""
        return False

    def open_video(self, index: int, image_fps: float, backend: str = "pyav") -> OpenVideo:
        return self._footage.open_video(self._frames[index].video, image_fps, backend)


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
    for wrong in np.flatnonzero(early | far | high | none)[:1].tolist():
        keys: tuple[str, ...] = ()
        if early[wrong]:
            said = f"the second {rows.seconds[wrong]} is before the first one of the videos, {start}"
            write, keys = "AVA.START_SECOND as it is", ("AVA.START_SECOND",)
        elif far[wrong]:
            said = f"a corner of the box is at {np.abs(rows.boxes[wrong]).max():g}, far out of the frame"
            write = "shares of the frame's width and height, from 0 to 1, not pixels"
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
    if not found:
        wrong = f"{files[0][0]} holds no box with a score of AVA.DETECTION_SCORE_THRESH {files[0][1]} or more"
        return ManifestError(f"{wrong}: write a lower one, or another file", keys=("AVA.DETECTION_SCORE_THRESH",))
    there = next(iter(footage.files or footage.places), "no video")
    wrong = f"no box is left: {files[0][0]} has boxes of {next(iter(found))}, and the videos are {there} and the like"
    key = "AVA.VIDEO_DIR" if cfg.AVA.VIDEO_DIR else "AVA.FRAME_LIST_DIR"
    return ManifestError(f"{wrong}: write the folder of the videos that the boxes are of", keys=(key,))
