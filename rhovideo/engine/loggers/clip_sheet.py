"""A picture of the clips of a batch: a row for each clip, its frames from left to right."""

from __future__ import annotations

import numpy as np
import torch

from rhovideo.data.augment.device_colour import apply_operations
from rhovideo.data.loading.loader import Batch

_VIDEOS = 4
_FRAMES = 8
# White pixels between the clips of two videos.
_GAP = 6


@torch.no_grad()
def clip_sheet(batch: Batch) -> np.ndarray:
    """The rho clips of the first videos, augmented, and up to 8 frames of each.

    Args:
        batch: clips uint8 [B, V, T, S, S, 3], with the colour changes that are still to be made.

    Returns:
        uint8 [H, W, 3], RGB.
    """
    clips = batch.clips[:_VIDEOS].cpu()
    if batch.operations is not None:
        clips = apply_operations(clips, batch.operations[:_VIDEOS])
    frames = clips.shape[2]
    clips = clips[:, :, torch.linspace(0, frames - 1, min(frames, _FRAMES)).long()]
    videos, views, frames, height, width, _ = clips.shape
    # [videos, views, T, H, W, 3] to rows of one clip each.
    rows = clips.permute(0, 1, 3, 2, 4, 5).reshape(videos, views * height, frames * width, 3).numpy()
    sheet = np.full((videos, views * height + _GAP, frames * width, 3), 255, dtype=np.uint8)
    sheet[:, : views * height] = rows
    return sheet.reshape(-1, frames * width, 3)[:-_GAP]
