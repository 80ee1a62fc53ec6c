"""Spatial crops of a clip: random ones for training, fixed ones for evaluation.

A crop is a box of the source's pixels, and only this box is resized, so the cost does not grow with the size of the
video. Frames are uint8 [T,H,W,3], and all frames of a clip use the same box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from rhovideo.data.video.picture.box import Box

# With more shrinking, bilinear samples would skip source pixels, so the box is halved before.
_BILINEAR_SHRINKS_UP_TO = 2.0
_INCEPTION_ATTEMPTS = 10


def draw_short_side_box(
    height: int,
    width: int,
    size: int,
    short_sides: Sequence[float],
    rng: np.random.Generator,
    inverse: bool = False,
) -> Box:
    """Draw a VGG-style crop: the short side is scaled to s, then a square of ``size`` is cut at random.

    In source pixels this is a square of side ``short * size / s``, at least one pixel, anywhere in the frame. As in the
    released code, s is uniform in ``short_sides``, rounded to an integer, and at least ``size``.

    Args:
        height: of the frames, pixels.
        width: of the frames, pixels.
        size: side of the crop after scaling, pixels.
        short_sides: least and greatest s, pixels (DATA.TRAIN_JITTER_SCALES).
        rng: takes three draws.
        inverse: draw 1 / s uniformly instead of s (DATA.INV_UNIFORM_SAMPLE).

    Returns:
        The crop, in source pixels.
    """
    least, greatest = short_sides
    drawn = 1 / rng.uniform(1 / greatest, 1 / least) if inverse else rng.uniform(least, greatest)
    scaled = max(round(drawn), size)
    short = min(height, width)
    side = min(max(round(short * size / scaled), 1), short)
    return _place(height, width, side, side, rng)


def draw_area_box(
    height: int, width: int, areas: Sequence[float], aspects: Sequence[float], rng: np.random.Generator
) -> Box:
    """Draw an Inception-style crop: a share of the frame's area and an aspect ratio, anywhere in the frame.

    As in the released code, the area is uniform and the aspect ratio (width over height) log-uniform. After ten draws
    that do not fit, the result is the largest centred box within the range of aspect ratios.

    Args:
        height: of the frames, pixels.
        width: of the frames, pixels.
        areas: least and greatest share of the area (DATA.TRAIN_JITTER_SCALES_RELATIVE).
        aspects: least and greatest aspect ratio (DATA.TRAIN_JITTER_ASPECT_RELATIVE).
        rng: takes two draws per attempt, and two for the place.

    Returns:
        The crop, in source pixels.
    """
    for _ in range(_INCEPTION_ATTEMPTS):
        area = rng.uniform(areas[0], areas[1]) * height * width
        aspect = math.exp(rng.uniform(math.log(aspects[0]), math.log(aspects[1])))
        box_width = round(math.sqrt(area * aspect))
        box_height = round(math.sqrt(area / aspect))
        if 0 < box_width <= width and 0 < box_height <= height:
            return _place(height, width, box_height, box_width, rng)
    return _largest_centre_box(height, width, aspects)


def _place(height: int, width: int, box_height: int, box_width: int, rng: np.random.Generator) -> Box:
    top = int(rng.integers(0, height - box_height, endpoint=True))
    left = int(rng.integers(0, width - box_width, endpoint=True))
    return Box(top, left, box_height, box_width)


def _largest_centre_box(height: int, width: int, aspects: Sequence[float]) -> Box:
    box_height, box_width = height, width
    if width / height < aspects[0]:
        box_height = min(max(round(width / aspects[0]), 1), height)
    elif width / height > aspects[1]:
        box_width = min(max(round(height * aspects[1]), 1), width)
    return Box((height - box_height) // 2, (width - box_width) // 2, box_height, box_width)


def resize_into(source: np.ndarray, target: np.ndarray, flip: bool = False) -> None:
    """Resize a picture into the memory of another one.

    Bilinear as in the released code (half-pixel centres, no anti-aliasing). Where both sides shrink by more than a
    factor of two, this would alias: there the picture is first halved, once or more, by the mean of 2 x 2 pixels. Each
    halving drops an odd last row or column and stretches the rest over its place.

    Args:
        source: uint8 [H,W,3], of any memory layout; not changed.
        target: C-contiguous uint8 [height,width,3].
        flip: mirror left and right.
    """
    height, width = target.shape[:2]
    while min(source.shape[0] / height, source.shape[1] / width) > _BILINEAR_SHRINKS_UP_TO:
        source = _halved(source)
    cv2.resize(source, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
    if flip:
        cv2.flip(target, 1, dst=target)


def _halved(image: np.ndarray) -> np.ndarray:
    """The mean of 2 x 2 pixels, which OpenCV computes many times faster than the mean of any other area."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)


def check_frames(frames: np.ndarray) -> None:
    """Check that ``frames`` is a non-empty uint8 [T,H,W,3].

    Args:
        frames: any array.

    Raises:
        ValueError: it has another type or shape.
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise ValueError(
            f"frames are {frames.dtype} {list(frames.shape)}: give a non-empty uint8 [T,H,W,3] (RGB, 0..255)"
        )


class EvalCrops:
    """Fixed crops for evaluation: the short side to ``size``, then squares along the long side.

    Args:
        size: side of the crops, pixels.
        num_crops: 1 (centre) or 3 (left, centre, right; top, centre, bottom of an upright video).
        short_side: pixels to which the short side is resized, at least ``size``; None: ``size``.

    Raises:
        ValueError: another number of crops, or a size below 1.
    """

    def __init__(self, size: int, num_crops: int = 1, short_side: int | None = None) -> None:
        if num_crops not in (1, 3):
            raise ValueError(f"TEST.NUM_SPATIAL_CROPS is {num_crops}: write 1 (centre) or 3 (both ends and centre)")
        if size < 1:
            raise ValueError(f"the crop size is {size}: write a positive number of pixels")
        self.size = size
        self.num_crops = num_crops
        self.short_side = max(short_side or size, size)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Cut the crops of a clip.

        Args:
            frames: uint8 [T,H,W,3], of any size and memory layout; not changed.

        Returns:
            C-contiguous uint8 [num_crops,T,size,size,3].
        """
        check_frames(frames)
        crops = np.empty((self.num_crops, len(frames), self.size, self.size, 3), np.uint8)
        for time, frame in enumerate(frames):
            self.crop_into(frame, crops[:, time])
        return crops

    def crop_into(self, frame: np.ndarray, crops: np.ndarray) -> None:
        """Write the crops of one frame.

        Args:
            frame: uint8 [H,W,3], of any size and memory layout; not changed.
            crops: uint8 [num_crops,size,size,3], of any memory layout.
        """
        height, width, _ = frame.shape
        short = min(height, width)
        # The released code rounds the long side down and the centre's offset up.
        new_height, new_width = (max(side * self.short_side // short, self.short_side) for side in (height, width))
        scaled = np.empty((new_height, new_width, 3), np.uint8)
        resize_into(frame, scaled)
        along, across = max(new_height, new_width) - self.size, (self.short_side - self.size + 1) // 2
        centre = (along + 1) // 2
        for crop, offset in zip(crops, (centre,) if self.num_crops == 1 else (0, centre, along), strict=True):
            top, left = (offset, across) if new_height > new_width else (across, offset)
            np.copyto(crop, scaled[top : top + self.size, left : left + self.size])
