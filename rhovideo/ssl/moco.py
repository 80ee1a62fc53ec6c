"""MoCo over ρ clips (He et al., arXiv 1911.05722): keys of a momentum encoder, negatives from a queue."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo.models import build_backbone, build_projection
from rhovideo.ssl.diagnostics import embedding_std
from rhovideo.ssl.interface import all_but, check_form, check_views
from rhovideo.ssl.losses import multi_positive_nce, separate_positive_nce, unit
from rhovideo.ssl.momentum import MomentumUpdate, momentum_copy
from rhovideo.ssl.momentum_keys import in_one_pass
from rhovideo.ssl.process_dependence import batch_shuffle
from rhovideo.ssl.queue import Queue
from rhovideo.ssl.shuffle import BatchShuffle


class MoCo(nn.Module):
    """Every clip is a query once, so one clip's graph is alive at a time; see :class:`rhovideo.ssl.interface.Method`.

    Args:
        encoder: clips [N, 3, T, H, W] to features [N, C].
        projection: features to embeddings [N, dim].
        dim: size of an embedding.
        queue_length: negatives, a multiple of the global batch.
        temperature: α.
        momentum: of the momentum encoder, at the beginning.
        anneal: whether it rises to 1 along a cosine.
        form: "paper": the sum over positives inside the logarithm, averaged over the queries. "released": one
            cross-entropy for each positive, summed over the queries; the annealed momentum lags one step.
        enqueue_all_views: the keys of all clips go into the queue, or those of the first one alone.
        shuffle: shuffling batch norm; None: not done.
        first_epoch: the share of the training that is the first epoch, the only one in which steps are vetoed.
        keys_at_once: one pass through the momentum encoder for all clips of a batch, or one for each clip.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projection: nn.Module,
        dim: int,
        queue_length: int,
        *,
        temperature: float = 0.1,
        momentum: float = 0.994,
        anneal: bool = True,
        form: str = "paper",
        enqueue_all_views: bool = True,
        shuffle: BatchShuffle | None = None,
        first_epoch: float = 1.0,
        keys_at_once: bool = False,
    ):
        super().__init__()
        self.encoder, self.projection = encoder, projection
        self.momentum_encoder, self.momentum_projection = momentum_copy(encoder), momentum_copy(projection)
        self.momentum = MomentumUpdate(momentum, anneal, lagging=check_form(form) == "released")
        self.queue = Queue(queue_length, dim)
        self.temperature, self.form, self.enqueue_all_views = temperature, form, enqueue_all_views
        self.shuffle, self.first_epoch, self.keys_at_once = shuffle, first_epoch, keys_at_once
        self.signals: dict[str, Tensor] = {}
        self.embeddings: Tensor | None = None
        self._keys_of_step: list[Tensor] = []

    @classmethod
    def from_cfg(cls, cfg: CfgNode, encoder: nn.Module | None = None, projection: nn.Module | None = None) -> MoCo:
        """As CONTRASTIVE says; parts that are given stand in for those that the configuration would build."""
        encoder = build_backbone(cfg) if encoder is None else encoder
        return cls(
            encoder,
            build_projection(cfg, encoder.dim) if projection is None else projection,
            cfg.CONTRASTIVE.DIM,
            cfg.CONTRASTIVE.QUEUE_LEN,
            temperature=cfg.CONTRASTIVE.T,
            momentum=cfg.CONTRASTIVE.MOMENTUM,
            anneal=cfg.CONTRASTIVE.MOMENTUM_ANNEALING,
            form=cfg.CONTRASTIVE.LOSS_FORM,
            enqueue_all_views=cfg.CONTRASTIVE.MOCO_MULTI_VIEW_QUEUE,
            shuffle=batch_shuffle(cfg),
            first_epoch=1.0 / cfg.SOLVER.MAX_EPOCH,
            keys_at_once=cfg.CONTRASTIVE.KEYS_AT_ONCE,
        )

    def embed(self, x: Tensor) -> Tensor:
        """Unit embeddings [N, D] of clips [N, 3, T, H, W], from the trained encoder and projection."""
        return unit(self.projection(self.encoder(x)))

    @torch.no_grad()
    def key(self, view: Tensor) -> Tensor:
        """Keys [B, dim] of a view, from the momentum encoder."""
        return self._keys([view])[0]

    @torch.no_grad()
    def _keys(self, views: list[Tensor]) -> Tensor:
        """Keys [V, B, dim] of views, in one pass through the momentum encoder."""
        if self.shuffle is not None:
            views, orders = zip(*map(self.shuffle.deal, views), strict=True)
        keys = unit(in_one_pass([self.momentum_encoder, self.momentum_projection], views))
        return keys if self.shuffle is None else torch.stack(list(map(self.shuffle.collect, keys, orders)))

    def num_losses(self, num_views: int) -> int:
        return num_views

    def losses(self, views: list[Tensor], progress: float) -> Iterator[Tensor]:
        """Yield one scalar sub-loss a view, each to be passed back before the next is asked for.

        The first call of a step moves the momentum encoder and computes the keys of all views with it; the queue takes
        them in :meth:`after_backward`.

        Args:
            views: V >= 2 normalised tensors [B, 3, T, H, W], the clips of B videos.
            progress: the share of the training that is done, from 0 to 1, which the momentum rises with.

        Raises:
            ValueError: there are fewer than two views, or their shapes differ.
        """
        check_views(views)
        slow, trained = [self.momentum_encoder, self.momentum_projection], [self.encoder, self.projection]
        self.momentum.begin_step(slow, trained, progress)
        keys = self._keys(views) if self.keys_at_once else torch.stack([self.key(view) for view in views])
        self._keys_of_step.append(keys)
        for i, view in enumerate(views):
            query, positives = self.embed(view), all_but(keys, i)
            if i == 0:
                self._watch(query.detach(), positives)
            if self.form == "paper":
                yield multi_positive_nce(query, positives, self.queue.keys, self.temperature) / len(views)
            else:
                yield separate_positive_nce(query, positives, self.queue.keys, self.temperature)

    def _watch(self, query: Tensor, positives: Tensor) -> None:
        self.embeddings = query
        self.signals = {
            "embedding_std": embedding_std(query),
            "positive_similarity": (query * positives).sum(dim=2).mean(),
            "negative_similarity": (query.mean(dim=0) * self.queue.keys.mean(dim=0)).sum(),
        }

    def after_backward(self, progress: float, step: int) -> bool:
        """Enqueue the step's keys, clip by clip; False in the first epoch while the queue holds random vectors."""
        self.momentum.end_step()
        keys = torch.cat(self._keys_of_step, dim=1)  # micro-batches of one step
        self._keys_of_step = []
        # Asked in the first epoch alone: the answer lies on the device, which the host would wait for in every step.
        first_epoch = progress < self.first_epoch
        was_full = not first_epoch or self.queue.is_full
        for clip in keys if self.enqueue_all_views else keys[:1]:
            added = self.queue.enqueue(clip)
        filling = not was_full if self.form == "paper" else step * added < len(self.queue)
        return not (filling and first_epoch)
