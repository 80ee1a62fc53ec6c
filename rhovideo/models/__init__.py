"""Encoders, and the heads that sit on them."""

from rhovideo.models.backbones import build_backbone
from rhovideo.models.build import build_classifier
from rhovideo.models.classifier import Classifier
from rhovideo.models.create import create_backbone
from rhovideo.models.detector import BoxHead, Detector, build_detector
from rhovideo.models.encoder import Encoder
from rhovideo.models.heads import ClassificationHead, ProjectionMLP, build_predictor, build_projection
from rhovideo.models.network_size import ModelInfo, describe, model_info
from rhovideo.models.sync_batchnorm import SyncBatchNorm, mlp_norm_layer, norm_layer

__all__ = [
    "BoxHead",
    "ClassificationHead",
    "Classifier",
    "Detector",
    "Encoder",
    "ModelInfo",
    "ProjectionMLP",
    "SyncBatchNorm",
    "build_backbone",
    "build_classifier",
    "build_detector",
    "build_predictor",
    "build_projection",
    "create_backbone",
    "describe",
    "mlp_norm_layer",
    "model_info",
    "norm_layer",
]
