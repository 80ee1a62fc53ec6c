"""TASK logistic: a logistic regression on a checkpoint's features: minutes, where TASK linear takes hours."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
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
from rhovideo.engine.evaluation.features import extract_features
from rhovideo.engine.evaluation.intervals import Numbers, class_mean, in_brackets, with_intervals
from rhovideo.engine.evaluation.predictions import Predictions, write_predictions
from rhovideo.engine.probes.feature_set import FeatureSet, ProbeData
from rhovideo.engine.probes.kinds import probe_logistic
from rhovideo.errors import JobError
from rhovideo.zoo.pretrained import load_pretrained

logger = logging.getLogger(__name__)


def run_logistic(cfg: CfgNode) -> Numbers:
    """Top-1 of the test videos by a logistic regression on the training videos' features, in percent.

    Features are those of TASK knn. The strength is chosen on training videos that are held out in turn.

    Args:
        cfg: the job's.

    Returns:
        ``test_top1`` and ``test_class_mean`` with their intervals, ``strength``, and ``train_videos`` and
        ``test_videos``, the numbers of those that can be read and have a label.

    Raises:
        JobError: no checkpoint is named, or no video can be used.
    """
    source = checkpoint_to_measure(cfg)
    if not source:
        raise JobError("TASK logistic measures a checkpoint: write TEST.CHECKPOINT_FILE_PATH path/to/checkpoint.pyth")
    encoder = load_pretrained(source, cfg, encoder=cfg.TRAIN.CHECKPOINT_ENCODER)
    device = job_device(cfg)
    encoder.to(device, DTYPES[cfg.TRAIN.DTYPE])
    train, test = (_features(encoder, cfg, split) for split in ("train", "test"))
    # One process fits; the others wait for its numbers.
    results = _fit(cfg, ProbeData(train, test, _names(cfg)), device) if distributed.is_main() else {}
    return distributed.gather_objects(results)[0]


def _fit(cfg: CfgNode, data: ProbeData, device: torch.device) -> Numbers:
    probed = probe_logistic(data, device, cfg.RNG_SEED)
    predictions = Predictions(data.test.paths, data.test.labels, probed.predicted, probed.confidence)
    write_predictions(cfg.OUTPUT_DIR, predictions, data.names)
    videos = len(predictions.labels)
    results = with_intervals({"test_top1": 100 * float(predictions.correct.mean())}, videos)
    results["test_class_mean"], results["test_class_mean_interval"] = class_mean(
        predictions.labels, predictions.correct
    )
    strength = probed.chosen["C"]
    logger.info(
        "Test: top-1 %.2f %%%s, %s, by a logistic regression with C %g on %d training videos",
        *(results["test_top1"], in_brackets(results["test_top1_interval"])),
        *(as_count(results["test_top1"], videos, data.classes), strength, len(data.train.labels)),
    )
    return results | {"strength": strength, "train_videos": len(data.train.labels), "test_videos": videos}


def _features(encoder: nn.Module, cfg: CfgNode, split: str) -> FeatureSet:
    with closing(build_loader(cfg, split, "knn")) as loader:
        found = extract_features(encoder, loader, cfg)
    labelled = found.labels >= 0
    manifest = open_manifest(cfg, split)
    rows = found.rows[labelled].tolist()
    if not rows:
        raise JobError(f"{manifest.csv}: no video can be read and has a label: see bad_videos.jsonl in the run folder")
    values, labels = (part[labelled].cpu().numpy() for part in (found.values, found.labels))
    return FeatureSet(Path(manifest.csv), values, np.arange(len(rows)), labels, [manifest.path(row) for row in rows])


def _names(cfg: CfgNode) -> list[str]:
    return read_class_names(cfg.OUTPUT_DIR) or names_of_lists(cfg)
