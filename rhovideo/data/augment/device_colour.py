"""Colour changes on the network's device, in place of the workers (DATA.AUG_DEVICE gpu).

A worker draws the same operations from the same generators, and sends them with the crops. Here they are applied to a
batch: each operation to all clips that have it at the same place of their lists. Definitions and rounding are those of
:mod:`rhovideo.data.augment.colour`. So the distribution is the same, and each result to within a few grey levels: the
integer arithmetic is OpenCV's, but sums of floats have another order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from rhovideo.data.augment import colour
from rhovideo.data.augment.colour import LUMA, Operation

# Four operations of jitter, grey and blur.
MAX_OPERATIONS = 6
# Clips of 8 frames at 224²: about 150 MB for each float copy.
_CLIPS_AT_A_TIME = 32


def encode_operations(operations: Sequence[Operation]) -> np.ndarray:
    """Write drawn operations as numbers.

    Args:
        operations: at most MAX_OPERATIONS.

    Returns:
        float64 [MAX_OPERATIONS,2]: a code (0: none) and an amount.
    """
    encoded = np.zeros((MAX_OPERATIONS, 2))
    for place, (function, amounts) in enumerate(operations):
        encoded[place] = 1 + _FUNCTIONS.index(function), amounts[0] if amounts else 0.0
    return encoded


@torch.no_grad()
def apply_operations(clips: Tensor, operations: Tensor) -> Tensor:
    """Change the colour of each clip by the operations that were drawn for it.

    Args:
        clips: uint8 [...,T,H,W,3], RGB, on any device.
        operations: float64 [...,MAX_OPERATIONS,2] of :func:`encode_operations`, on the CPU.

    Returns:
        A new tensor, uint8, of the shape and on the device of ``clips``.
    """
    # Contiguous, since flatten would copy anything else.
    changed = clips.clone(memory_format=torch.contiguous_format)
    flat, drawn = changed.flatten(0, -5), operations.flatten(0, -3)
    for first in range(0, len(flat), _CLIPS_AT_A_TIME):
        part = slice(first, first + _CLIPS_AT_A_TIME)
        _apply_in_place(flat[part], drawn[part])
    return changed


def _apply_in_place(clips: Tensor, operations: Tensor) -> None:
    codes, amounts = operations[..., 0].long(), operations[..., 1]
    for place in range(codes.shape[1]):
        for code in filter(None, set(codes[:, place].tolist())):
            rows = torch.nonzero(codes[:, place] == code).flatten()
            where = rows.to(clips.device)
            clips[where] = _ON_DEVICE[code - 1](clips[where], amounts[rows, place])


def _brightness(clips: Tensor, factors: Tensor) -> Tensor:
    return _to_bytes(clips * _each(factors, clips))


def _contrast(clips: Tensor, factors: Tensor) -> Tensor:
    # Sums of integers are exact, and the same in any order.
    sums = clips.flatten(1, 3).sum(1, dtype=torch.int64).double()
    pixels = clips[0].numel() // 3
    means = ((sums / pixels) @ torch.tensor(LUMA, device=clips.device)).round()
    factors = factors.to(clips.device)
    return _to_bytes(clips * _each(factors, clips) + _each((1 - factors) * means, clips))


def _saturation(clips: Tensor, factors: Tensor) -> Tensor:
    luma = (clips * torch.tensor(LUMA, device=clips.device, dtype=torch.float32)).sum(-1, keepdim=True)
    factors = _each(factors, clips)
    return _to_bytes(clips * factors + luma * (1 - factors))


def _hue(clips: Tensor, shifts: Tensor) -> Tensor:
    hue, saturation, value = _to_hsv(clips)
    steps = torch.arange(256, dtype=torch.float64) / 256
    tables = torch.round((steps + shifts[:, None]) % 1.0 * 255).to(clips.device)
    hue = tables.gather(1, hue.flatten(1).long()).view(hue.shape)
    return _to_rgb(hue.float(), saturation, value)


def _to_hsv(clips: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue in 256 steps, saturation and value in 0..255: int32 [N,T,H,W] each, in OpenCV's fixed-point arithmetic."""
    red, green, blue = clips.int().unbind(-1)
    value = torch.maximum(torch.maximum(red, green), blue)
    span = value - torch.minimum(torch.minimum(red, green), blue)
    levels = torch.arange(256, dtype=torch.float64)
    per_value = torch.round((255 << 12) / levels).nan_to_num(0, 0, 0).int().to(clips.device)
    per_span = torch.round((256 << 12) / (6 * levels)).nan_to_num(0, 0, 0).int().to(clips.device)
    per_value[0] = per_span[0] = 0
    saturation = (span * per_value[value] + (1 << 11)) >> 12
    hue = torch.where(value == green, blue - red + 2 * span, red - green + 4 * span)
    hue = torch.where(value == red, green - blue, hue)
    hue = (hue * per_span[span] + (1 << 11)) >> 12
    return torch.where(hue < 0, hue + 256, hue).clamp(0, 255), saturation, value


def _to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """uint8 [N,T,H,W,3] from hue in 255 steps (float32), saturation and value in 0..255."""
    turns = hue * (6.0 / 255)
    sector = turns.floor()
    fraction = turns - sector
    sector = sector.long() % 6
    s = saturation / 255
    v = value / 255
    levels = torch.stack([v, v * (1 - s), v * (1 - s * fraction), v * (1 - s * (1 - fraction))], -1)
    # The level that is red, green and blue in each sixth of the circle.
    chosen = torch.tensor(_SECTORS, device=hue.device)[sector]
    return _to_bytes(levels.gather(-1, chosen) * 255)


_SECTORS = ((0, 3, 1), (2, 0, 1), (1, 0, 3), (1, 2, 0), (3, 1, 0), (0, 1, 2))


def _grey(clips: Tensor, amounts: Tensor) -> Tensor:
    return _luma(clips)[..., None].expand(clips.shape)


def _luma(clips: Tensor) -> Tensor:
    """uint8 [N,T,H,W], by the fixed-point weights of OpenCV's conversion."""
    red, green, blue = clips.int().unbind(-1)
    return ((red * 9798 + green * 19235 + blue * 3735 + (1 << 14)) >> 15).to(torch.uint8)


def _blur(clips: Tensor, sigmas: Tensor) -> Tensor:
    kernels = _kernels(sigmas.tolist()).to(clips.device)
    blurred = clips.float()
    for axis in (3, 2):
        blurred = _filter(blurred, kernels, axis)
    return _to_bytes(blurred)


def _kernels(sigmas: Sequence[float]) -> Tensor:
    """float32 [N,2R+1]: each Gaussian is cut at three times its sigma, so the shorter ones end in zeros."""
    radii = [math.ceil(3 * sigma) for sigma in sigmas]
    kernels = np.zeros((len(sigmas), 2 * max(radii) + 1), np.float32)
    for kernel, sigma, radius in zip(kernels, sigmas, radii, strict=True):
        middle = max(radii)
        kernel[middle - radius : middle + radius + 1] = cv2.getGaussianKernel(2 * radius + 1, sigma, cv2.CV_32F)[:, 0]
    return torch.from_numpy(kernels)


def _filter(clips: Tensor, kernels: Tensor, axis: int) -> Tensor:
    """Filter clip i of float32 [N,T,H,W,3] along an axis by kernel i, reflected at the border."""
    size, reach = clips.shape[axis], kernels.shape[1] // 2
    # 0 1 2 3 2 1 0 1 ...: border pixels are not doubled, and large kernels reflect more than once.
    period = max(2 * (size - 1), 1)
    places = torch.arange(-reach, size + reach, device=clips.device) % period
    padded = clips.index_select(axis, torch.minimum(places, period - places) if size > 1 else places * 0)
    total = torch.zeros_like(clips)
    for tap in range(kernels.shape[1]):
        total += padded.narrow(axis, tap, size) * kernels[:, tap].view(-1, 1, 1, 1, 1)
    return total


def _temporal_difference(clips: Tensor, amounts: Tensor) -> Tensor:
    grey = _luma(clips).float()
    if grey.shape[1] == 1:
        differences = torch.full_like(grey, 127.5)
    else:
        differences = (grey[:, :-1] - grey[:, 1:]) / 2 + 127.5
        differences = torch.cat([differences, differences[:, -1:]], 1)
    return _to_bytes(differences)[..., None].expand(clips.shape)


def _each(amounts: Tensor, clips: Tensor) -> Tensor:
    """One number per clip as float32 [N,1,1,1,1]."""
    return amounts.to(clips.device, torch.float32).view(-1, 1, 1, 1, 1)


def _to_bytes(values: Tensor) -> Tensor:
    """Round to the nearest integer, halves to the even one, as OpenCV does."""
    return values.round().clamp(0, 255).to(torch.uint8)


_FUNCTIONS = (
    colour.adjust_brightness,
    colour.adjust_contrast,
    colour.adjust_saturation,
    colour.adjust_hue,
    colour.to_grey,
    colour.gaussian_blur,
    colour.temporal_difference,
)
_ON_DEVICE: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    _brightness,
    _contrast,
    _saturation,
    _hue,
    _grey,
    _blur,
    _temporal_difference,
)
