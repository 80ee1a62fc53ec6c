"""The interface of all encoders: clips in, one pooled feature of each out."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rhovideo.models.activation_checkpointing import run_checkpointed


class Encoder(nn.Module):
    """A network of blocks, one after the other, and a global average pool.

    Args:
        blocks: from clip to feature map. If PyTorchVideo builds them, they have its names.
        dim: channels of the feature map.
        checkpoint_activations: compute each block's activations again in the backward pass instead of keeping them.
        stride: pixels of the clip for one place of the feature map.

    Attributes:
        dim: size of the pooled feature.
        stride: as given.
        standardises: bring the clips to mean 0 and variance 1 first (:func:`standardise`). The tasks do that with the
            clips themselves, as DATA.STANDARDISE_CLIPS says; an encoder that is loaded for other uses does it here.
    """

    standardises: bool = False

    def __init__(self, blocks: nn.ModuleList, dim: int, checkpoint_activations: bool = False, stride: int = 32) -> None:
        super().__init__()
        self.blocks = blocks
        self.dim = dim
        self.stride = stride
        self.checkpoint_activations = checkpoint_activations

    def forward(self, x: Tensor) -> Tensor:
        """Clips [N,3,T,H,W], normalised, to features [N,dim]."""
        return self.feature_map(x).mean(dim=(2, 3, 4))

    def feature_map(self, x: Tensor) -> Tensor:
        """Clips [N,3,T,H,W] to local features [N,dim,T',H',W']."""
        x = self.input_of(x)
        for block in self.blocks:
            x = self._run(block, x)
        return x

    def input_of(self, x: Tensor) -> Tensor:
        """What the first block gets of clips [N,3,T,H,W].

        Raises:
            ValueError: these are no clips.
        """
        check_clips(x)
        return standardise(x) if self.standardises else x

    def window_features(self, x: Tensor, size: int) -> Tensor:
        """Features of every window of ``size`` x ``size`` places (all of time), with stride 1.

        A classifier that was trained on small crops sees a larger test crop in this way.

        Args:
            x: clips [N,3,T,H,W].
            size: side of a window in places of the feature map; cut to the size of the map.

        Returns:
            [N,dim,h,w], with h = H' - size + 1.
        """
        return average_windows(self.feature_map(x), size)

    def _run(self, block: nn.Module, *inputs: object) -> Any:
        return run_checkpointed(block, *inputs) if self.checkpoint_activations else block(*inputs)


def standardise(clips: Tensor) -> Tensor:
    """Bring each channel of each clip to mean 0 and variance 1 over its own frames and pixels.

    Args:
        clips: floats [...,3,T,H,W].

    Returns:
        As ``clips``, in their dtype; 0 where a channel has one value alone. Standardised clips stay as they are.
    """
    compute = clips if clips.dtype == torch.float64 else clips.float()
    variance, mean = torch.var_mean(compute, dim=(-3, -2, -1), correction=0, keepdim=True)
    # As in torch's instance norm.
    return ((compute - mean) * torch.rsqrt(variance + 1e-5)).to(clips.dtype)


def check_clips(x: Tensor) -> None:
    """Raise a ValueError, with what to write, unless the dimensions are those of clips [N,3,T,H,W]."""
    if x.ndim == 5 and x.shape[1] == 3:
        return
    if x.ndim == 5 and x.shape[2] == 3:
        remedy = "clips.transpose(1, 2)"
    elif x.ndim == 5 and x.shape[4] == 3:
        remedy = "clips.movedim(-1, 1)"
    elif x.ndim == 4:
        remedy = "clip[None] for a single one"
    else:
        remedy = "three channels before the frames"
    raise ValueError(f"an encoder takes clips [N, 3, T, H, W] and got {list(x.shape)}: write {remedy}")


def average_windows(features: Tensor, size: int) -> Tensor:
    """[N,C,T,H,W] to [N,C,h,w]: the mean over time and over each window of ``size`` x ``size`` places, stride 1."""
    height, width = features.shape[-2:]
    return F.avg_pool2d(features.mean(dim=2), (min(size, height), min(size, width)), stride=1)
