"""Encoders by name: MODEL.ARCH picks one of these builders."""

from __future__ import annotations

from collections.abc import Callable

from fvcore.common.config import CfgNode

from rhovideo.models.encoder import Encoder
from rhovideo.models.mvit import build_mvit
from rhovideo.models.r2plus1d import build_r2plus1d
from rhovideo.models.resnet import build_resnet
from rhovideo.models.s3dg import build_s3dg
from rhovideo.models.slowfast import build_slowfast
from rhovideo.models.x3d import build_x3d

BACKBONES: dict[str, Callable[[CfgNode], Encoder]] = {
    "slow": build_resnet,
    "c2d": build_resnet,
    "i3d": build_resnet,
    "slowfast": build_slowfast,
    "r2plus1d": build_r2plus1d,
    "x3d": build_x3d,
    "mvit": build_mvit,
    "s3dg": build_s3dg,
}


def build_backbone(cfg: CfgNode) -> Encoder:
    """The encoder that MODEL.ARCH names: clips [N,3,T,H,W] to features [N,encoder.dim].

    With BN.NORM_TYPE sync_batchnorm every process must call it, in the same order.

    Raises:
        ValueError: the architecture is unknown, or its section asks for something that is not built.
    """
    if cfg.MODEL.ARCH not in BACKBONES:
        raise ValueError(f"MODEL.ARCH is {cfg.MODEL.ARCH!r}: write one of {', '.join(BACKBONES)}")
    return BACKBONES[cfg.MODEL.ARCH](cfg)
