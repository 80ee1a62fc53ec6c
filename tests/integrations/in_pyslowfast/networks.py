"""Narrow networks of PySlowFast's, and what goes into them."""

from __future__ import annotations

import torch
from fvcore.common.config import CfgNode
from slowfast.config.defaults import get_cfg

_R50 = [[3], [4], [6], [3]]
_TWO = [[3, 3], [4, 4], [6, 6], [3, 3]]
# arch, depth, alpha of SlowFast, its fusion's kernel, RESNET.NUM_BLOCK_TEMP_KERNEL
CASES = {
    "slow R-50": ("slow", 50, 4, 7, _R50),
    "slow R-101": ("slow", 101, 4, 7, [[3], [4], [23], [3]]),
    "c2d R-50": ("c2d", 50, 4, 7, _R50),
    "i3d R-50": ("i3d", 50, 4, 7, _R50),
    "i3d R-101, 6 blocks of stage 4": ("i3d", 101, 4, 7, _R50),
    "slowfast R-50 8x8": ("slowfast", 50, 4, 7, _TWO),
    "slowfast R-50 4x16": ("slowfast", 50, 8, 5, _TWO),
    "slowfast R-101, 50 fast": ("slowfast", 101, 4, 5, [[3, 3], [4, 4], [6, 23], [3, 3]]),
    "slow R-18": ("slow", 18, 4, 7, [[2], [2], [2], [2]]),
}


def configuration(arch: str, depth: int, alpha: int, kernel: int, temporal: list) -> CfgNode:
    """A classifier of five classes, width 8, for clips of 8 frames of 32 x 32."""
    cfg = get_cfg()
    cfg.NUM_GPUS = 0
    cfg.MODEL.ARCH, cfg.MODEL.MODEL_NAME = arch, "SlowFast" if arch == "slowfast" else "ResNet"
    cfg.MODEL.NUM_CLASSES = 5
    cfg.RESNET.DEPTH, cfg.RESNET.WIDTH_PER_GROUP, cfg.RESNET.NUM_BLOCK_TEMP_KERNEL = depth, 8, temporal
    if depth == 18:
        cfg.RESNET.TRANS_FUNC = "basic_transform"
    cfg.DATA.NUM_FRAMES, cfg.DATA.TRAIN_CROP_SIZE, cfg.DATA.TEST_CROP_SIZE = 8, 32, 32
    cfg.DATA.INPUT_CHANNEL_NUM = [3]
    if arch == "slowfast":
        cfg.SLOWFAST.ALPHA, cfg.SLOWFAST.BETA_INV, cfg.SLOWFAST.FUSION_KERNEL_SZ = alpha, 8, kernel
        cfg.RESNET.SPATIAL_STRIDES = [[1, 1], [2, 2], [2, 2], [2, 2]]
        cfg.RESNET.SPATIAL_DILATIONS = [[1, 1]] * 4
        cfg.DATA.INPUT_CHANNEL_NUM = [3, 3]
        cfg.NONLOCAL.LOCATION, cfg.NONLOCAL.GROUP = [[[], []]] * 4, [[1, 1]] * 4
    return cfg


def pathways(x: torch.Tensor, cfg: CfgNode) -> list[torch.Tensor]:
    """Clips [N,3,T,H,W] as the network takes them."""
    if cfg.MODEL.ARCH != "slowfast":
        return [x]
    frames = x.shape[2]
    return [x[:, :, torch.linspace(0, frames - 1, frames // cfg.SLOWFAST.ALPHA).long()], x]
