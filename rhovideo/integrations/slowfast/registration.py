"""Putting our parts into PySlowFast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slowfast.datasets.decoder
import slowfast.datasets.video_container
import slowfast.models.contrastive
from slowfast.config import defaults
from slowfast.datasets.build import DATASET_REGISTRY
from slowfast.models.build import MODEL_REGISTRY
from slowfast.models.losses import _LOSSES

from rhovideo.config import get_cfg
from rhovideo.integrations.slowfast.decoding import decode, open_video
from rhovideo.integrations.slowfast.losses import RhoContrastiveLoss
from rhovideo.integrations.slowfast.methods import MODELS, forward_and_backward, parameter_surgery
from rhovideo.integrations.slowfast.videos import Rhovideo
from rhovideo.integrations.substitution import restore, substitute


def put_in(decoding: bool) -> None:
    """Put our parts into the registries, the losses, the defaults, and the functions that the training loop calls.

    Args:
        decoding: True replaces the functions that decode, False gives them back.
    """
    for model in MODELS:
        if model.__name__ not in MODEL_REGISTRY:
            MODEL_REGISTRY.register(model)
    if Rhovideo.__name__ not in DATASET_REGISTRY:
        DATASET_REGISTRY.register(Rhovideo)
    _LOSSES.setdefault("rho_contrastive", RhoContrastiveLoss)
    _add_keys()
    contrastive = slowfast.models.contrastive
    substitute(contrastive, "contrastive_forward", forward_and_backward)
    substitute(contrastive, "contrastive_parameter_surgery", parameter_surgery)
    exchange: dict[tuple[Any, str], Callable[..., Any]] = {
        (slowfast.datasets.decoder, "decode"): decode,
        (slowfast.datasets.video_container, "get_video_container"): open_video,
    }
    for (module, name), ours in exchange.items():
        if decoding:
            substitute(module, name, ours)
        else:
            restore(module, name)


def _add_keys() -> None:
    """Let configurations have our keys of DATA and CONTRASTIVE, with our defaults."""
    for section in ("DATA", "CONTRASTIVE"):
        theirs, ours = defaults._C[section], get_cfg()[section]
        for key in ours.keys() - theirs.keys():
            theirs[key] = ours[key]
