"""The augmentation of pre-training ("aug+") put together from torchvision v2's transforms."""

from __future__ import annotations

import math

import numpy as np
import torch
from torchvision.transforms import v2

# What both sides are set to: the released recipes' values.
SIZE = 224
AREAS, ASPECTS = (0.2, 0.766), (0.75, 1.3333)
STRENGTH, HUE = 0.6, 0.15
SIGMA = (0.1, 2.0)


def crop_and_flip() -> v2.Transform:
    """On uint8 [T,3,H,W]; all frames of a clip alike."""
    return v2.Compose(
        [v2.RandomResizedCrop(SIZE, scale=AREAS, ratio=ASPECTS, antialias=False), v2.RandomHorizontalFlip()]
    )


def jitter() -> v2.Transform:
    return v2.ColorJitter(STRENGTH, STRENGTH, STRENGTH, HUE)


def blur(sigma: tuple[float, float] = SIGMA) -> v2.Transform:
    """Reaches three sigma of the largest to either side, for the kernel's size can't be drawn with sigma."""
    return v2.GaussianBlur(2 * math.ceil(3 * sigma[1]) + 1, sigma)


def aug_plus(jitter_prob: float = 0.8, grey_prob: float = 0.2, blur_prob: float = 0.5) -> v2.Transform:
    """Crop first, so that the rest sees the small frames only."""
    colour = [
        v2.RandomApply([jitter()], jitter_prob),
        v2.RandomGrayscale(grey_prob),
        v2.RandomApply([blur()], blur_prob),
    ]
    return v2.Compose([crop_and_flip(), *colour])


def on_clip(transform: v2.Transform, clip: np.ndarray) -> np.ndarray:
    """Apply to uint8 [T,H,W,3] and give the same layout, as ours does; the layouts are no copies but one."""
    frames = transform(torch.from_numpy(clip).permute(0, 3, 1, 2))
    return frames.permute(0, 2, 3, 1).contiguous().numpy()
