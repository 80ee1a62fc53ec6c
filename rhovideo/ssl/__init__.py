"""Self-supervised methods over ρ clips of a video, and the parts that they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.ssl.build import build_method
    from rhovideo.ssl.byol import BYOL
    from rhovideo.ssl.interface import Method
    from rhovideo.ssl.losses import (
        clip_nce,
        multi_positive_nce,
        negative_cosine,
        separate_positive_nce,
        swapped_prediction,
    )
    from rhovideo.ssl.memory.momentum import MomentumUpdate, annealed_momentum, momentum_copy
    from rhovideo.ssl.memory.momentum_keys import BatchShuffle
    from rhovideo.ssl.memory.queue import Queue
    from rhovideo.ssl.moco import MoCo
    from rhovideo.ssl.simclr import SimCLR
    from rhovideo.ssl.sinkhorn import sinkhorn_knopp
    from rhovideo.ssl.swav import SwAV

__all__ = [
    "BYOL",
    "BatchShuffle",
    "Method",
    "MoCo",
    "MomentumUpdate",
    "Queue",
    "SimCLR",
    "SwAV",
    "annealed_momentum",
    "build_method",
    "clip_nce",
    "momentum_copy",
    "multi_positive_nce",
    "negative_cosine",
    "separate_positive_nce",
    "sinkhorn_knopp",
    "swapped_prediction",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BYOL": "rhovideo.ssl.byol",
        "BatchShuffle": "rhovideo.ssl.memory.momentum_keys",
        "Method": "rhovideo.ssl.interface",
        "MoCo": "rhovideo.ssl.moco",
        "MomentumUpdate": "rhovideo.ssl.memory.momentum",
        "Queue": "rhovideo.ssl.memory.queue",
        "SimCLR": "rhovideo.ssl.simclr",
        "SwAV": "rhovideo.ssl.swav",
        "annealed_momentum": "rhovideo.ssl.memory.momentum",
        "build_method": "rhovideo.ssl.build",
        "clip_nce": "rhovideo.ssl.losses",
        "momentum_copy": "rhovideo.ssl.memory.momentum",
        "multi_positive_nce": "rhovideo.ssl.losses",
        "negative_cosine": "rhovideo.ssl.losses",
        "separate_positive_nce": "rhovideo.ssl.losses",
        "sinkhorn_knopp": "rhovideo.ssl.sinkhorn",
        "swapped_prediction": "rhovideo.ssl.losses",
    },
)
