"""The interface of all encoders: clips in, one pooled feature of each out."""

from __future__ import annotations

from typing import Any

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
    """

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
        check_clips(x)
        for block in self.blocks:
            x = self._run(block, x)
        return x

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
