"""Augmenting one clip, as a whole and operation by operation: ours, torchvision v2, and bare OpenCV calls.

python -m benchmarks.augment [--only WORDS]
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from benchmarks.inputs import generated, real_videos
from benchmarks.peers import torchvision_augmentation as torchvision
from benchmarks.script import run_script
from benchmarks.table import FLOOR, OURS, Row, Table
from benchmarks.timing import Work, interleaved
from rhovideo.data import colour
from rhovideo.data.augmentation import TrainAugmentation
from rhovideo.data.decoding import Video

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
    for work, candidates in _works(_clips()):
        if only in work:
            medians = interleaved(candidates, seconds=2.0, min_rounds=8, max_rounds=200)
            rows.append(Row(work, {name: 1000 * seconds for name, seconds in medians.items()}))
    notes = (
        "One clip of 8 frames, uint8 in and out, one thread; milliseconds of a core. Whole lists start from 340×256 "
        "and crop to 224² first; single operations get the crop. The floor of the list with everything on is the sum "
        "of its OpenCV calls into arrays that are there already."
    )
    return Table("augment", "ms", notes, rows, digits=2)


def _clips() -> list[np.ndarray]:
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
    everything[FLOOR] = _bare_opencv(clips)
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
        ("aug+ as drawn, the median clip", _whole(clips, aug_plus(), v2.aug_plus())),
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


def _single(crops: list[np.ndarray], ours: Callable, peer: Callable) -> dict[str, Work]:
    return {
        OURS: lambda number: ours(crops[number % len(crops)]),
        _PEER: lambda number: torchvision.on_clip(peer, crops[number % len(crops)]),
    }


def _bare_opencv(clips: list[np.ndarray]) -> Work:
    """The calls that the whole list can't do without, each once a clip or frame, on arrays made beforehand."""
    size = torchvision.SIZE
    crop, matrix = np.empty((len(clips[0]), size, size, 3), np.uint8), np.eye(3, 4, dtype=np.float32) * 1.1
    tall = crop.reshape(-1, size, 3)
    first, second = np.empty_like(tall), np.empty_like(tall)
    table = np.roll(np.arange(256, dtype=np.uint8), 9)
    hue = np.empty(tall.shape[:2], np.uint8)

    def run(number: int) -> None:
        for source, target in zip(clips[number % len(clips)], crop, strict=True):
            cv2.resize(source[20:220, 40:260], (size, size), dst=target)
        cv2.transform(tall, matrix, dst=first)
        # The mean grey of contrast, without which brightness, contrast and saturation would be one product.
        cv2.mean(first)
        cv2.transform(first, matrix, dst=second)
        cv2.cvtColor(second, cv2.COLOR_RGB2HSV_FULL, dst=first)
        cv2.extractChannel(first, 0, dst=hue)
        cv2.insertChannel(cv2.LUT(hue, table), first, 0)
        cv2.cvtColor(first, cv2.COLOR_HSV2RGB_FULL, dst=second)
        sigma = np.random.default_rng(number).uniform(*torchvision.SIGMA)
        kernel = cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma)) + 1, sigma, cv2.CV_32F)
        for source, target in zip(second.reshape(crop.shape), crop, strict=True):
            cv2.sepFilter2D(source, -1, kernel, kernel, dst=target)

    return run


if __name__ == "__main__":
    run_script(measure)
