"""Crops of clips with boxes: frames are scaled as a whole, then cut and mirrored, and boxes go the same way.

As in PySlowFast's loader for AVA, with its default of OpenCV. Nothing is stretched: people keep their shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.data.augment.clip_augmentation import PendingClip, TrainAugmentation
from rhovideo.data.augment.colour import Operation
from rhovideo.data.augment.crops import resize_into
from rhovideo.data.video.picture.frame import Picture, RgbPicture


@dataclass(frozen=True)
class Placement:
    """The way from a frame to a clip.

    Attributes:
        source: height and width of the frame, pixels.
        scaled: height and width to which it is resized.
        top, left: of the cut, in the resized frame.
        size: height and width of the cut.
        flip: mirror left and right after the cut.
    """

    source: tuple[int, int]
    scaled: tuple[int, int]
    top: int
    left: int
    size: tuple[int, int]
    flip: bool = False

    @classmethod
    def scaled_to(cls, source: tuple[int, int], short_side: int) -> Placement:
        """The whole frame, its short side resized to ``short_side`` pixels and the long one in proportion, floored."""
        short = min(source)
        height, width = (side * short_side // short for side in source)
        return cls(source, (height, width), 0, 0, (height, width))

    def cut(self, top: int, left: int, size: int, flip: bool = False) -> Placement:
        """A square of the whole frame."""
        return replace(self, top=top, left=left, size=(size, size), flip=flip)

    def centre(self, size: int) -> Placement:
        """The square in the middle; an odd rest of the long side goes to its beginning, as in the released code."""
        height, width = self.scaled
        return self.cut((height - size + 1) // 2, (width - size + 1) // 2, size)

    def paste(self, frame: np.ndarray, target: np.ndarray) -> None:
        """Write a frame into its place in a clip.

        Args:
            frame: uint8 [H,W,3] of the size ``source``; not changed.
            target: uint8 [height,width,3] of the size ``size``.
        """
        scaled = np.empty((*self.scaled, 3), np.uint8)
        resize_into(frame, scaled)
        part = scaled[self.top : self.top + self.size[0], self.left : self.left + self.size[1]]
        np.copyto(target, part[:, ::-1] if self.flip else part)

    def boxes(self, shares: np.ndarray) -> np.ndarray:
        """Boxes in pixels of the clip; what is cut off is moved to the border, where a box may lose its area.

        Args:
            shares: float64 [N,4], x1, y1, x2, y2 in shares of the frame's width and height.

        Returns:
            float64 [N,4], from 0 to the last pixel.
        """
        height, width = self.source
        boxes = np.clip(shares * (width, height, width, height), 0, (width - 1, height - 1, width - 1, height - 1))
        # As PySlowFast: both axes by the factor of the long side, whose length is rounded down.
        boxes = boxes * (max(self.scaled) / max(self.source)) - (self.left, self.top, self.left, self.top)
        last = (self.size[1] - 1, self.size[0] - 1)
        if self.flip:
            boxes = np.stack([last[0] - boxes[:, 2], boxes[:, 1], last[0] - boxes[:, 0], boxes[:, 3]], axis=1)
        return np.clip(boxes, 0, (*last, *last))


class BoxCrops(Protocol):
    """Places the frames of a clip, and draws its changes of colour."""

    def place(self, height: int, width: int, rng: np.random.Generator) -> Placement:
        """The placement of a clip whose frames are ``height`` x ``width`` pixels."""

    def draw_operations(self, rng: np.random.Generator) -> list[Operation]:
        """The changes of colour to make, after :meth:`place`."""

    @property
    def side(self) -> int | None:
        """Pixels of a side of all clips; None where they are of the frames' shape."""


@dataclass(frozen=True)
class RandomBoxCrops:
    """Training: the short side is drawn, then a square, then whether it is mirrored.

    Attributes:
        augmentation: size, range of the short side, mirroring and colour; without ``spatial`` the centre is cut.
    """

    augmentation: TrainAugmentation

    def place(self, height: int, width: int, rng: np.random.Generator) -> Placement:
        how = self.augmentation
        if not how.spatial:
            return Placement.scaled_to((height, width), how.size).centre(how.size)
        least, greatest = how.short_sides
        inverse = how.inverse_short_sides
        drawn = 1 / rng.uniform(1 / greatest, 1 / least) if inverse else rng.uniform(least, greatest)
        whole = Placement.scaled_to((height, width), max(round(drawn), how.size))
        top, left = (int(rng.integers(0, side - how.size, endpoint=True)) for side in whole.scaled)
        return whole.cut(top, left, how.size, bool(rng.random() < how.flip_prob))

    def draw_operations(self, rng: np.random.Generator) -> list[Operation]:
        return self.augmentation.draw_operations(rng)

    @property
    def side(self) -> int | None:
        return self.augmentation.size


@dataclass(frozen=True)
class FixedBoxCrops:
    """Evaluation: the short side to ``size``; the centre square, or the whole frame.

    Attributes:
        size: pixels of the short side (DATA.TEST_CROP_SIZE).
        whole: keep the whole frame, as the test does.
        flip: mirror it (AVA.TEST_FORCE_FLIP).
    """

    size: int
    whole: bool = False
    flip: bool = False

    def place(self, height: int, width: int, rng: np.random.Generator) -> Placement:
        whole = Placement.scaled_to((height, width), self.size)
        return replace(whole if self.whole else whole.centre(self.size), flip=self.flip)

    def draw_operations(self, rng: np.random.Generator) -> list[Operation]:
        return []

    @property
    def side(self) -> int | None:
        return None if self.whole else self.size


class ClipWithBoxes:
    """Builds a clip from pictures that come one by one from a decoder.

    Args:
        crops: of the clip.
        num_frames: T.
        rng: source of all draws.

    Attributes:
        placement: of the frames; None before the first.
    """

    def __init__(self, crops: BoxCrops, num_frames: int, rng: np.random.Generator) -> None:
        self.placement: Placement | None = None
        self._crops = crops
        self._num_frames = num_frames
        self._rng = rng
        self._clip = np.empty((num_frames, 0, 0, 3), np.uint8)

    def add(self, picture: Picture | RgbPicture, time: int) -> None:
        """Put a picture at its place in the clip; a second picture for a place replaces the first."""
        if self.placement is None:
            self.placement = self._crops.place(picture.height, picture.width, self._rng)
            self._clip = np.empty((self._num_frames, *self.placement.size, 3), np.uint8)
        self.placement.paste(picture.rgb(), self._clip[time])

    def build(self) -> PendingClip:
        """The clip, after all pictures were added."""
        return PendingClip(self._clip, self._crops.draw_operations(self._rng))


def build_box_crops(cfg: CfgNode, purpose: str) -> BoxCrops:
    """The crops of a purpose.

    Args:
        cfg: a whole configuration.
        purpose: "train": random squares of TRAIN_CROP_SIZE. "eval": the centre square of TEST_CROP_SIZE. "test": the
            whole frame, its short side scaled to TEST_CROP_SIZE.

    Raises:
        ValueError: the purpose is unknown.
    """
    if purpose == "train":
        return RandomBoxCrops(TrainAugmentation.from_cfg(cfg, purpose))
    if purpose == "eval":
        return FixedBoxCrops(cfg.DATA.TEST_CROP_SIZE)
    if purpose == "test":
        return FixedBoxCrops(cfg.DATA.TEST_CROP_SIZE, whole=True, flip=cfg.AVA.TEST_FORCE_FLIP)
    raise ValueError(f'purpose is "{purpose}": write "train", "eval" or "test"')
