"""TASK pretrain: a method learns from rho clips of each video."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, cast

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo import distributed
from rhovideo.data.lists.kept_rows import KeptRows
from rhovideo.data.loading.loader import Batch, Loader, build_loader
from rhovideo.engine.checkpoints.resuming import settle
from rhovideo.engine.device_inputs import job_device, to_network_input
from rhovideo.engine.evaluation.evaluation_batches import readable_batches
from rhovideo.engine.evaluation.intervals import Numbers, with_intervals
from rhovideo.engine.evaluation.knn.knn_bank import KnnBank
from rhovideo.engine.evaluation.knn.neighbours import SameVideos
from rhovideo.engine.evaluation.knn.video_numbers import video_numbers
from rhovideo.engine.log.collapse_watch import CollapseWatch
from rhovideo.engine.log.model_sizes import note_sizes
from rhovideo.engine.model_setup import place
from rhovideo.engine.trainer import Trainer
from rhovideo.randomness import Stream
from rhovideo.seeding import seed_everything
from rhovideo.ssl.build import build_method
from rhovideo.ssl.interface import Method
from rhovideo.zoo.pretrained import load_method_weights

logger = logging.getLogger(__name__)


def start_from(method: nn.Module, source: str) -> None:
    """Load the weights of a pre-training checkpoint into a method: encoders, heads, queue, prototypes.

    How far that training had come is not taken over: the momentum rises from its beginning.

    Args:
        method: from :func:`rhovideo.ssl.build.build_method`.
        source: a released pre-training checkpoint or one of this package (TRAIN.CHECKPOINT_FILE_PATH).

    Raises:
        WeightsError: the file holds no method, or not the one that is configured.
    """
    beginning = {name: value.clone() for name, value in method.state_dict().items() if name.startswith("momentum.")}
    load_method_weights(method, source)
    method.load_state_dict(beginning, strict=False)


_HEADS = ("projection", "predictor", "prototypes")


class PretrainTask:
    """A method, and the bank of training embeddings by which its k-NN accuracy is measured.

    Args:
        cfg: the job's.
        loader: of the training videos, which the bank has a row for.
    """

    def __init__(self, cfg: CfgNode, loader: Loader) -> None:
        self.cfg = cfg
        self.device = job_device(cfg)
        seed_everything(Stream.INITIALISATION, cfg.RNG_SEED)
        self.model: nn.Module = build_method(cfg)
        # The same object, by the names that every method has.
        self._method = cast(Method, self.model)
        self._method.diagnose = cfg.LOG_DIAGNOSTICS
        if cfg.TRAIN.CHECKPOINT_FILE_PATH:
            start_from(self.model, cfg.TRAIN.CHECKPOINT_FILE_PATH)
        note_sizes(cfg, _heads(self.model))
        place(self.model, cfg, self.device)
        self.bank = self._build_bank(loader)
        self._watch = CollapseWatch(cfg, loader.steps_per_epoch)
        self._validation: Loader | None = None
        # Of the bank's rows and the validation videos; found at the first evaluation.
        self._numbers: tuple[Tensor, Tensor] | None = None

    def _build_bank(self, loader: Loader) -> KnnBank | None:
        manifest = loader.dataset.manifest
        if not (self.cfg.CONTRASTIVE.KNN_ON and self.cfg.TRAIN.EVAL_PERIOD and manifest.has_labels):
            return None
        return KnnBank(len(manifest), self.cfg.CONTRASTIVE.DIM, max_rows=self.cfg.KNN.BANK_MAX).to(self.device)

    def losses(self, batch: Batch, progress: float) -> Iterator[Tensor]:
        """Yield the method's sub-losses, see :meth:`rhovideo.ssl.interface.Method.losses`."""
        views = to_network_input(batch.clips, self.cfg, self.device, batch.operations).unbind(1)
        return self._method.losses(list(views), progress)

    def num_losses(self, batch: Batch) -> int:
        """The number of the method's sub-losses for this batch."""
        return self._method.num_losses(batch.clips.shape[1])

    def after_backward(self, progress: float, step: int) -> bool:
        """Let the method end its step; False where it vetoes the optimizer's."""
        return self._method.after_backward(progress, step)

    def after_batch(self, batch: Batch) -> None:
        """Put the batch's embeddings into the bank."""
        if self.bank is not None:
            self.bank.update(self._method.embeddings, batch.index, batch.label, batch.valid)

    def signals(self) -> dict[str, Tensor]:
        """The method's numbers that show a collapse; with LOG_DIAGNOSTICS also the encoder's share of the gradient."""
        if not self.cfg.LOG_DIAGNOSTICS:
            return self._method.signals
        return self._method.signals | {"encoder_gradient_share": self._encoder_gradient_share()}

    @torch.no_grad()
    def _encoder_gradient_share(self) -> Tensor:
        """The encoder's share of the squared norm of the step's gradient; the rest is that of heads and prototypes."""
        whole, encoder = (
            nn.utils.get_total_norm([p.grad for p in part.parameters() if p.grad is not None]).square()
            for part in (self.model, self._method.encoder)
        )
        return encoder / whole

    def after_epoch(self, number: int, means: Mapping[str, Any]) -> None:
        """Warn of a collapse or a stall that the epoch's means show."""
        for warning in self._watch.after_epoch(number, means) if distributed.is_main() else ():
            logger.warning(warning)

    @torch.no_grad()
    def evaluate(self) -> Numbers:
        """Weighted k-NN top-1 of the validation videos among the training embeddings, in percent; empty without a bank.

        A validation video that is a training video too is left out of its own neighbours, as in TASK knn.
        ``knn_top1_interval`` is its confidence interval, and ``knn_videos`` the number of videos that it is of.

        Every process must call it.
        """
        if self.bank is None:
            return {}
        if self._validation is None:
            self._validation = build_loader(self.cfg, "val", "eval")
            self._numbers = self._number_videos(self.bank)
        queries = [torch.zeros(0, self.cfg.CONTRASTIVE.DIM, device=self.device)]
        labels, places = ([torch.zeros(0, dtype=torch.int64)] for _ in range(2))
        for batch in readable_batches(self._validation, self.cfg, "k-NN"):
            queries.append(self._method.embed(to_network_input(batch.clips[:, 0], self.cfg, self.device)).float())
            labels.append(batch.label)
            places.append(batch.index)
        same = self._numbers and SameVideos(self._numbers[1][torch.cat(places)], self._numbers[0])
        knn = self.cfg.KNN
        temperature = knn.T or self.cfg.CONTRASTIVE.T
        correct, videos = self.bank.count(torch.cat(queries), torch.cat(labels), knn.K, temperature, same)
        accuracy = 100.0 * correct / videos if videos else math.nan
        return with_intervals({"knn_top1": accuracy}, videos) | {"knn_videos": videos}

    def _number_videos(self, bank: KnnBank) -> tuple[Tensor, Tensor] | None:
        numbers = video_numbers(self.cfg, "train", "val")
        return None if numbers is None else (bank.by_row(numbers[0]), numbers[1])

    def embeddings(self) -> tuple[Tensor, Tensor] | None:
        """The bank's embeddings of the videos seen so far, and their labels; None without a bank."""
        if self.bank is None:
            return None
        return self.bank.embeddings[self.bank.seen], self.bank.labels[self.bank.seen]

    def state_dict(self) -> dict[str, Any]:
        """The bank's state, without that of the model."""
        return {} if self.bank is None else {"bank": self.bank.state_dict()}

    def load_state_dict(self, state: dict[str, Any], rows: KeptRows | None = None) -> None:
        """Take over a bank's state, where both sides have a bank; of a list that rows were taken out of, the rest."""
        if self.bank is None or "bank" not in state:
            return
        if rows is None:
            self.bank.load_state_dict(state["bank"])
        else:
            self.bank.take_over(state["bank"], torch.from_numpy(rows.origin), rows.before)

    def close(self) -> None:
        """End the workers of the validation set."""
        if self._validation is not None:
            self._validation.close()


def run_pretrain(cfg: CfgNode) -> Numbers:
    """Pre-train to SOLVER.MAX_EPOCH, or go on with it.

    Args:
        cfg: the job's.

    Returns:
        The numbers of the last evaluation.

    Raises:
        Stopped: a process was asked to stop; the same call goes on.
        TrainingStopped: a loss is not finite, or too many videos cannot be read.
    """
    cfg, rate_factor = settle(cfg)
    with closing(build_loader(cfg, "train", "pretrain")) as loader, closing(PretrainTask(cfg, loader)) as task:
        return Trainer(cfg, task, loader, rate_factor).train()


def _heads(method: nn.Module) -> dict[str, nn.Module]:
    """The parts of a method that embeddings go through, by the names that methods give them."""
    return {name: part for name, part in method.named_children() if name in _HEADS}
