"""Methods by name: a new one is one file and one line here."""

from __future__ import annotations

from fvcore.common.config import CfgNode
from torch import nn

from rhovideo.ssl.byol import BYOL
from rhovideo.ssl.moco import MoCo
from rhovideo.ssl.process_dependence import warn_of_process_dependence
from rhovideo.ssl.simclr import SimCLR
from rhovideo.ssl.swav import SwAV

METHODS: dict[str, type[nn.Module]] = {
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "swav": SwAV,
}


def build_method(cfg: CfgNode) -> nn.Module:
    """The method that CONTRASTIVE.TYPE names, with fresh weights; see :class:`rhovideo.ssl.interface.Method`.

    With several processes each must call it, in the same order.

    Raises:
        ValueError: the method is unknown.
    """
    kind = cfg.CONTRASTIVE.TYPE
    if kind not in METHODS:
        raise ValueError(f"CONTRASTIVE.TYPE is {kind!r}: write one of {', '.join(METHODS)}")
    warn_of_process_dependence(cfg)
    return METHODS[kind].from_cfg(cfg)
