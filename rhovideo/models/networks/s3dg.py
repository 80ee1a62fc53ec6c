"""S3D-G: an Inception network with its convolutions split into space and time, and with self-gating.

Xie et al., "Rethinking Spatiotemporal Feature Learning", ECCV 2018 (arXiv 1712.04851).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from fvcore.common.config import CfgNode
from fvcore.nn.weight_init import c2_msra_fill
from torch import Tensor, nn

from rhovideo.models.encoder import Encoder
from rhovideo.models.networks.resnet import relu
from rhovideo.models.sync_batchnorm import Norm, norm_layer

# Channels of an Inception block's four branches.
Widths = tuple[int, tuple[int, int], tuple[int, int], int]


class Parts(NamedTuple):
    """The functions that make a network's batch norms and activations."""

    norm: Norm
    activation: Callable[[], nn.Module]


# Channels at RESNET.WIDTH_PER_GROUP 64 of each Inception block's branches: 1x1x1; 1x1x1 then 3x3x3; 1x1x1 then
# 3x3x3; max pool then 1x1x1. A pool of kernel 3 or 2 and stride 2 over time and space stands between the stages.
INCEPTION_STAGES: tuple[tuple[Widths, ...], ...] = (
    (
        (64, (96, 128), (16, 32), 32),
        (128, (128, 192), (32, 96), 64),
    ),
    (
        (192, (96, 208), (16, 48), 64),
        (160, (112, 224), (24, 64), 64),
        (128, (128, 256), (24, 64), 64),
        (112, (144, 288), (32, 64), 64),
        (256, (160, 320), (32, 128), 128),
    ),
    (
        (256, (160, 320), (32, 128), 128),
        (384, (192, 384), (48, 128), 128),
    ),
)


class ConvNorm(nn.Sequential):
    """A convolution that keeps the size (at stride 1), batch norm, ReLU: ``conv``, ``norm``, ``act``."""

    def __init__(
        self,
        dim_in: int,
        dim_out: int,
        parts: Parts,
        kernel: tuple[int, int, int] = (1, 1, 1),
        stride: tuple[int, int, int] = (1, 1, 1),
    ) -> None:
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        self.conv = nn.Conv3d(dim_in, dim_out, kernel, stride, padding, bias=False)
        self.norm = parts.norm(num_features=dim_out, eps=1e-5, momentum=0.1)
        self.act = parts.activation()


class SeparableConv(nn.Sequential):
    """A k x k x k convolution as 1 x k x k (``space``), then k x 1 x 1 (``time``), each with batch norm and ReLU."""

    def __init__(self, dim_in: int, dim_out: int, parts: Parts, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.space = ConvNorm(dim_in, dim_out, parts, (1, kernel, kernel), (1, stride, stride))
        self.time = ConvNorm(dim_out, dim_out, parts, (kernel, 1, 1), (stride, 1, 1))


class SelfGating(nn.Module):
    """A weight for each channel, from the mean over the whole clip: x * sigmoid(W mean(x)) (section 4.4 of the paper).

    Args:
        dim: channels.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Linear(dim, dim, bias=False)
        nn.init.trunc_normal_(self.weight.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """[N,dim,T,H,W] to the same shape."""
        gates = torch.sigmoid(self.weight(x.mean(dim=(2, 3, 4))))
        return x * gates[:, :, None, None, None]


class InceptionBlock(nn.Module):
    """Four branches side by side, each with its own gate, concatenated.

    Args:
        dim_in: channels of the input.
        widths: channels of the branches, a row of INCEPTION_STAGES.
        parts: make batch norms and activations.
    """

    def __init__(self, dim_in: int, widths: Widths, parts: Parts) -> None:
        super().__init__()
        point, (narrow_1, wide_1), (narrow_2, wide_2), pooled = widths
        self.point = nn.Sequential(ConvNorm(dim_in, point, parts), SelfGating(point))
        self.branch1 = nn.Sequential(
            ConvNorm(dim_in, narrow_1, parts), SeparableConv(narrow_1, wide_1, parts), SelfGating(wide_1)
        )
        self.branch2 = nn.Sequential(
            ConvNorm(dim_in, narrow_2, parts), SeparableConv(narrow_2, wide_2, parts), SelfGating(wide_2)
        )
        self.pooled = nn.Sequential(
            nn.MaxPool3d(3, stride=1, padding=1), ConvNorm(dim_in, pooled, parts), SelfGating(pooled)
        )
        self.dim_out = point + wide_1 + wide_2 + pooled

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.point(x), self.branch1(x), self.branch2(x), self.pooled(x)], dim=1)


def build_s3dg(cfg: CfgNode) -> Encoder:
    """S3D-G. Its widths grow with RESNET.WIDTH_PER_GROUP; 64 gives the paper's (1024 features).

    The feature map has an eighth of the clip's frames.
    """
    parts = Parts(norm_layer(cfg), relu(cfg))
    scale = cfg.RESNET.WIDTH_PER_GROUP / 64
    stem, widest = _scaled(64, scale), _scaled(192, scale)
    blocks: list[nn.Module] = [
        SeparableConv(3, stem, parts, kernel=7, stride=2),
        nn.Sequential(
            _space_pool(),
            ConvNorm(stem, stem, parts),
            SeparableConv(stem, widest, parts),
            SelfGating(widest),
            _space_pool(),
        ),
    ]
    dim = widest
    pools = (None, nn.MaxPool3d(3, stride=2, padding=1), nn.MaxPool3d(2, stride=2, ceil_mode=True))
    for pool, stage in zip(pools, INCEPTION_STAGES, strict=True):
        layers: list[nn.Module] = [] if pool is None else [pool]
        for widths in stage:
            block = InceptionBlock(dim, _scaled_branches(widths, scale), parts)
            layers.append(block)
            dim = block.dim_out
        blocks.append(nn.Sequential(*layers))
    return Encoder(_initialised(nn.ModuleList(blocks)), dim, cfg.MODEL.ACT_CHECKPOINT)


def _space_pool() -> nn.MaxPool3d:
    return nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))


def _scaled_branches(widths: Widths, scale: float) -> Widths:
    point, (narrow_1, wide_1), (narrow_2, wide_2), pooled = widths
    return (
        _scaled(point, scale),
        (_scaled(narrow_1, scale), _scaled(wide_1, scale)),
        (_scaled(narrow_2, scale), _scaled(wide_2, scale)),
        _scaled(pooled, scale),
    )


def _scaled(width: int, scale: float) -> int:
    """``width`` times ``scale``, at least 1."""
    return max(1, round(width * scale))


def _initialised(blocks: nn.ModuleList) -> nn.ModuleList:
    for part in blocks.modules():
        if isinstance(part, nn.Conv3d):
            c2_msra_fill(part)
    return blocks
