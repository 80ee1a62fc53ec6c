"""TASK knn: the quality of a checkpoint's features by their nearest neighbours, without training on them."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from contextlib import closing

import numpy as np
import torch
from fvcore.common.config import CfgNode
from torch import nn

from rhovideo import distributed
from rhovideo.data.lists.same_videos import MOST_PATHS, video_ids
from rhovideo.data.loading.datasets import open_manifest
from rhovideo.data.loading.loader import build_loader
from rhovideo.engine.checkpoint import checkpoint_to_measure
from rhovideo.engine.device_inputs import DTYPES, job_device
from rhovideo.engine.evaluation.counts import as_count
from rhovideo.engine.evaluation.features import Features, extract_features
from rhovideo.engine.evaluation.neighbours import SameVideos, knn_accuracy, retrieval_recall, usable_neighbours
from rhovideo.zoo.pretrained import load_pretrained

logger = logging.getLogger(__name__)


def run_knn(cfg: CfgNode) -> dict[str, float]:
    """Weighted k-NN top-1 and retrieval R@k of the test videos among the training videos, in percent.

    Features are the encoder's pooled ones, averaged over KNN.NUM_CLIPS clips of a video. A test video that is a
    training video too is left out of its own neighbours.

    Args:
        cfg: the job's.

    Returns:
        ``knn_top1``; ``recall_at_K`` for each K of KNN.RECALL_AT, NaN where K is no less than the training videos; and
        ``train_videos`` and ``test_videos``, the numbers of those that can be read and have a label.

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
    same = _same_videos(cfg, queries, gallery)
    pairs = (queries.values, queries.labels, gallery.values, gallery.labels)
    temperature = cfg.KNN.T or cfg.CONTRASTIVE.T
    results = {"knn_top1": knn_accuracy(*pairs, cfg.KNN.K, temperature, same)}
    recall = retrieval_recall(*pairs, cfg.KNN.RECALL_AT, same)
    results |= {f"recall_at_{k}": value for k, value in recall.items()}
    classes = len(gallery.labels[gallery.labels >= 0].unique())
    count = as_count(results["knn_top1"], int((queries.labels >= 0).sum()), classes)
    _log(results, count, cfg, usable_neighbours(len(gallery.rows), same))
    return results | {"train_videos": len(gallery.rows), "test_videos": len(queries.rows)}


def _log(results: Mapping[str, float], count: str, cfg: CfgNode, usable: int) -> None:
    """Log the numbers, and why some are none or are of other neighbours than the configuration asks for."""
    for name, value in results.items():
        if math.isnan(value):
            logger.info("%s: none", name)
        else:
            logger.info("%s: %.2f %%%s", name, value, f", {count}" if name == "knn_top1" else "")
    if not distributed.is_main():
        return
    if usable < cfg.KNN.K:
        logger.warning(
            "KNN.K is %d, and there are %d training videos to choose from: all of them vote", cfg.KNN.K, usable
        )
    if too_many := [k for k in cfg.KNN.RECALL_AT if k >= usable]:
        ks = ", ".join(f"R@{k}" for k in too_many)
        logger.warning("%s: none, since the nearest %d are all training videos that can be used", ks, usable)


def _same_videos(cfg: CfgNode, queries: Features, gallery: Features) -> SameVideos | None:
    """Numbers of the videos, the same on all processes; None where no test video is a training video."""
    ids: dict[str, np.ndarray] | None = None
    if distributed.is_main():
        lists = {split: open_manifest(cfg, split) for split in ("train", "test")}
        if sum(map(len, lists.values())) <= MOST_PATHS:
            ids = video_ids({split: [one.path(row) for row in range(len(one))] for split, one in lists.items()})
        if ids is not None and not np.isin(ids["test"], ids["train"]).any():
            ids = None
    ids = distributed.gather_objects(ids)[0]
    if ids is None:
        return None
    numbers = {split: torch.from_numpy(own).to(gallery.rows.device) for split, own in ids.items()}
    return SameVideos(numbers["test"][queries.rows], numbers["train"][gallery.rows])


def _features(encoder: nn.Module, cfg: CfgNode, split: str) -> Features:
    with closing(build_loader(cfg, split, "knn")) as loader:
        return extract_features(encoder, loader, cfg)
