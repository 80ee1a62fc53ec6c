"""TASK knn: the quality of a checkpoint's features by their nearest neighbours, without training on them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import closing

from fvcore.common.config import CfgNode
from torch import nn

from rhovideo import distributed
from rhovideo.checks.lists.class_agreement import names_of_lists
from rhovideo.data.lists.classes.class_names import read_class_names
from rhovideo.data.loading.datasets import open_manifest
from rhovideo.data.loading.loader import build_loader
from rhovideo.engine.checkpoints.checkpoint import checkpoint_to_measure
from rhovideo.engine.device_inputs import DTYPES, job_device
from rhovideo.engine.evaluation.counts import as_count
from rhovideo.engine.evaluation.features import Features, extract_features
from rhovideo.engine.evaluation.intervals import Numbers, class_mean, in_brackets, with_intervals
from rhovideo.engine.evaluation.knn.neighbours import (
    SameVideos,
    Votes,
    knn_vote,
    nearest_rows,
    retrieval_recall,
    top1_of,
    usable_neighbours,
)
from rhovideo.engine.evaluation.knn.video_numbers import video_numbers
from rhovideo.engine.evaluation.predictions import Predictions, write_neighbours, write_predictions
from rhovideo.zoo.pretrained import load_pretrained

logger = logging.getLogger(__name__)

# Rows of neighbours.csv for each query.
_NEIGHBOURS = 5


def run_knn(cfg: CfgNode) -> Numbers:
    """Weighted k-NN top-1 and retrieval R@k of the test videos among the training videos, in percent.

    Features are the encoder's pooled ones, averaged over KNN.NUM_CLIPS clips of a video. A test video that is a
    training video too is left out of its own neighbours.

    Args:
        cfg: the job's.

    Returns:
        ``knn_top1``; ``recall_at_K`` for each K of KNN.RECALL_AT, NaN where K is no less than the training videos;
        ``train_videos`` and ``test_videos``, the numbers of those that can be read and have a label (``knn_videos`` is
        the latter too); ``knn_class_mean``, the mean of the classes' accuracies. ``NAME_interval`` are the confidence
        intervals.

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
    votes = knn_vote(queries.values, gallery.values, gallery.labels, cfg.KNN.K, temperature, same=same)
    accuracies = {"knn_top1": top1_of(votes, queries.labels)}
    recall = retrieval_recall(*pairs, cfg.KNN.RECALL_AT, same)
    accuracies |= {f"recall_at_{k}": value for k, value in recall.items()}
    results = with_intervals(accuracies, len(queries.rows))
    predictions = _predictions(cfg, queries, votes)
    classes = len(gallery.labels[gallery.labels >= 0].unique())
    counts = {"knn_top1": as_count(accuracies["knn_top1"], len(predictions.labels), classes)}
    _log(accuracies, counts, results, cfg, usable_neighbours(len(gallery.rows), same))
    results["knn_class_mean"], results["knn_class_mean_interval"] = class_mean(predictions.labels, predictions.correct)
    if distributed.is_main():
        write_predictions(cfg.OUTPUT_DIR, predictions, read_class_names(cfg.OUTPUT_DIR) or names_of_lists(cfg))
        write_neighbours(cfg.OUTPUT_DIR, _neighbours(cfg, queries, gallery, same))
    videos = len(queries.rows)
    return results | {"train_videos": len(gallery.rows), "test_videos": videos, "knn_videos": videos}


def _predictions(cfg: CfgNode, queries: Features, votes: Votes) -> Predictions:
    manifest = open_manifest(cfg, "test")
    labelled = (queries.labels >= 0).nonzero()[:, 0]
    paths = [manifest.path(row) for row in queries.rows[labelled].tolist()]
    columns = (queries.labels, votes.classes, votes.shares)
    return Predictions(paths, *(column[labelled].cpu().numpy() for column in columns))


def _neighbours(
    cfg: CfgNode, queries: Features, gallery: Features, same: SameVideos | None
) -> Iterator[tuple[str, int, int, str, int, float]]:
    """The lines of neighbours.csv; a query's own video is no neighbour."""
    tested, known = open_manifest(cfg, "test"), open_manifest(cfg, "train")
    similarities, nearest = nearest_rows(queries.values, gallery.values, _NEIGHBOURS, same)
    labels, rows = gallery.labels.tolist(), gallery.rows.tolist()
    each = zip(queries.rows.tolist(), queries.labels.tolist(), similarities.tolist(), nearest.tolist(), strict=True)
    for query, label, cosines, places in each:
        found = [pair for pair in zip(cosines, places, strict=True) if pair[0] > -math.inf]
        for rank, (cosine, place) in enumerate(found if label >= 0 else (), start=1):
            yield tested.path(query), label, rank, known.path(rows[place]), labels[place], cosine


def _log(
    accuracies: Mapping[str, float], counts: Mapping[str, str], results: Numbers, cfg: CfgNode, usable: int
) -> None:
    """Log the numbers, and why some are none or are of other neighbours than the configuration asks for."""
    for name, value in accuracies.items():
        if math.isnan(value):
            logger.info("%s: none", name)
        else:
            count = f", {counts[name]}" if name in counts else ""
            logger.info("%s: %.2f %%%s%s", name, value, in_brackets(results.get(f"{name}_interval")), count)
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
    """Numbers of the videos; None where no test video is a training video."""
    numbers = video_numbers(cfg, "train", "test")
    if numbers is None:
        return None
    train, test = (each.to(gallery.rows.device) for each in numbers)
    return SameVideos(test[queries.rows], train[gallery.rows])


def _features(encoder: nn.Module, cfg: CfgNode, split: str) -> Features:
    with closing(build_loader(cfg, split, "knn")) as loader:
        return extract_features(encoder, loader, cfg)
