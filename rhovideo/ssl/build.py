"""From a configuration to a method: one function a method. Methods read no configuration."""

from __future__ import annotations

from typing import Any

from fvcore.common.config import CfgNode
from torch import nn

from rhovideo.config.extension.registries import METHODS
from rhovideo.models import build_backbone, build_predictor, build_projection
from rhovideo.ssl.byol import BYOL
from rhovideo.ssl.moco import MoCo
from rhovideo.ssl.process_dependence import batch_shuffle, warn_of_process_dependence
from rhovideo.ssl.simclr import SimCLR
from rhovideo.ssl.swav import RELEASED_CODE_VIEWS, SwAV

# As released: SwAV's queue is filled from this epoch on.
_RELEASED_QUEUE_EPOCH = 15.0
# What to change in a training that has collapsed.
_REMEDIES = {
    "simclr": "Lower SOLVER.BASE_LR or raise CONTRASTIVE.T.",
    "moco": "Lower SOLVER.BASE_LR, or shorten CONTRASTIVE.QUEUE_LEN: the keys of a long queue are of an older encoder.",
    "byol": (
        "Set CONTRASTIVE.BN_MLP True, give each process more clips (TRAIN.BATCH_SIZE), and raise SOLVER.WEIGHT_DECAY "
        "or SOLVER.PREDICTOR_LR_FACTOR."
    ),
    "swav": (
        "Raise CONTRASTIVE.T to 0.5, set CONTRASTIVE.BN_EMBEDDING True, raise CONTRASTIVE.SWAV_SINKHORN_ITERATIONS to "
        "20, and use about four times as many CONTRASTIVE.SWAV_NUM_PROTOTYPES as CONTRASTIVE.DIM."
    ),
}


def build_simclr(cfg: CfgNode, encoder: nn.Module | None = None, projection: nn.Module | None = None) -> SimCLR:
    """SimCLR as CONTRASTIVE configures it.

    Args:
        cfg: a loaded configuration.
        encoder: used in place of the one that ``cfg`` describes; with ``dim``, the size of its feature.
        projection: used in place of the one that ``cfg`` describes.
    """
    node = cfg.CONTRASTIVE
    return SimCLR(
        *_networks(cfg, encoder, projection),
        temperature=node.T,
        form=node.LOSS_FORM,
        across_processes=node.SIMCLR_DIST_ON,
    )


def build_moco(cfg: CfgNode, encoder: nn.Module | None = None, projection: nn.Module | None = None) -> MoCo:
    """MoCo as CONTRASTIVE configures it; the arguments are those of :func:`build_simclr`."""
    node = cfg.CONTRASTIVE
    return MoCo(
        *_networks(cfg, encoder, projection),
        node.DIM,
        node.QUEUE_LEN,
        temperature=node.T,
        momentum=node.MOMENTUM,
        anneal=node.MOMENTUM_ANNEALING,
        form=node.LOSS_FORM,
        enqueue_all_views=node.MOCO_MULTI_VIEW_QUEUE,
        shuffle=batch_shuffle(cfg),
        first_epoch=1.0 / cfg.SOLVER.MAX_EPOCH,
        keys_at_once=node.KEYS_AT_ONCE,
    )


def build_byol(
    cfg: CfgNode,
    encoder: nn.Module | None = None,
    projection: nn.Module | None = None,
    predictor: nn.Module | None = None,
) -> BYOL:
    """BYOL as CONTRASTIVE configures it.

    Args:
        cfg: a loaded configuration.
        encoder: as of :func:`build_simclr`.
        projection: as of :func:`build_simclr`.
        predictor: used in place of the one that ``cfg`` describes.

    Raises:
        ValueError: CONTRASTIVE.PREDICTOR_DEPTHS does not describe exactly one predictor.
    """
    node = cfg.CONTRASTIVE
    return BYOL(
        *_networks(cfg, encoder, projection),
        build_predictor(cfg) if predictor is None else predictor,
        temperature=node.T,
        momentum=node.MOMENTUM,
        anneal=node.MOMENTUM_ANNEALING,
        form=node.LOSS_FORM,
        keys_at_once=node.KEYS_AT_ONCE,
    )


def build_swav(cfg: CfgNode, encoder: nn.Module | None = None, projection: nn.Module | None = None) -> SwAV:
    """SwAV as CONTRASTIVE configures it; the arguments are those of :func:`build_simclr`."""
    node, data, epochs = cfg.CONTRASTIVE, cfg.DATA, cfg.SOLVER.MAX_EPOCH
    views = max(2, data.TRAIN_CROP_NUM_TEMPORAL * data.TRAIN_CROP_NUM_SPATIAL)
    return SwAV(
        *_networks(cfg, encoder, projection),
        node.DIM,
        num_prototypes=node.SWAV_NUM_PROTOTYPES,
        temperature=node.T,
        epsilon=node.SWAV_EPSILON,
        iterations=node.SWAV_SINKHORN_ITERATIONS,
        form=node.LOSS_FORM,
        freeze_until=node.SWAV_FREEZE_EPOCHS / epochs,
        queue_length=node.SWAV_QEUE_LEN,
        queue_from=_RELEASED_QUEUE_EPOCH / epochs,
        code_views=views if node.LOSS_FORM == "paper" else RELEASED_CODE_VIEWS,
    )


def _networks(cfg: CfgNode, encoder: nn.Module | None, projection: nn.Module | None) -> tuple[nn.Module, nn.Module]:
    """The encoder, and the projection of its features; those that are not given are built."""
    used: Any = build_backbone(cfg) if encoder is None else encoder
    return used, build_projection(cfg, used.dim) if projection is None else projection


def build_method(cfg: CfgNode) -> nn.Module:
    """The method that CONTRASTIVE.TYPE names, with fresh weights; see :class:`rhovideo.ssl.interface.Method`.

    With several processes each must call it, in the same order.

    Raises:
        ValueError: the method is unknown.
    """
    build = METHODS.builder(cfg.CONTRASTIVE.TYPE)
    warn_of_process_dependence(cfg)
    method: nn.Module = build(cfg, build_backbone(cfg))
    return method


def collapse_remedy(cfg: CfgNode) -> str:
    """What to change, in a sentence with the keys, where the configured method has collapsed."""
    return _REMEDIES.get(cfg.CONTRASTIVE.TYPE, "Lower SOLVER.BASE_LR.")


def frozen_epochs(cfg: CfgNode) -> float:
    """The epochs at the start of a training in which a part of the configured method is frozen."""
    return float(cfg.CONTRASTIVE.SWAV_FREEZE_EPOCHS) if cfg.CONTRASTIVE.TYPE == "swav" else 0.0
