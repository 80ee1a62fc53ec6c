"""From a configuration to a classifier."""

from __future__ import annotations

from fvcore.common.config import CfgNode

from rhovideo.models.backbones import build_backbone
from rhovideo.models.classifier import Classifier
from rhovideo.models.heads import ClassificationHead


def build_classifier(cfg: CfgNode) -> Classifier:
    """The encoder with a classifier of MODEL.NUM_CLASSES classes.

    MODEL.DETACH_FINAL_FC trains the classifier alone; MODEL.FROZEN_BN keeps the encoder's batch norms as they are.
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
