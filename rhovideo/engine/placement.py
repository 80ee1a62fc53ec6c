"""Where a network lies, how its weights are laid out there, and whether it is compiled."""

from __future__ import annotations

import torch
from fvcore.common.config import CfgNode
from torch import nn

from rhovideo.engine.inputs import DTYPES
from rhovideo.models.encoder import Encoder


def place(model: nn.Module, cfg: CfgNode, device: torch.device) -> None:
    """Move ``model`` to the device, in place, as TRAIN.DTYPE, MODEL.CHANNELS_LAST and MODEL.COMPILE say.

    None of them changes the names or the values in its state, so a run can be resumed with other settings.

    Args:
        model: with its weights loaded.
        cfg: the job's.
        device: from :func:`rhovideo.engine.inputs.job_device`.
    """
    model.to(device, DTYPES[cfg.TRAIN.DTYPE])
    if cfg.MODEL.CHANNELS_LAST:
        for parameter in model.parameters():
            # The weights of 3-D convolutions; no other layer has as many dimensions.
            if parameter.ndim == 5:
                parameter.data = parameter.data.to(memory_format=torch.channels_last_3d)
    if cfg.MODEL.COMPILE:
        for part in model.children():
            if isinstance(part, Encoder):
                part.compile()
