"""TASK knn: the quality of a checkpoint's features by their nearest neighbours, without training on them."""

from __future__ import annotations

import logging
from contextlib import closing

from fvcore.common.config import CfgNode
from torch import nn

from rhovideo.data.loading.loader import build_loader
from rhovideo.engine.checkpoint import checkpoint_to_measure
from rhovideo.engine.device_inputs import DTYPES, job_device
from rhovideo.engine.evaluation.counts import as_count
from rhovideo.engine.evaluation.features import Features, extract_features
from rhovideo.engine.evaluation.neighbours import knn_accuracy, retrieval_recall
from rhovideo.zoo.pretrained import load_pretrained

logger = logging.getLogger(__name__)


def run_knn(cfg: CfgNode) -> dict[str, float]:
    """Weighted k-NN top-1 and retrieval R@k of the test videos among the training videos, in percent.

    Features are the encoder's pooled ones, averaged over KNN.NUM_CLIPS clips of a video.

    Args:
        cfg: the job's.

    Returns:
        ``knn_top1``, ``recall_at_K`` for each K of KNN.RECALL_AT, and ``test_videos``, the number of videos that
        could be read.

    Raises:
        ValueError: no checkpoint is named, or the training videos have no labels.
    """
    source = checkpoint_to_measure(cfg)
    if not source:
        raise ValueError("TASK knn measures a checkpoint: write TRAIN.CHECKPOINT_FILE_PATH path/to/checkpoint.pyth")
    encoder = load_pretrained(source, cfg, encoder=cfg.TRAIN.CHECKPOINT_ENCODER)
    encoder.to(job_device(cfg), DTYPES[cfg.TRAIN.DTYPE])
    gallery = _features(encoder, cfg, "train")
    queries = _features(encoder, cfg, "test")
    temperature = cfg.KNN.T or cfg.CONTRASTIVE.T
    results = {
        "knn_top1": knn_accuracy(queries.values, queries.labels, gallery.values, gallery.labels, cfg.KNN.K, temperature)
    }
    recall = retrieval_recall(queries.values, queries.labels, gallery.values, gallery.labels, cfg.KNN.RECALL_AT)
    results |= {f"recall_at_{k}": value for k, value in recall.items()}
    labelled = int((queries.labels >= 0).sum())
    classes = len(gallery.labels[gallery.labels >= 0].unique())
    for name, value in results.items():
        count = f", {as_count(value, labelled, classes)}" if name == "knn_top1" else ""
        logger.info("%s: %.2f %%%s", name, value, count)
    return results | {"test_videos": len(queries.labels)}


def _features(encoder: nn.Module, cfg: CfgNode, split: str) -> Features:
    with closing(build_loader(cfg, split, "knn")) as loader:
        return extract_features(encoder, loader, cfg)
