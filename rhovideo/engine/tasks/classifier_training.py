"""A classifier in training: its loss, its validation, and its batch norms."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from fvcore.common.config import CfgNode
from torch import Tensor
from torch.nn import functional

from rhovideo import distributed
from rhovideo.data.lists.kept_rows import KeptRows
from rhovideo.data.loading.loader import Batch, Loader, build_loader
from rhovideo.engine.device_inputs import autocast, job_device, to_network_input
from rhovideo.engine.evaluation.counts import ks_for
from rhovideo.engine.evaluation.evaluation_batches import readable_batches
from rhovideo.engine.evaluation.intervals import Numbers, with_intervals
from rhovideo.engine.evaluation.metrics import topk_correct
from rhovideo.engine.log.model_sizes import note_sizes
from rhovideo.engine.model_setup import place
from rhovideo.engine.step.precise_norms import recompute_norms
from rhovideo.engine.timetable import Position, Timetable
from rhovideo.models.build import build_classifier
from rhovideo.randomness import Stream
from rhovideo.seeding import seed_everything
from rhovideo.zoo.pretrained import load_encoder_weights

logger = logging.getLogger(__name__)


class ClassifyTask:
    """A classifier trained with cross-entropy on one random clip of each video.

    Args:
        cfg: the job's.
        loader: of the training videos, for BN.USE_PRECISE_STATS; None: without.

    Attributes:
        validated: videos of the last evaluation; None before it.
    """

    def __init__(self, cfg: CfgNode, loader: Loader | None = None) -> None:
        self.cfg = cfg
        self._loader = loader
        self.device = job_device(cfg)
        seed_everything(Stream.INITIALISATION, cfg.RNG_SEED)
        self.model = build_classifier(cfg)
        note_sizes(cfg, {"classifier": self.model.head})
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
        """Yield the loss of a batch with one view for each video."""
        yield self._loss(self.model(self._network_input(batch)), batch)

    def _network_input(self, batch: Batch) -> Tensor:
        operations = None if batch.operations is None else batch.operations[:, 0]
        return to_network_input(batch.clips[:, 0], self.cfg, self.device, operations)

    def _loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """The cross-entropy of logits [B, K], and the signals of the step."""
        labels = batch.label.to(self.device, non_blocking=True)
        self._signals = {"top1": 100 * topk_correct(logits.detach(), labels, (1,))[0] / len(labels)}
        return functional.cross_entropy(logits, labels)

    def num_losses(self, batch: Batch) -> int:
        """One."""
        return 1

    def after_backward(self, progress: float, step: int) -> bool:
        """Allow every step."""
        return True

    def after_batch(self, batch: Batch) -> None:
        """Do nothing."""

    def after_epoch(self, number: int, means: Mapping[str, Any]) -> None:
        """Recompute the batch norms' statistics where they are about to be used (BN.USE_PRECISE_STATS)."""
        if self.cfg.BN.USE_PRECISE_STATS and self._loader is not None:
            steps = self._loader.steps_per_epoch
            if Timetable.from_cfg(self.cfg, steps).checkpoint_due(Position(number)):
                inputs = (self._network_input(batch) for batch in self._loader.epoch(number))
                with autocast(self.cfg, self.device):
                    recompute_norms(self.model, inputs, min(self.cfg.BN.NUM_BATCHES_PRECISE, steps))

    def signals(self) -> dict[str, Tensor]:
        """Top-1 of the last batch, in percent."""
        return self._signals

    @torch.no_grad()
    def evaluate(self) -> Numbers:
        """Measure one centre clip of each validation video; every process must call it."""
        if self._validation is None:
            self._validation = build_loader(self.cfg, "val", "eval")
        batches = readable_batches(self._validation, self.cfg, "validation")
        return self._measure(
            (self.model(to_network_input(batch.clips[:, 0], self.cfg, self.device)), batch) for batch in batches
        )

    def _measure(self, predictions: Iterator[tuple[Tensor, Batch]]) -> Numbers:
        """Top-1 and top-5 in percent; NaN where no video could be read.

        Of five classes or fewer there is no top-5. ``top1_interval`` and ``top5_interval`` are confidence intervals.
        """
        ks = ks_for(self.cfg.MODEL.NUM_CLASSES)
        counts = torch.zeros(len(ks) + 1, dtype=torch.int64, device=self.device)
        for logits, batch in predictions:
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
