"""Encoders and what sits on them."""

from rhovideo.models.backbones import build_backbone
from rhovideo.models.build import build_classifier
from rhovideo.models.classifier import Classifier
from rhovideo.models.encoder import Encoder
from rhovideo.models.heads import ClassificationHead, ProjectionMLP, build_predictor, build_projection
from rhovideo.models.sync_batchnorm import SyncBatchNorm, mlp_norm_layer, norm_layer

__all__ = [
    "ClassificationHead",
    "Classifier",
    "Encoder",
    "ProjectionMLP",
    "SyncBatchNorm",
    "build_backbone",
    "build_classifier",
    "build_predictor",
    "build_projection",
    "mlp_norm_layer",
    "norm_layer",
]
