"""Colour operations on the uint8 frames of a clip, by OpenCV and without float images.

Each function takes a clip, RGB uint8 [T,H,W,3] (C-contiguous is fastest), and does not change it. The result is a new
C-contiguous array of the same shape, or ``out`` if that is given, which must not overlap the clip. Definitions are
torchvision's, but results are rounded to the nearest integer, and torchvision truncates. Operations on single pixels
treat the frames as one tall image; the blur treats each frame alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

# ITU-R 601 luma, as in PIL and torchvision.
LUMA = np.array([0.299, 0.587, 0.114])

# One of the functions below, and its arguments after the clip.
Operation = tuple[Callable[..., np.ndarray], tuple[float, ...]]


def adjust_brightness(clip: np.ndarray, factor: float, out: np.ndarray | None = None) -> np.ndarray:
    """Multiply by ``factor`` >= 0; 1 changes nothing."""
    return _affine(clip, factor * np.eye(3), 0.0, out)


def adjust_contrast(clip: np.ndarray, factor: float, out: np.ndarray | None = None) -> np.ndarray:
    """Blend with the mean grey *of the whole clip*: ``factor * x + (1 - factor) * mean``; 1 changes nothing.

    The mean is that of all frames, so that the clip does not flicker, and is rounded to an integer as in PIL. The
    released code does the same by stacking the frames into one tall image.
    """
    mean = round(float(np.dot(cv2.mean(_tall(clip))[:3], LUMA)))
    return _affine(clip, factor * np.eye(3), (1.0 - factor) * mean, out)


def adjust_saturation(clip: np.ndarray, factor: float, out: np.ndarray | None = None) -> np.ndarray:
    """Blend each pixel with its grey: 0 is grey, 1 changes nothing."""
    return _affine(clip, factor * np.eye(3) + (1.0 - factor) * np.tile(LUMA, (3, 1)), 0.0, out)


def adjust_hue(clip: np.ndarray, shift: float, out: np.ndarray | None = None) -> np.ndarray:
    """Turn the hue by ``shift`` in [-0.5, 0.5] of the colour circle; hues have 256 steps, as in PIL."""
    hsv = cv2.cvtColor(_tall(clip), cv2.COLOR_RGB2HSV_FULL)
    # OpenCV divides the circle into 256 steps in one direction and into 255 in the other.
    turned = np.round((np.arange(256) / 256 + shift) % 1.0 * 255).astype(np.uint8)
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, 0), turned), hsv, 0)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL, dst=_tall_or_none(out)).reshape(clip.shape)


def to_grey(clip: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Luma in all three channels."""
    grey = cv2.cvtColor(_tall(clip), cv2.COLOR_RGB2GRAY)
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB, dst=_tall_or_none(out)).reshape(clip.shape)


def gaussian_blur(clip: np.ndarray, sigma: float, out: np.ndarray | None = None) -> np.ndarray:
    """Blur each frame alone with a Gaussian of ``sigma`` pixels, cut at three sigma, reflected at the border.

    The released code blurs the frames as one tall image, so that the edges of neighbouring frames mix.
    """
    kernel = cv2.getGaussianKernel(2 * math.ceil(3 * sigma) + 1, sigma, cv2.CV_32F)
    out = np.empty(clip.shape, np.uint8) if out is None else out
    for source, target in zip(clip, out, strict=True):
        cv2.sepFilter2D(source, -1, kernel, kernel, dst=target, borderType=cv2.BORDER_REFLECT_101)
    return out


def temporal_difference(clip: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Grey differences of neighbouring frames in all three channels: (x[t] - x[t+1] + 255) / 2.

    The last frame repeats the difference before it, and a clip of one frame becomes uniform grey. The released code
    differs in two ways: it applies the luma weights in the order BGR, and it takes the differences of the video's
    frames before it samples the clip.
    """
    grey = cv2.cvtColor(_tall(clip), cv2.COLOR_RGB2GRAY).reshape(clip.shape[:3])
    now, after = grey[:-1], grey[1:]
    if len(grey) == 1:
        now, after = grey, grey
    width = clip.shape[2]
    difference = cv2.addWeighted(now.reshape(-1, width), 0.5, after.reshape(-1, width), -0.5, 127.5)
    out = np.empty(clip.shape, np.uint8) if out is None else out
    cv2.cvtColor(difference, cv2.COLOR_GRAY2RGB, dst=_tall(out[: len(now)]))
    # Of a clip of one frame nothing is left to fill.
    out[len(now) :] = out[len(now) - 1]
    return out


def _tall(clip: np.ndarray) -> np.ndarray:
    return clip.reshape(-1, clip.shape[-2], 3)


def _tall_or_none(out: np.ndarray | None) -> np.ndarray | None:
    return None if out is None else _tall(out)


def _affine(clip: np.ndarray, matrix: np.ndarray, shift: float, out: np.ndarray | None) -> np.ndarray:
    coefficients = np.empty((3, 4), np.float32)
    coefficients[:, :3] = matrix
    coefficients[:, 3] = shift
    changed: np.ndarray = cv2.transform(_tall(clip), coefficients, dst=_tall_or_none(out))
    return changed.reshape(clip.shape)


@dataclass(frozen=True)
class ColourAugmentation:
    """Jitter, grey and blur of a whole clip, drawn as in the released SSL_COLOR_JITTER.

    Attributes:
        strengths: a for brightness, contrast and saturation; each factor is uniform in [max(0, 1 - a), 1 + a].
        hue: h; the shift is uniform in [-h, h], as a share of the colour circle.
        jitter_prob: probability of jitter, with ``moco_v2``.
        grey_prob: probability of grey.
        blur_prob: probability of blur, with ``moco_v2``.
        blur_sigma: least and greatest sigma, pixels of the crop.
        moco_v2: jitter, grey and blur in this order, each with its probability (SSL_MOCOV2_AUG). False: grey with its
            probability, then always jitter, and no blur.
    """

    strengths: Sequence[float] = (0.4, 0.4, 0.4)
    hue: float = 0.1
    jitter_prob: float = 0.8
    grey_prob: float = 0.0
    blur_prob: float = 0.5
    blur_sigma: Sequence[float] = (0.1, 2.0)
    moco_v2: bool = True

    def __call__(self, clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Draw once and apply to all frames.

        Args:
            clip: uint8 [T,H,W,3].
            rng: source of all draws.

        Returns:
            uint8 [T,H,W,3].
        """
        for adjust, amounts in self.draw(rng):
            clip = adjust(clip, *amounts)
        return clip

    def draw(self, rng: np.random.Generator) -> list[Operation]:
        """Draw the operations of one clip, which are often none, in the order in which they are applied."""
        grey: list[Operation] = [(to_grey, ())]
        if not self.moco_v2:
            return (grey if rng.random() < self.grey_prob else []) + self.draw_jitter(rng)
        operations = self.draw_jitter(rng) if rng.random() < self.jitter_prob else []
        if rng.random() < self.grey_prob:
            operations += grey
        if rng.random() < self.blur_prob:
            operations.append((gaussian_blur, (rng.uniform(self.blur_sigma[0], self.blur_sigma[1]),)))
        return operations

    def draw_jitter(self, rng: np.random.Generator) -> list[Operation]:
        """Brightness, contrast, saturation and hue in a random order; each is rounded to uint8, as in torchvision."""
        adjustments = (adjust_brightness, adjust_contrast, adjust_saturation)
        operations: list[Operation] = [
            (adjust, (rng.uniform(max(0.0, 1.0 - strength), 1.0 + strength),))
            for adjust, strength in zip(adjustments, self.strengths, strict=True)
        ]
        operations.append((adjust_hue, (rng.uniform(-self.hue, self.hue),)))
        return [operations[position] for position in rng.permutation(len(operations))]
