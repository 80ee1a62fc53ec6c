"""A picture of the clips of a batch, such as it goes into the network."""

from __future__ import annotations

import numpy as np
import torch

from rhovideo.data.augment.device_colour import apply_operations
from rhovideo.data.loading.loader import Batch
from rhovideo.pictures.contact_sheet import contact_sheet

_VIDEOS = 4


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
    return contact_sheet(list(clips.numpy()))
