"""TASK pretrain: a method learns from rho clips of each video."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo.data.loading.loader import Batch, Loader, build_loader
from rhovideo.engine.device_inputs import job_device, to_network_input
from rhovideo.engine.evaluation.evaluation_batches import readable_batches
from rhovideo.engine.evaluation.neighbours import KnnBank
from rhovideo.engine.model_setup import place
from rhovideo.engine.resuming import settle
from rhovideo.engine.trainer import Trainer
from rhovideo.models.network_size import describe
from rhovideo.randomness import Stream
from rhovideo.seeding import seed_everything
from rhovideo.ssl.build import build_method
from rhovideo.zoo.pretrained import load_method_weights

logger = logging.getLogger(__name__)


def start_from(method: nn.Module, source: str) -> None:
    """Give a method the weights of a pre-training checkpoint: encoders, heads, queue, prototypes; not its epoch.

    Args:
        method: from :func:`rhovideo.ssl.build.build_method`.
        source: a released pre-training checkpoint or one of this package (TRAIN.CHECKPOINT_FILE_PATH).

    Raises:
        WeightsError: the file holds no method, or not the one that is configured.
    """
    # How far the file's own training had come is no weight: momentum rises anew.
    place = {name: value.clone() for name, value in method.state_dict().items() if name.startswith("momentum.")}
    load_method_weights(method, source)
    method.load_state_dict(place, strict=False)


class PretrainTask:
    """A method, and the bank of training embeddings that its k-NN accuracy is measured with."""

    def __init__(self, cfg: CfgNode, loader: Loader) -> None:
        self.cfg = cfg
        self.device = job_device(cfg)
        seed_everything(Stream.INITIALISATION, cfg.RNG_SEED)
        self.model = build_method(cfg)
        if cfg.TRAIN.CHECKPOINT_FILE_PATH:
            start_from(self.model, cfg.TRAIN.CHECKPOINT_FILE_PATH)
        if cfg.LOG_MODEL_INFO:
            logger.info("%s: %s", cfg.CONTRASTIVE.TYPE, describe(self.model.encoder, cfg))
        place(self.model, cfg, self.device)
        self.bank = self._build_bank(loader)
        self._validation: Loader | None = None

    def _build_bank(self, loader: Loader) -> KnnBank | None:
        manifest = loader.dataset.manifest
        if not (self.cfg.CONTRASTIVE.KNN_ON and self.cfg.TRAIN.EVAL_PERIOD and manifest.has_labels):
            return None
        return KnnBank(len(manifest), self.cfg.CONTRASTIVE.DIM, max_rows=self.cfg.KNN.BANK_MAX).to(self.device)

    def losses(self, batch: Batch, progress: float) -> Iterator[Tensor]:
        views = to_network_input(batch.clips, self.cfg, self.device, batch.operations).unbind(1)
        return self.model.losses(list(views), progress)

    def num_losses(self, batch: Batch) -> int:
        return self.model.num_losses(batch.clips.shape[1])

    def after_backward(self, progress: float, step: int) -> bool:
        return self.model.after_backward(progress, step)

    def after_batch(self, batch: Batch) -> None:
        if self.bank is not None:
            self.bank.update(self.model.embeddings, batch.index, batch.label, batch.valid)

    def signals(self) -> dict[str, float | Tensor]:
        return self.model.signals

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Weighted k-NN top-1 of the validation videos among the training embeddings, in percent."""
        if self.bank is None:
            return {}
        if self._validation is None:
            self._validation = build_loader(self.cfg, "val", "eval")
        queries = [torch.zeros(0, self.cfg.CONTRASTIVE.DIM, device=self.device)]
        labels = [torch.zeros(0, dtype=torch.int64)]
        for batch in readable_batches(self._validation, self.cfg, "k-NN"):
            queries.append(self.model.embed(to_network_input(batch.clips[:, 0], self.cfg, self.device)).float())
            labels.append(batch.label)
        knn = self.cfg.KNN
        temperature = knn.T or self.cfg.CONTRASTIVE.T
        return {"knn_top1": self.bank.accuracy(torch.cat(queries), torch.cat(labels), knn.K, temperature)}

    def state_dict(self) -> dict:
        return {} if self.bank is None else {"bank": self.bank.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        if self.bank is not None and "bank" in state:
            self.bank.load_state_dict(state["bank"])

    def close(self) -> None:
        """End the workers of the validation set."""
        if self._validation is not None:
            self._validation.close()


def run_pretrain(cfg: CfgNode) -> dict[str, float]:
    """Pre-train to MAX_EPOCH and return the last evaluation's numbers."""
    cfg, rate_factor = settle(cfg)
    with closing(build_loader(cfg, "train", "pretrain")) as loader, closing(PretrainTask(cfg, loader)) as task:
        return Trainer(cfg, task, loader, rate_factor).train()
