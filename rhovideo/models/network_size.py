"""The size of a network, in parameters and multiply-adds, for one line of the log."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from fvcore.common.config import CfgNode
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

# Architectures that RESNET.DEPTH is a size of.
_RESIDUAL = ("slow", "c2d", "i3d", "slowfast", "r2plus1d")


class ModelInfo(NamedTuple):
    """Size of a network.

    Attributes:
        parameters: all of them, also those that are frozen.
        multiply_adds: of the convolutions and matrix products of one clip's forward pass ("FLOPs" in most papers).
        clip: (T, H, W) of that clip.
    """

    parameters: int
    multiply_adds: int
    clip: tuple[int, int, int]

    def __str__(self) -> str:
        frames, height, width = self.clip
        return (
            f"{self.parameters / 1e6:.2f} M parameters, "
            f"{self.multiply_adds / 1e9:.2f} G multiply-adds a clip of {frames}x{height}x{width}"
        )


def model_info(model: nn.Module, frames: int, crop: int) -> ModelInfo:
    """The size of a network. Nothing is computed: a copy runs once on the meta device, which holds only shapes.

    Args:
        model: takes clips [N,3,T,H,W].
        frames: T of the clip.
        crop: height and width of the clip in pixels.
    """
    shadow = copy.deepcopy(model).to("meta").eval()
    dtype = next(shadow.parameters()).dtype
    clip = torch.empty(1, 3, frames, crop, crop, device="meta", dtype=dtype)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shadow(clip)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    # The counter takes a multiplication and an addition as two.
    return ModelInfo(parameters, counter.get_total_flops() // 2, (frames, crop, crop))


class HeadInfo(NamedTuple):
    """Size of a head.

    Attributes:
        parameters: all of them.
        multiply_adds: of one embedding's forward pass.
    """

    parameters: int
    multiply_adds: int

    def __str__(self) -> str:
        return f"{self.parameters / 1e6:.2f} M parameters, {self.multiply_adds / 1e6:.2f} M multiply-adds"


def head_info(head: nn.Module) -> HeadInfo:
    """The size of a head that maps embeddings [N, D]. Nothing is computed, as in :func:`model_info`.

    Args:
        head: its first linear layer gives D.
    """
    shadow = copy.deepcopy(head).to("meta").eval()
    layers = [module for module in shadow.modules() if isinstance(module, nn.Linear)]
    parameters = sum(parameter.numel() for parameter in head.parameters())
    if not layers:
        return HeadInfo(parameters, 0)
    embedding = torch.empty(1, layers[0].in_features, device="meta", dtype=layers[0].weight.dtype)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shadow(embedding)
    return HeadInfo(parameters, counter.get_total_flops() // 2)


def encoder_name(cfg: CfgNode) -> str:
    """The encoder for people, such as ``slow R-50``."""
    return cfg.MODEL.ARCH + (f" R-{cfg.RESNET.DEPTH}" if cfg.MODEL.ARCH in _RESIDUAL else "")


def describe(model: nn.Module, cfg: CfgNode) -> str:
    """A line on a model that was built from ``cfg``, at its training crop."""
    return f"{encoder_name(cfg)}: {model_info(model, cfg.DATA.NUM_FRAMES, cfg.DATA.TRAIN_CROP_SIZE)}"
