"""TASK linear and TASK finetune: a classifier on a pre-trained encoder."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import torch
from fvcore.common.config import CfgNode
from torch import Tensor
from torch.nn import functional

from rhovideo import distributed
from rhovideo.data.lists.kept_rows import KeptRows
from rhovideo.data.loading.loader import Batch, Loader, build_loader
from rhovideo.engine.checkpoints.resuming import settle
from rhovideo.engine.device_inputs import job_device, to_network_input
from rhovideo.engine.evaluation.counts import ks_for
from rhovideo.engine.evaluation.evaluation_batches import readable_batches
from rhovideo.engine.evaluation.intervals import Numbers, with_intervals
from rhovideo.engine.evaluation.metrics import topk_correct
from rhovideo.engine.model_setup import place
from rhovideo.engine.tasks.multi_view_test import run_test, test_classifier
from rhovideo.engine.trainer import Trainer
from rhovideo.models.build import build_classifier
from rhovideo.models.network_size import describe
from rhovideo.randomness import Stream
from rhovideo.seeding import seed_everything
from rhovideo.zoo.pretrained import load_encoder_weights

logger = logging.getLogger(__name__)


class ClassifyTask:
    """A classifier trained with cross-entropy on one random clip of each video.

    Args:
        cfg: the job's.

    Attributes:
        validated: videos of the last evaluation; None before it.
    """

    def __init__(self, cfg: CfgNode) -> None:
        self.cfg = cfg
        self.device = job_device(cfg)
        seed_everything(Stream.INITIALISATION, cfg.RNG_SEED)
        self.model = build_classifier(cfg)
        if cfg.LOG_MODEL_INFO:
            logger.info(describe(self.model, cfg))
        self._load_encoder()
        place(self.model, cfg, self.device)
        self._signals: dict[str, Tensor] = {}
        self._validation: Loader | None = None
        self.validated: int | None = None

    def _load_encoder(self) -> None:
        source = self.cfg.TRAIN.CHECKPOINT_FILE_PATH
        if source:
            load_encoder_weights(self.model.encoder, source, self.cfg)
        else:
            # A start warns of it (check_chain); who calls the engine directly, such as the demo, means it.
            logger.info("The encoder starts from random weights (TRAIN.CHECKPOINT_FILE_PATH is empty)")

    def losses(self, batch: Batch, progress: float) -> Iterator[Tensor]:
        """Yield the cross-entropy of a batch with one view for each video."""
        operations = None if batch.operations is None else batch.operations[:, 0]
        clips = to_network_input(batch.clips[:, 0], self.cfg, self.device, operations)
        labels = batch.label.to(self.device, non_blocking=True)
        logits = self.model(clips)
        self._signals = {"top1": 100 * topk_correct(logits.detach(), labels, (1,))[0] / len(labels)}
        yield functional.cross_entropy(logits, labels)

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
        """Top-1 of the last batch, in percent."""
        return self._signals

    @torch.no_grad()
    def evaluate(self) -> Numbers:
        """Top-1 and top-5 of one centre clip of each validation video, in percent; NaN where none could be read.

        Of five classes or fewer there is no top-5. ``top1_interval`` and ``top5_interval`` are confidence intervals.

        Every process must call it.
        """
        if self._validation is None:
            self._validation = build_loader(self.cfg, "val", "eval")
        ks = ks_for(self.cfg.MODEL.NUM_CLASSES)
        counts = torch.zeros(len(ks) + 1, dtype=torch.int64, device=self.device)
        for batch in readable_batches(self._validation, self.cfg, "validation"):
            logits = self.model(to_network_input(batch.clips[:, 0], self.cfg, self.device))
            labels = batch.label.to(self.device)
            counts[:-1] += topk_correct(logits, labels, ks)
            counts[-1] += len(labels)
        *correct, total = distributed.sum_over_ranks(counts).tolist()
        self.validated = total
        share = 100 / total if total else math.nan
        return with_intervals({f"top{k}": share * count for k, count in zip(ks, correct, strict=True)}, total)

    def embeddings(self) -> None:
        """None: a classifier keeps no embeddings."""

    def state_dict(self) -> dict[str, Any]:
        """Empty: all state is in the model."""
        return {}

    def load_state_dict(self, state: dict[str, Any], rows: KeptRows | None = None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """End the workers of the validation set."""
        if self._validation is not None:
            self._validation.close()


def run_classify(cfg: CfgNode) -> Numbers:
    """Train a classifier where TRAIN.ENABLE is True, then test it on many views where TEST.ENABLE is True.

    Args:
        cfg: the job's.

    Returns:
        The numbers of the last evaluation and of the test; ``train_videos``, ``val_videos`` and ``test_videos`` count
        those that can be read and have a label.

    Raises:
        Stopped: a process was asked to stop; the same call goes on.
        TrainingStopped: a loss is not finite, or too many videos cannot be read.
    """
    if not cfg.TRAIN.ENABLE:
        return run_test(cfg)
    cfg, rate_factor = settle(cfg)
    with closing(build_loader(cfg, "train", "train")) as loader, closing(ClassifyTask(cfg)) as task:
        trainer = Trainer(cfg, task, loader, rate_factor)
        results = trainer.train()
        results["train_videos"] = max(len(loader.dataset) - trainer.state.videos.bad, 0)
        if task.validated is not None:
            results["val_videos"] = task.validated
    if cfg.TEST.ENABLE:
        results |= test_classifier(cfg, task.model)
    return results
