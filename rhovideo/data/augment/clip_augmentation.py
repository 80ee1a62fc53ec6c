"""Augmentation of clips, between the decoder and the encoder.

Bytes stay bytes: frames go in and out as uint8 [T,H,W,3], and are scaled and normalised on the device
(:func:`normalise`). All frames of a clip share the same random draws, which come from the generator that is passed in.
The crop is drawn first, so that it stays the same when colour is switched off. The sampler chooses the clip's frames.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import torch
from fvcore.common.config import CfgNode

from rhovideo.data.augment.colour import ColourAugmentation, Operation, temporal_difference
from rhovideo.data.augment.crops import (
    EvalCrops,
    check_frames,
    draw_area_box,
    draw_short_side_box,
    resize_into,
)
from rhovideo.data.video.picture.box import Box
from rhovideo.data.video.picture.frame import Picture, RgbPicture

# The range of aspect ratios where DATA.TRAIN_JITTER_ASPECT_RELATIVE is empty.
_DEFAULT_ASPECTS = (3 / 4, 4 / 3)


class PendingClip(NamedTuple):
    """A cropped clip whose colour is not changed yet.

    Attributes:
        clip: uint8 [T,S,S,3].
        operations: changes of colour to make, in this order.
    """

    clip: np.ndarray
    operations: list[Operation]


@dataclass(frozen=True)
class TrainAugmentation:
    """Random crop, flip and colour of a clip.

    Attributes:
        size: side of the square result, pixels (DATA.TRAIN_CROP_SIZE).
        spatial: draw crop and flip (DATA.AUG_SPATIAL); False takes the centre crop and never flips.
        short_sides: for VGG-style crops, see :func:`draw_short_side_box`.
        areas: for Inception-style crops, see :func:`draw_area_box`; empty: VGG-style crops.
        aspects: for Inception-style crops.
        flip_prob: probability of mirroring left and right.
        time_diff_prob: probability that :func:`temporal_difference` replaces the clip's colour. Such a clip gets no
            jitter, grey or blur. (The released code intends this too, but never reads its draw, so that jitter
            follows there.)
        colour: jitter, grey and blur; None changes no colour.
        inverse_short_sides: for VGG-style crops, see :func:`draw_short_side_box`.
    """

    size: int
    spatial: bool = True
    short_sides: Sequence[float] = (256, 320)
    areas: Sequence[float] = ()
    aspects: Sequence[float] = ()
    flip_prob: float = 0.5
    time_diff_prob: float = 0.0
    colour: ColourAugmentation | None = None
    inverse_short_sides: bool = False

    @classmethod
    def from_cfg(cls, cfg: CfgNode, purpose: str = "pretrain") -> TrainAugmentation:
        """The augmentation of a configuration's DATA section.

        Args:
            cfg: a whole configuration.
            purpose: "pretrain" or "train"; both read the same keys, as in the released code.

        Returns:
            The augmentation.

        Raises:
            ValueError: the purpose is unknown, or a key needs another one with it.
        """
        if purpose not in ("pretrain", "train"):
            raise ValueError(f'purpose is "{purpose}": write "pretrain" or "train"')
        data = cfg.DATA
        if data.TRAIN_JITTER_ASPECT_RELATIVE and not data.TRAIN_JITTER_SCALES_RELATIVE:
            raise ValueError(
                "DATA.TRAIN_JITTER_ASPECT_RELATIVE also needs DATA.TRAIN_JITTER_SCALES_RELATIVE, e.g. [0.2, 0.766]"
            )
        return cls(
            size=data.TRAIN_CROP_SIZE,
            spatial=data.AUG_SPATIAL,
            short_sides=tuple(data.TRAIN_JITTER_SCALES),
            areas=tuple(data.TRAIN_JITTER_SCALES_RELATIVE),
            aspects=tuple(data.TRAIN_JITTER_ASPECT_RELATIVE) or _DEFAULT_ASPECTS,
            flip_prob=0.5 if data.RANDOM_FLIP else 0.0,
            time_diff_prob=data.TIME_DIFF_PROB,
            colour=_colour_from_cfg(data) if data.SSL_COLOR_JITTER else None,
            inverse_short_sides=data.INV_UNIFORM_SAMPLE,
        )

    def __call__(self, frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Augment one clip.

        Args:
            frames: uint8 [T,H,W,3], RGB, of any size and memory layout; not changed.
            rng: source of all draws; equal generators give equal clips.

        Returns:
            A new C-contiguous array, uint8 [T,size,size,3].
        """
        check_frames(frames)
        builder = clip_builder(self, len(frames), rng)
        for time, frame in enumerate(frames):
            builder.add(RgbPicture(frame), time)
        (pending,) = builder.build()
        return apply(*pending)

    def draw_operations(self, rng: np.random.Generator) -> list[Operation]:
        """Draw the changes of a clip's colour, in the order in which they are made."""
        if self.time_diff_prob > 0 and rng.random() < self.time_diff_prob:
            return [(temporal_difference, ())]
        return [] if self.colour is None else self.colour.draw(rng)

    def draw_crop(self, height: int, width: int, rng: np.random.Generator) -> tuple[Box, bool]:
        """Draw the crop of a clip whose frames are ``height`` x ``width`` pixels; True in second place: mirror it."""
        return self.draw_box(height, width, rng), bool(rng.random() < self.flip_prob)

    def draw_box(self, height: int, width: int, rng: np.random.Generator) -> Box:
        """Draw the crop of a clip whose frames are ``height`` x ``width`` pixels."""
        if self.areas:
            return draw_area_box(height, width, self.areas, self.aspects or _DEFAULT_ASPECTS, rng)
        return draw_short_side_box(height, width, self.size, self.short_sides, rng, self.inverse_short_sides)


def apply(clip: np.ndarray, operations: Sequence[Operation], out: np.ndarray | None = None) -> np.ndarray:
    """Change the colour of a clip by one operation after the other.

    Args:
        clip: uint8 [T,H,W,3].
        operations: drawn by :meth:`TrainAugmentation.draw_operations`.
        out: uint8 [T,H,W,3] for the result, which must not overlap ``clip``. None: a new array, or ``clip`` itself if
            there are no operations.

    Returns:
        uint8 [T,H,W,3].
    """
    for change, amounts in operations[:-1]:
        clip = change(clip, *amounts)
    if operations:
        change, amounts = operations[-1]
        return change(clip, *amounts, out=out)
    if out is None:
        return clip
    np.copyto(out, clip)
    return out


class ClipBuilder(Protocol):
    """Builds clips from pictures that come one by one from a decoder, and keeps no full picture."""

    def add(self, picture: Picture | RgbPicture, time: int) -> None:
        """Put a picture at its place in the clip, in any order; a second picture for a place replaces the first.

        Args:
            picture: of any size, the same for all pictures of a clip.
            time: the place, from 0.
        """

    def build(self) -> list[PendingClip]:
        """The clips, after all pictures were added."""


def clip_builder(augmentation: TrainAugmentation | EvalCrops, num_frames: int, rng: np.random.Generator) -> ClipBuilder:
    """A builder whose clips are the same as if ``augmentation`` got all frames at once.

    Args:
        augmentation: random crops, or fixed ones.
        num_frames: T of the clip.
        rng: source of all draws, not shared with other clips or views.

    Returns:
        The builder.
    """
    if isinstance(augmentation, EvalCrops):
        return FixedCrops(augmentation, num_frames, list)
    if not augmentation.spatial:
        return FixedCrops(EvalCrops(augmentation.size), num_frames, lambda: augmentation.draw_operations(rng))
    return RandomCrop(augmentation, num_frames, rng)


class RandomCrop:
    """The :class:`ClipBuilder` of a :class:`TrainAugmentation` with ``spatial``; it builds one clip."""

    def __init__(self, augmentation: TrainAugmentation, num_frames: int, rng: np.random.Generator) -> None:
        self._augmentation = augmentation
        self._rng = rng
        self._crop: tuple[Box, bool] | None = None
        self._clip = np.empty((num_frames, augmentation.size, augmentation.size, 3), np.uint8)

    def add(self, picture: Picture | RgbPicture, time: int) -> None:
        if self._crop is None:
            self._crop = self._augmentation.draw_crop(picture.height, picture.width, self._rng)
        box, flip = self._crop
        resize_into(picture.rgb(box), self._clip[time], flip)

    def build(self) -> list[PendingClip]:
        return [PendingClip(self._clip, self._augmentation.draw_operations(self._rng))]


class FixedCrops:
    """The :class:`ClipBuilder` of :class:`EvalCrops`: one clip for each crop, with operations from ``draw``."""

    def __init__(self, crops: EvalCrops, num_frames: int, draw: Callable[[], list[Operation]]) -> None:
        self._crops = crops
        self._draw = draw
        self._clips = np.empty((crops.num_crops, num_frames, crops.size, crops.size, 3), np.uint8)

    def add(self, picture: Picture | RgbPicture, time: int) -> None:
        self._crops.crop_into(picture.rgb(), self._clips[:, time])

    def build(self) -> list[PendingClip]:
        return [PendingClip(clip, self._draw()) for clip in self._clips]


def _colour_from_cfg(data: CfgNode) -> ColourAugmentation:
    return ColourAugmentation(
        strengths=tuple(data.SSL_COLOR_BRI_CON_SAT),
        hue=data.SSL_COLOR_HUE,
        jitter_prob=data.SSL_COLOR_PROB,
        grey_prob=data.COLOR_RND_GRAYSCALE,
        blur_prob=data.SSL_BLUR_PROB,
        blur_sigma=(data.SSL_BLUR_SIGMA_MIN[1], data.SSL_BLUR_SIGMA_MAX[1]),
        moco_v2=data.SSL_MOCOV2_AUG,
    )


def build_augmentation(cfg: CfgNode, purpose: str) -> TrainAugmentation | EvalCrops:
    """The augmentation of a purpose.

    Args:
        cfg: a whole configuration.
        purpose: "pretrain" and "train": random crops. "eval" and "knn": the centre crop of TRAIN_CROP_SIZE, after the
            short side is scaled to TRAIN_JITTER_SCALES[0] (to TRAIN_CROP_SIZE, where crops are drawn by area). "test":
            TEST.NUM_SPATIAL_CROPS crops of TEST_CROP_SIZE.

    Returns:
        The augmentation.

    Raises:
        ValueError: the purpose is unknown.
    """
    if purpose in ("pretrain", "train"):
        return TrainAugmentation.from_cfg(cfg, purpose)
    if purpose in ("eval", "knn"):
        # Crops by area define no short side; then the crop takes all of it, as in testing.
        short_side = None if cfg.DATA.TRAIN_JITTER_SCALES_RELATIVE else int(cfg.DATA.TRAIN_JITTER_SCALES[0])
        return EvalCrops(cfg.DATA.TRAIN_CROP_SIZE, 1, short_side)
    if purpose == "test":
        return EvalCrops(cfg.DATA.TEST_CROP_SIZE, cfg.TEST.NUM_SPATIAL_CROPS)
    raise ValueError(f'purpose is "{purpose}": write "pretrain", "train", "eval", "test" or "knn"')


def normalise(
    clips: torch.Tensor, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """Turn bytes into an encoder's input, ``(clips / 255 - mean) / std``, on the clips' device.

    One multiply-add over the bytes. The channel axis moves by a change of strides, without a copy, so the result is
    channels-last in memory.

    Args:
        clips: uint8 [...,T,H,W,3].
        mean: of each channel, for values in 0..1.
        std: of each channel, for values in 0..1.
        dtype: of the result; arithmetic is float64 for float64, else float32.

    Returns:
        [...,3,T,H,W] of ``dtype``.
    """
    compute = torch.float64 if dtype == torch.float64 else torch.float32
    shift, scale = _shift_and_scale(tuple(mean), tuple(std), clips.device, compute)
    return torch.addcmul(shift, clips, scale).to(dtype).movedim(-1, -4)


@lru_cache(maxsize=8)
def _shift_and_scale(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """The shift and scale of each channel; kept, since the copy to a GPU makes the host wait."""
    deviation = torch.tensor(std, dtype=torch.float64)
    shift, scale = -torch.tensor(mean, dtype=torch.float64) / deviation, 1.0 / (255.0 * deviation)
    return shift.to(device, dtype), scale.to(device, dtype)
