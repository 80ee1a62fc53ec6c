"""The one-pathway 3-D ResNets: Slow, C2D and I3D, R-18 to R-152.

They differ in the convolutions that reach over time, and in a pool over time after the first stage. Kernels and pool
are PySlowFast's for the same MODEL.ARCH. The parts and their names are PyTorchVideo's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fvcore.common.config import CfgNode
from pytorchvideo.models.resnet import ResBlock, create_resnet
from torch import Tensor, nn

from rhovideo.errors import SettingError
from rhovideo.models.encoder import Encoder
from rhovideo.models.networks.basic_block import basic_blocks
from rhovideo.models.sync_batchnorm import Norm, norm_layer

# Temporal kernels of the stem and of the blocks of the four stages, repeated over a stage's blocks.
TEMPORAL_KERNELS = {
    "slow": ([1], [1], [1], [3], [3]),
    "c2d": ([1], [1], [1], [1], [1]),
    "i3d": ([5], [3], [3, 1], [3, 1], [1, 3]),
}
# Frames that the max pool after the first stage joins.
TEMPORAL_POOL = {"slow": 1, "c2d": 2, "i3d": 2}
STAGE_DEPTHS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def build_resnet(cfg: CfgNode) -> Encoder:
    """Slow, C2D or I3D as MODEL.ARCH and RESNET say.

    Raises:
        ValueError: RESNET asks for something that is not built.
    """
    check_resnet(cfg)
    stem, *basis = TEMPORAL_KERNELS[cfg.MODEL.ARCH]
    settings: dict[str, Any] = {
        "stem_kernel": stem[0],
        "kernels": temporal_kernels(cfg, basis),
        "strides": [stride[0] for stride in cfg.RESNET.SPATIAL_STRIDES],
        "dilations": [(1, dilation[0], dilation[0]) for dilation in cfg.RESNET.SPATIAL_DILATIONS],
        "norm": norm_layer(cfg),
        "activation": relu(cfg),
    }
    width, pool = cfg.RESNET.WIDTH_PER_GROUP, TEMPORAL_POOL[cfg.MODEL.ARCH]
    if cfg.RESNET.DEPTH == 18:
        expansion = cfg.RESNET.BASIC_EXPANSION
        blocks = basic_blocks(width=width, expansion=expansion, pool=pool, **settings)
        dim = 8 * expansion * width
    else:
        blocks, dim = _bottleneck_blocks(cfg.RESNET.DEPTH, width=width, pool=pool, **settings), 32 * width
    initialise_residual(blocks, cfg)
    return Encoder(blocks, dim, cfg.MODEL.ACT_CHECKPOINT, stride=total_stride(cfg))


def _bottleneck_blocks(
    depth: int,
    *,
    width: int,
    pool: int,
    stem_kernel: int,
    kernels: list[list[int]],
    strides: list[int],
    dilations: list[tuple[int, int, int]],
    norm: Norm,
    activation: Callable[[], nn.Module],
) -> nn.ModuleList:
    net = create_resnet(
        model_depth=depth,
        norm=norm,
        activation=activation,
        stem_dim_out=width,
        stem_conv_kernel_size=(stem_kernel, 7, 7),
        stage1_pool=nn.MaxPool3d if pool > 1 else None,
        stage1_pool_kernel_size=(pool, 1, 1),
        stage_conv_a_kernel_size=tuple([(kernel, 1, 1) for kernel in stage] for stage in kernels),
        stage_conv_b_dilation=tuple(dilations),
        stage_spatial_h_stride=tuple(strides),
        stage_spatial_w_stride=tuple(strides),
        head=None,
    )
    return net.blocks


def check_resnet(cfg: CfgNode) -> None:
    """Raise an error at values of RESNET that no builder here can use."""
    if cfg.RESNET.DEPTH not in STAGE_DEPTHS:
        depths = ", ".join(map(str, STAGE_DEPTHS))
        raise SettingError(f"RESNET.DEPTH is {cfg.RESNET.DEPTH}: write one of {depths}", "RESNET.DEPTH")
    if cfg.RESNET.NUM_GROUPS != 1:
        raise SettingError(f"RESNET.NUM_GROUPS is {cfg.RESNET.NUM_GROUPS}: only 1 is built", "RESNET.NUM_GROUPS")
    if cfg.RESNET.STRIDE_1X1:
        wrong = "RESNET.STRIDE_1X1 is True: only False (the stride in the 3x3 convolution) is built"
        raise SettingError(wrong, "RESNET.STRIDE_1X1")


def temporal_kernels(cfg: CfgNode, basis: Sequence[list[int]], pathway: int = 0) -> list[list[int]]:
    """The temporal kernel of each block of the four stages.

    As in PySlowFast, the basis is repeated over the first RESNET.NUM_BLOCK_TEMP_KERNEL blocks of a stage. Later blocks
    see one frame.

    Args:
        cfg: its RESNET section is used.
        basis: the kernels of each stage, which are repeated over its blocks.
        pathway: 0, or 1 for SlowFast's fast one.
    """
    kernels = []
    depths = STAGE_DEPTHS[cfg.RESNET.DEPTH]
    for depth, stage_basis, temporal in zip(depths, basis, cfg.RESNET.NUM_BLOCK_TEMP_KERNEL, strict=True):
        reach = min(depth, temporal[min(pathway, len(temporal) - 1)])
        kernels.append((stage_basis * depth)[:reach] + [1] * (depth - reach))
    return kernels


def total_stride(cfg: CfgNode) -> int:
    """Pixels of a clip for one place of the feature map: the stem's stride, 4, times those of the stages."""
    return 4 * math.prod(stride[0] for stride in cfg.RESNET.SPATIAL_STRIDES)


def initialise_residual(module: nn.Module, cfg: CfgNode) -> None:
    """Start residual branches as RESNET.ZERO_INIT_FINAL_BN and ZERO_INIT_FINAL_CONV say.

    PyTorchVideo initialises every convolution as PySlowFast does (He et al., fan-out), but always sets the last batch
    norm of a branch to zero.
    """
    for part in module.modules():
        if getattr(part, "block_final_bn", False) and isinstance(part.weight, Tensor):
            nn.init.constant_(part.weight, 0.0 if cfg.RESNET.ZERO_INIT_FINAL_BN else 1.0)
        if cfg.RESNET.ZERO_INIT_FINAL_CONV and isinstance(part, ResBlock):
            nn.init.zeros_(getattr(part.branch2, "conv_c", part.branch2.conv_b).weight)


def relu(cfg: CfgNode) -> partial[nn.ReLU]:
    """The function that makes a network's ReLUs, in place if RESNET.INPLACE_RELU."""
    return partial(nn.ReLU, inplace=cfg.RESNET.INPLACE_RELU)
