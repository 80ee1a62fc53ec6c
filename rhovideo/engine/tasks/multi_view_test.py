"""TASK test: a classifier's softmax scores, put together over many views of each video (10 clips x 3 crops)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import torch
from fvcore.common.config import CfgNode
from torch import Tensor

from rhovideo import distributed
from rhovideo.checks.lists.class_agreement import compare_with_lists, names_of_lists, not_compared
from rhovideo.data.lists.classes.class_names import read_class_names
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.loading.loader import Batch, Loader, build_loader
from rhovideo.engine.checkpoints.checkpoint import checkpoint_to_measure
from rhovideo.engine.device_inputs import DTYPES, autocast, job_device, to_network_input
from rhovideo.engine.evaluation.counts import as_count, ks_for
from rhovideo.engine.evaluation.evaluation_batches import readable_batches
from rhovideo.engine.evaluation.intervals import Numbers, class_mean, in_brackets, with_intervals
from rhovideo.engine.evaluation.multi_label.label_set_files import PRECISIONS_FILE, class_precisions, write_label_sets
from rhovideo.engine.evaluation.multi_label.label_set_scores import MultiLabelScores, write_label_set_scores
from rhovideo.engine.evaluation.predictions import write_predictions
from rhovideo.engine.evaluation.scores import MultiViewScores, write_scores
from rhovideo.engine.log.json_stats import JsonStats
from rhovideo.models.build import build_classifier
from rhovideo.models.classifier import Classifier
from rhovideo.zoo.files.checkpoint_files import WeightsFile, class_names_in, read_weights
from rhovideo.zoo.pretrained import load_classifier_weights

logger = logging.getLogger(__name__)


def run_test(cfg: CfgNode) -> Numbers:
    """Test the classifier of :func:`rhovideo.engine.checkpoints.checkpoint.checkpoint_to_measure`.

    Args:
        cfg: the job's.

    Returns:
        The numbers of :func:`test_classifier`.

    Raises:
        ValueError: there is no checkpoint.
        ManifestError: the lists number their classes in another way than the classifier.
    """
    source = checkpoint_to_measure(cfg)
    if not source:
        raise ValueError(
            f"There is nothing to test: {cfg.OUTPUT_DIR} holds no checkpoint of a classifier. "
            "Write TEST.CHECKPOINT_FILE_PATH path/to/checkpoint.pyth"
        )
    file = read_weights(source)
    compare_class_names(cfg, file)
    classifier = build_classifier(cfg)
    load_classifier_weights(classifier, file, cfg)
    return test_classifier(cfg, classifier.to(job_device(cfg), DTYPES[cfg.TRAIN.DTYPE]))


def compare_class_names(cfg: CfgNode, file: WeightsFile) -> None:
    """Compare the names of a classifier's classes with those of the lists; say so where one of them has no names.

    Args:
        cfg: of the job that reads the lists.
        file: the classifier's checkpoint.

    Raises:
        ManifestError: a number has two names.
    """
    names = class_names_in(file)
    for finding in compare_with_lists(cfg, names, file.name):
        raise ManifestError(str(finding), keys=finding.keys)
    if distributed.is_main() and (line := not_compared(cfg, names, file.name)):
        logger.info(line)


@torch.no_grad()
def test_classifier(cfg: CfgNode, classifier: Classifier) -> Numbers:
    """Score every view of every test video and average over the views.

    Rank 0 writes the scores of each video to TEST.SAVE_RESULTS_PATH, or ``OUTPUT_DIR/test_scores.npz``, and the classes
    that they stand for to ``predictions.csv``, ``per_class.csv`` and ``confusion.csv`` in OUTPUT_DIR.

    Args:
        cfg: the job's.
        classifier: on the job's device; put into eval mode.

    Returns:
        ``test_top1`` and, of more than five classes, ``test_top5``, in percent of the videos that can be read;
        ``test_videos``, their number; and ``test_class_mean``, the mean of the classes' accuracies. ``NAME_interval``
        are the confidence intervals. Of several labels a video (DATA.MULTI_LABEL) instead ``test_map``, the mean
        average precision in percent, over ``test_classes`` classes, with ``multi_label_predictions.csv`` and
        ``per_class_ap.csv``.
    """
    if cfg.DATA.MULTI_LABEL:
        return _test_label_sets(cfg, classifier)
    views = cfg.TEST.NUM_ENSEMBLE_VIEWS * cfg.TEST.NUM_SPATIAL_CROPS
    with closing(build_loader(cfg, "test", "test")) as loader:
        manifest = loader.dataset.manifest
        collected = MultiViewScores(len(manifest), views, cfg.DATA.ENSEMBLE_METHOD)
        for batch, scores in _scored_views(cfg, classifier, loader):
            collected.add(batch.index, scores, batch.label)
    result = collected.finish()
    paths = [manifest.path(index) for index in range(len(manifest))]
    predictions = result.predictions(paths)
    each = {1: result.top1, 5: result.top5}
    accuracies = {k: each[k] for k in ks_for(cfg.MODEL.NUM_CLASSES)}
    numbers = with_intervals({f"test_top{k}": value for k, value in accuracies.items()}, len(predictions.labels))
    numbers["test_class_mean"], numbers["test_class_mean_interval"] = class_mean(
        predictions.labels, predictions.correct
    )
    if distributed.is_main():
        path = Path(cfg.TEST.SAVE_RESULTS_PATH or Path(cfg.OUTPUT_DIR) / "test_scores.npz")
        write_scores(path, result, paths)
        write_predictions(cfg.OUTPUT_DIR, predictions, read_class_names(cfg.OUTPUT_DIR) or names_of_lists(cfg))
        logger.info(
            "Test: top-1 %.2f %%%s, %s%s, %d views of each; scores in %s",
            *(result.top1, in_brackets(numbers.get("test_top1_interval"))),
            *(as_count(result.top1, len(predictions.labels), cfg.MODEL.NUM_CLASSES), _top5(numbers), views, path),
        )
        final = {"_type": "test_final", "split": "test_final"}
        JsonStats(cfg.OUTPUT_DIR).write(final | {f"top{k}_acc": value for k, value in accuracies.items()})
    return numbers | {"test_videos": len(result.indices)}


def _scored_views(cfg: CfgNode, classifier: Classifier, loader: Loader) -> Iterator[tuple[Batch, Tensor]]:
    """Batches of test videos with the scores of a view of each, [B, 1, K] float32."""
    device = job_device(cfg)
    classifier.eval()
    for batch in readable_batches(loader, cfg, "test"):
        # A view of all videos at a time: thirty views of a video at once would not fit on a GPU.
        for view in batch.clips.unbind(1):
            with autocast(cfg, device):
                scores = classifier.scores(to_network_input(view, cfg, device))
            yield batch, scores.float()[:, None]


def _test_label_sets(cfg: CfgNode, classifier: Classifier) -> Numbers:
    """``test_map`` in percent, ``test_classes``, the classes that it is of, and ``test_videos``."""
    views = cfg.TEST.NUM_ENSEMBLE_VIEWS * cfg.TEST.NUM_SPATIAL_CROPS
    collected = MultiLabelScores(views, cfg.DATA.ENSEMBLE_METHOD)
    with closing(build_loader(cfg, "test", "test")) as loader:
        manifest = loader.dataset.manifest
        for batch, scores in _scored_views(cfg, classifier, loader):
            collected.add(batch, scores)
    result = collected.finish()
    ap = result.precision["ap"]
    if distributed.is_main():
        paths = [manifest.path(index) for index in range(len(manifest))]
        path = Path(cfg.TEST.SAVE_RESULTS_PATH or Path(cfg.OUTPUT_DIR) / "test_scores.npz")
        write_label_set_scores(path, result, paths)
        names = read_class_names(cfg.OUTPUT_DIR) or names_of_lists(cfg)
        classes = class_precisions(ap, result.targets, names)
        tested = [paths[index] for index in result.indices]
        write_label_sets(cfg.OUTPUT_DIR, tested, result.targets, result.scores, classes)
        logger.info(
            "Test: mAP %.2f %% over %d classes, of %d videos, %d views of each; scores in %s, each class's AP in %s",
            *(result.mean_precision, len(ap), len(tested), views, path, Path(cfg.OUTPUT_DIR) / PRECISIONS_FILE),
        )
        final = {"_type": "test_final", "split": "test_final", "test_map": result.mean_precision}
        JsonStats(cfg.OUTPUT_DIR).write(final)
    return {"test_map": result.mean_precision, "test_classes": len(ap), "test_videos": len(result.indices)}


def _top5(numbers: Numbers) -> str:
    if "test_top5" not in numbers:
        return ""
    return f"; top-5 {numbers['test_top5']:.2f} %{in_brackets(numbers.get('test_top5_interval'))}"
