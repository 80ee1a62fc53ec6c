"""Classifiers from a configuration."""

from __future__ import annotations

from fvcore.common.config import CfgNode

from rhovideo.models.backbones import build_backbone
from rhovideo.models.classifier import Classifier
from rhovideo.models.heads import ClassificationHead


def build_classifier(cfg: CfgNode) -> Classifier:
    """The encoder that MODEL.ARCH names, with a classifier of MODEL.NUM_CLASSES classes.

    With MODEL.DETACH_FINAL_FC only the classifier is trained. With MODEL.FROZEN_BN the encoder's batch norms stay as
    they are.

    Args:
        cfg: the configuration.

    Raises:
        ValueError: see :func:`rhovideo.models.build_backbone`.
    """
    encoder = build_backbone(cfg)
    head = ClassificationHead(encoder.dim, cfg.MODEL.NUM_CLASSES, cfg.MODEL.DROPOUT_RATE, cfg.MODEL.FC_INIT_STD)
    return Classifier(
        encoder,
        head,
        train_crop=cfg.DATA.TRAIN_CROP_SIZE,
        detach=cfg.MODEL.DETACH_FINAL_FC,
        frozen_norm=bool(cfg.MODEL.FROZEN_BN),
        activation=cfg.MODEL.HEAD_ACT,
    )
