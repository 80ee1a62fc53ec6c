"""Encoders by name: MODEL.ARCH picks one of :data:`rhovideo.config.extension.registries.BACKBONES`."""

from __future__ import annotations

from typing import Protocol, cast

from fvcore.common.config import CfgNode
from torch import Tensor

from rhovideo.config.extension.registries import BACKBONES
from rhovideo.models.encoder import Encoder


class Backbone(Protocol):
    """The least that an encoder must be: an ``nn.Module`` that maps clips [N,3,T,H,W] to features [N,dim].

    Attributes:
        dim: size of the feature.
    """

    dim: int

    def __call__(self, x: Tensor) -> Tensor: ...


def build_backbone(cfg: CfgNode) -> Encoder:
    """The encoder that MODEL.ARCH names: clips [N,3,T,H,W] to features [N,encoder.dim].

    With BN.NORM_TYPE sync_batchnorm every process must call it, in the same order.

    Returns:
        An :class:`Encoder`. A registered architecture may be any :class:`Backbone`.

    Raises:
        ValueError: the architecture is unknown, or its section asks for something that is not built.
        TypeError: a registered encoder has no ``dim``.
    """
    encoder = BACKBONES.builder(cfg.MODEL.ARCH)(cfg)
    if not isinstance(getattr(encoder, "dim", None), int):
        raise TypeError(
            f"the encoder of MODEL.ARCH {cfg.MODEL.ARCH}, a {type(encoder).__name__}, has no size of its features: set "
            "self.dim to the C of the features [N, C] that it returns"
        )
    return cast(Encoder, encoder)
