"""Encoders from plain arguments, for loops that have no configuration."""

from __future__ import annotations

from collections.abc import Mapping

from rhovideo.config import get_cfg
from rhovideo.config.keys import leaves, nearest, set_value
from rhovideo.models.backbones import build_backbone
from rhovideo.models.encoder import Encoder


def create_backbone(
    arch: str = "slow",
    *,
    depth: int = 50,
    width: int = 64,
    frames: int = 8,
    crop: int = 224,
    settings: Mapping[str, object] | None = None,
) -> Encoder:
    """An encoder with fresh weights: clips [N,3,T,H,W] to features [N,encoder.dim].

    Args:
        arch: slow, c2d, i3d, slowfast, r2plus1d, x3d, mvit or s3dg.
        depth: of a ResNet: 18, 50, 101 or 152. Other networks ignore it.
        width: channels of a ResNet's stem.
        frames: T, frames of a clip, for MViT's positions.
        crop: height and width of a clip in pixels, for MViT's positions.
        settings: other keys of the configuration with their values, such as
            ``{"BN.NORM_TYPE": "sync_batchnorm", "BN.GLOBAL_SYNC": True}``.

    Returns:
        The encoder, in training mode.

    Raises:
        ValueError: there is no such architecture, depth or key.

    Example::

        encoder = create_backbone("slow", depth=18)
        features = encoder(clips)  # [N, encoder.dim]
    """
    cfg = get_cfg()
    known = dict(leaves(cfg))
    given = {
        "MODEL.ARCH": arch,
        "RESNET.DEPTH": depth,
        "RESNET.WIDTH_PER_GROUP": width,
        "DATA.NUM_FRAMES": frames,
        "DATA.TRAIN_CROP_SIZE": crop,
        **(settings or {}),
    }
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"settings: there is no key {key}; the nearest is {nearest(key, known)}")
        set_value(cfg, key, value)
    return build_backbone(cfg)
