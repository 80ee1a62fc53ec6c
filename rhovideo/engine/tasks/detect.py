"""TASK detection: the actions of people in boxes, learned from a pre-trained encoder; and TASK detection_test."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, cast

from fvcore.common.config import CfgNode
from torch import Tensor
from torch.nn import functional

from rhovideo import distributed
from rhovideo.data.lists.boxes.key_frames import KeyFrameList
from rhovideo.data.lists.kept_rows import KeptRows
from rhovideo.data.loading.loader import Batch, Loader, build_loader
from rhovideo.engine.checkpoints.checkpoint import checkpoint_to_measure
from rhovideo.engine.checkpoints.resuming import settle
from rhovideo.engine.device_inputs import DTYPES, job_device, to_network_input
from rhovideo.engine.evaluation.detections import (
    Truth,
    evaluated_every,
    measure,
    score_key_frames,
    write_classes,
    write_detections,
)
from rhovideo.engine.evaluation.intervals import Numbers
from rhovideo.engine.log.json_stats import JsonStats
from rhovideo.engine.log.model_sizes import note_sizes
from rhovideo.engine.model_setup import place
from rhovideo.engine.trainer import Trainer
from rhovideo.errors import JobError
from rhovideo.models.detector import Detector, build_detector
from rhovideo.randomness import Stream
from rhovideo.seeding import seed_everything
from rhovideo.zoo.files.checkpoint_files import read_weights
from rhovideo.zoo.pretrained import load_classifier_weights, load_encoder_weights

logger = logging.getLogger(__name__)


class DetectionTask:
    """A detector trained with the binary cross-entropy of each class, on one clip around each key frame.

    Args:
        cfg: the job's.
    """

    def __init__(self, cfg: CfgNode) -> None:
        self.cfg = cfg
        self.device = job_device(cfg)
        seed_everything(Stream.INITIALISATION, cfg.RNG_SEED)
        self.model = build_detector(cfg)
        note_sizes(cfg, {})
        source = cfg.TRAIN.CHECKPOINT_FILE_PATH
        if source:
            load_encoder_weights(self.model.encoder, source, cfg)
        else:
            logger.info("The encoder starts from random weights (TRAIN.CHECKPOINT_FILE_PATH is empty)")
        place(self.model, cfg, self.device)
        self._validation: Loader | None = None
        self._truth: Truth | None = None

    def losses(self, batch: Batch, progress: float) -> Iterator[Tensor]:
        """Yield the mean over the boxes of this process and the classes, as the released code does."""
        assert batch.boxes is not None  # the data set is one of key frames
        operations = None if batch.operations is None else batch.operations[:, 0]
        clips = to_network_input(batch.clips[:, 0], self.cfg, self.device, operations)
        boxes = batch.boxes.pixels.to(self.device, non_blocking=True)
        targets = batch.boxes.targets.to(self.device, non_blocking=True)
        logits = self.model.logits(clips, boxes)
        yield functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))

    def num_losses(self, batch: Batch) -> int:
        """One."""
        return 1

    def after_backward(self, progress: float, step: int) -> bool:
        """Allow every step."""
        return True

    def after_batch(self, batch: Batch) -> None:
        """Do nothing."""

    def after_epoch(self, number: int, means: Mapping[str, Any]) -> None:
        """Do nothing."""

    def signals(self) -> dict[str, Tensor]:
        """Empty."""
        return {}

    def evaluate(self) -> Numbers:
        """The mean average precision on the validation key frames, in percent; NaN where they have no true box.

        ``map`` is by ActivityNet's rule, ``map_file_order`` by PySlowFast's. Every process must call it.
        """
        if self._validation is None:
            self._validation = build_loader(self.cfg, "val", "eval")
            self._truth = Truth.read(self.cfg, evaluated_every(self.cfg))
        scores = score_key_frames(self.model, self._validation, self.cfg, "validation")
        assert self._truth is not None  # read with the loader
        frames = cast(KeyFrameList, self._validation.dataset.manifest)
        return dict(measure(frames, scores, self._truth).numbers())

    def embeddings(self) -> None:
        """None: a detector keeps no embeddings."""

    def state_dict(self) -> dict[str, Any]:
        """Empty: all state is in the model."""
        return {}

    def load_state_dict(self, state: dict[str, Any], rows: KeptRows | None = None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """End the workers of the validation set."""
        if self._validation is not None:
            self._validation.close()


def run_detection(cfg: CfgNode) -> Numbers:
    """Train a detector, then test it where TEST.ENABLE is True.

    Args:
        cfg: the job's.

    Returns:
        The numbers of the last evaluation and of the test; ``train_key_frames``, those that can be read.

    Raises:
        Stopped: a process was asked to stop; the same call goes on.
        TrainingStopped: a loss is not finite, or too many key frames cannot be read.
    """
    cfg, rate_factor = settle(cfg)
    with closing(build_loader(cfg, "train", "train")) as loader, closing(DetectionTask(cfg)) as task:
        trainer = Trainer(cfg, task, loader, rate_factor)
        results = trainer.train()
        results["train_key_frames"] = max(len(loader.dataset) - trainer.state.videos.bad, 0)
    if cfg.TEST.ENABLE:
        results |= test_detector(cfg, task.model)
    return results


def run_detection_test(cfg: CfgNode) -> Numbers:
    """Test the detector of :func:`rhovideo.engine.checkpoints.checkpoint.checkpoint_to_measure`.

    Args:
        cfg: the job's.

    Returns:
        The numbers of :func:`test_detector`.

    Raises:
        JobError: there is no checkpoint.
    """
    source = checkpoint_to_measure(cfg)
    if not source:
        raise JobError(
            f"There is nothing to test: {cfg.OUTPUT_DIR} holds no checkpoint of a detector. "
            "Write TEST.CHECKPOINT_FILE_PATH path/to/checkpoint.pyth",
            keys=("TEST.CHECKPOINT_FILE_PATH",),
        )
    detector = build_detector(cfg)
    load_classifier_weights(detector, read_weights(source), cfg)
    return test_detector(cfg, detector.to(job_device(cfg), DTYPES[cfg.TRAIN.DTYPE]))


def test_detector(cfg: CfgNode, detector: Detector) -> Numbers:
    """Score the boxes of every test key frame, one whole frame each, and measure them.

    Rank 0 writes ``detections.csv``, in AVA's format, and ``per_class_ap.csv`` to OUTPUT_DIR.

    Args:
        cfg: the job's.
        detector: on the job's device; put into eval mode.

    Returns:
        ``test_map``, by ActivityNet's rule, and ``test_map_file_order``, by PySlowFast's, in percent;
        ``test_key_frames`` and ``test_boxes``, the numbers of those that were scored.
    """
    detector.eval()
    truth = Truth.read(cfg)
    with closing(build_loader(cfg, "test", "test")) as loader:
        frames = cast(KeyFrameList, loader.dataset.manifest)
        scores = score_key_frames(detector, loader, cfg, "test")
    measured = measure(frames, scores, truth)
    numbers = measured.numbers("test_")
    boxes = sum(map(len, scores.values()))
    if distributed.is_main():
        path = write_detections(cfg.OUTPUT_DIR, frames, scores, truth)
        write_classes(cfg.OUTPUT_DIR, measured, truth.names)
        logger.info(
            "Test: mAP %.2f %% over %d classes at IoU 0.5 (%.2f %% with PySlowFast's order of rows), %d boxes "
            "of %d key frames; detections in %s",
            *(numbers["test_map"], len(measured.true_boxes), numbers["test_map_file_order"]),
            *(boxes, len(scores), path),
        )
        final = {"_type": "test_final", "split": "test_final"}
        JsonStats(cfg.OUTPUT_DIR).write(final | {name: numbers[f"test_{name}"] for name in ("map", "map_file_order")})
    return {**numbers, "test_key_frames": len(scores), "test_boxes": boxes}
