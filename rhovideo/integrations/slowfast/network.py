"""PySlowFast's networks as encoders of our methods."""

from __future__ import annotations

import torch
from fvcore.common.config import CfgNode
from slowfast.models.contrastive import _MODEL_TYPES
from torch import Tensor, nn

from rhovideo.integrations.slowfast.settings import is_multi_pathway


class Network(nn.Module):
    """A network of PySlowFast's with its projection head, as an encoder: clips [N,3,T,H,W] to embeddings [N,dim].

    Args:
        net: takes a list of pathways.
        dim: size of the embedding.
        alpha: frames of the fast pathway for one of the slow pathway; None for a single pathway.
    """

    def __init__(self, net: nn.Module, dim: int, alpha: int | None) -> None:
        super().__init__()
        self.net, self.dim, self.alpha = net, dim, alpha

    def forward(self, x: Tensor) -> Tensor:
        if self.alpha is None:
            return self.net([x])
        frames = x.shape[2]
        slow = torch.linspace(0, frames - 1, frames // self.alpha, device=x.device).long()
        return self.net([x.index_select(2, slow), x])


def build_network(cfg: CfgNode) -> tuple[Network, nn.Module | None]:
    """PySlowFast's network for a configuration, and BYOL's predictor, which is a part of its head there."""
    dim = cfg.CONTRASTIVE.DIM
    if cfg.MODEL.NUM_CLASSES != dim:
        raise ValueError(
            f"MODEL.NUM_CLASSES is {cfg.MODEL.NUM_CLASSES} and CONTRASTIVE.DIM {dim}: PySlowFast's head takes the size "
            "of the embedding from the first; write the same in both"
        )
    if cfg.MODEL.ARCH not in _MODEL_TYPES:
        raise ValueError(f"MODEL.ARCH is {cfg.MODEL.ARCH!r}: write one of {', '.join(_MODEL_TYPES)}")
    net = _MODEL_TYPES[cfg.MODEL.ARCH](cfg)
    predictors = list(getattr(net.head, "predictors", []))
    net.head.predictors = nn.ModuleList()
    net.head.act = nn.Identity()  # embeddings, not probabilities
    return Network(net, dim, cfg.SLOWFAST.ALPHA if is_multi_pathway(cfg) else None), next(iter(predictors), None)
