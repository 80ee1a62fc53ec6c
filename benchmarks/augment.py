"""Augmenting one clip, as a whole and operation by operation: ours, torchvision v2, and bare OpenCV calls.

python -m benchmarks.augment [--only WORDS]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from benchmarks.inputs import generated, real_videos
from benchmarks.peers import torchvision_augmentation as torchvision
from benchmarks.script import run_script
from benchmarks.table import FLOOR, OURS, Row, Table
from benchmarks.timing import Work, interleaved
from rhovideo.data.augment import colour
from rhovideo.data.augment.clip_augmentation import TrainAugmentation
from rhovideo.data.video.reader import Video

_PEER = "torchvision v2"


def aug_plus(jitter_prob: float = 0.8, grey_prob: float = 0.2, blur_prob: float = 0.5) -> TrainAugmentation:
    """The released recipes' augmentation, with other probabilities if wanted."""
    return TrainAugmentation(
        torchvision.SIZE,
        areas=torchvision.AREAS,
        aspects=torchvision.ASPECTS,
        colour=colour.ColourAugmentation(
            strengths=(torchvision.STRENGTH,) * 3,
            hue=torchvision.HUE,
            jitter_prob=jitter_prob,
            grey_prob=grey_prob,
            blur_prob=blur_prob,
            blur_sigma=torchvision.SIGMA,
        ),
    )


def measure(only: str = "") -> Table:
    """Time every row whose text holds ``only``."""
    rows = []
    for work, candidates in _works(small_clips()):
        if only in work:
            medians = interleaved(candidates, seconds=2.0, min_rounds=8, max_rounds=200)
            rows.append(Row(work, {name: 1000 * seconds for name, seconds in medians.items()}))
    notes = (
        "One clip of 8 frames, uint8 in and out, one thread; milliseconds of a core. Whole lists start from 340×256 "
        "and crop to 224² first; single operations get the crop. The floor of whole lists is the sum of their "
        "OpenCV calls into arrays that are there already."
    )
    return Table("augment", "ms", notes, rows, digits=2)


def small_clips() -> list[np.ndarray]:
    """Clips uint8 [8,256,340,3] to take turns: of a generated video and, where there is one, of a real one."""
    clips = []
    for source in [generated(10, (340, 256), 250), *real_videos()[:1]]:
        with Video(source.path) as video:
            frames = video.frames(range(0, 64, 8))
        clips.append(np.stack([cv2.resize(frame, (340, 256)) for frame in frames]))
    return clips


def _works(clips: list[np.ndarray]) -> list[tuple[str, dict[str, Work]]]:
    crops = [np.ascontiguousarray(clip[:, 16:240, 58:282]) for clip in clips]
    strength, hue = 1 + torchvision.STRENGTH / 2, torchvision.HUE / 2
    v2, functional = torchvision, _functional()
    everything = _whole(clips, aug_plus(1.0, 0.0, 1.0), v2.aug_plus(1.0, 0.0, 1.0))
    drawn = _whole(clips, aug_plus(), v2.aug_plus())
    everything[FLOOR], drawn[FLOOR] = _bare(clips, aug_plus(1.0, 0.0, 1.0)), _bare(clips, aug_plus())
    single = {
        "brightness": (
            lambda x: colour.adjust_brightness(x, strength),
            lambda x: functional.adjust_brightness(x, strength),
        ),
        "contrast": (lambda x: colour.adjust_contrast(x, strength), lambda x: functional.adjust_contrast(x, strength)),
        "saturation": (
            lambda x: colour.adjust_saturation(x, strength),
            lambda x: functional.adjust_saturation(x, strength),
        ),
        "hue": (lambda x: colour.adjust_hue(x, hue), lambda x: functional.adjust_hue(x, hue)),
        "grey": (colour.to_grey, lambda x: functional.rgb_to_grayscale(x, 3)),
        "blur, σ=1": (
            lambda x: colour.gaussian_blur(x, 1.0),
            lambda x: functional.gaussian_blur(x, [7, 7], [1.0, 1.0]),
        ),
    }
    works = [
        ("aug+ with every operation on", everything),
        ("aug+ as drawn, the median clip", drawn),
        (
            "crop, resize and flip",
            _whole(clips, TrainAugmentation(v2.SIZE, areas=v2.AREAS, aspects=v2.ASPECTS), v2.crop_and_flip()),
        ),
    ]
    return works + [(name, _single(crops, *pair)) for name, pair in single.items()]


def _functional() -> object:
    from torchvision.transforms.v2 import functional

    return functional


def _whole(clips: list[np.ndarray], ours: TrainAugmentation, peer: Callable) -> dict[str, Work]:
    return {
        OURS: lambda number: ours(clips[number % len(clips)], np.random.default_rng(number)),
        _PEER: lambda number: torchvision.on_clip(peer, clips[number % len(clips)]),
    }


def _bare(clips: list[np.ndarray], augmentation: TrainAugmentation) -> Work:
    calls = BareCalls(len(clips[0]))
    return lambda number: calls(clips[number % len(clips)], augmentation.draw_operations(np.random.default_rng(number)))


def _single(crops: list[np.ndarray], ours: Callable, peer: Callable) -> dict[str, Work]:
    return {
        OURS: lambda number: ours(crops[number % len(crops)]),
        _PEER: lambda number: torchvision.on_clip(peer, crops[number % len(crops)]),
    }


class BareCalls:
    """The calls of OpenCV that the augmentation of a clip can't do without, into arrays that are there already."""

    def __init__(self, num_frames: int) -> None:
        size = torchvision.SIZE
        self._crop, self._blurred = np.empty((2, num_frames, size, size, 3), np.uint8)
        self._pixels, self._changed = self._crop.reshape(-1, size, 3), self._blurred.reshape(-1, size, 3)
        self._one = np.empty(self._pixels.shape[:2], np.uint8)
        self._table = np.roll(np.arange(256, dtype=np.uint8), 9)
        self._calls = {
            colour.adjust_brightness: self._product,
            colour.adjust_contrast: self._mean_and_product,
            colour.adjust_saturation: self._product,
            colour.adjust_hue: self._hue,
            colour.to_grey: self._grey,
            colour.gaussian_blur: self._blur,
        }

    def __call__(self, clip: np.ndarray, operations: Sequence[colour.Operation]) -> None:
        """Of a crop out of a clip, uint8 [T,H,W,3], and of operations on it."""
        for source, target in zip(clip, self._crop, strict=True):
            cv2.resize(source[20:220, 40:260], target.shape[1::-1], dst=target)
        for change, amounts in operations:
            self._calls[change](*amounts)

    def _product(self, factor: float) -> None:
        cv2.transform(self._pixels, factor * np.eye(3, 4, dtype=np.float32), dst=self._changed)

    def _mean_and_product(self, factor: float) -> None:
        cv2.mean(self._pixels)
        self._product(factor)

    def _hue(self, shift: float) -> None:
        cv2.cvtColor(self._pixels, cv2.COLOR_RGB2HSV_FULL, dst=self._changed)
        cv2.extractChannel(self._changed, 0, dst=self._one)
        cv2.LUT(self._one, self._table, dst=self._one)
        cv2.insertChannel(self._one, self._changed, 0)
        cv2.cvtColor(self._changed, cv2.COLOR_HSV2RGB_FULL, dst=self._pixels)

    def _grey(self) -> None:
        cv2.cvtColor(self._pixels, cv2.COLOR_RGB2GRAY, dst=self._one)
        cv2.cvtColor(self._one, cv2.COLOR_GRAY2RGB, dst=self._changed)

    def _blur(self, sigma: float) -> None:
        kernel = cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma)) + 1, sigma, cv2.CV_32F)
        for source, target in zip(self._crop, self._blurred, strict=True):
            cv2.sepFilter2D(source, -1, kernel, kernel, dst=target)


if __name__ == "__main__":
    run_script(measure)
