"""MoCo over ρ clips (He et al., arXiv 1911.05722): keys of a momentum encoder, negatives from a queue."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rhovideo.ssl.diagnostics import collapse_signals, contrast_top1, similarity_to_queue, spread_signals
from rhovideo.ssl.interface import all_but, check_form, check_views, sum_of_losses
from rhovideo.ssl.losses import multi_positive_nce, separate_positive_nce, unit
from rhovideo.ssl.memory.momentum import MomentumUpdate, momentum_copy
from rhovideo.ssl.memory.momentum_keys import BatchShuffle, momentum_keys
from rhovideo.ssl.memory.queue import Queue


class MoCo(nn.Module):
    """Every clip is a query once, so one clip's graph is alive at a time; see :class:`rhovideo.ssl.interface.Method`.

    Feichtenhofer et al. (arXiv 2104.14558), equation 1.

    Args:
        encoder: clips [N, 3, T, H, W] to features [N, C].
        projection: features to embeddings [N, dim].
        dim: size of an embedding.
        queue_length: negatives, a multiple of the global batch.
        temperature: α.
        momentum: of the momentum encoder, at the beginning.
        anneal: let it rise to 1 along a cosine.
        form: "paper": the sum over positives inside the logarithm, averaged over the queries. "released": one
            cross-entropy for each positive, summed over the queries; the annealed momentum lags one step.
        enqueue_all_views: the keys of all clips go into the queue, or those of the first one alone.
        shuffle: shuffling batch norm; None: not done.
        first_epoch: the share of the training that is the first epoch, the only one in which steps are vetoed.
        keys_at_once: one pass through the momentum encoder for all clips of a batch, or one for each clip.

    Raises:
        ValueError: there is no such form.
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
    ) -> None:
        super().__init__()
        self.encoder, self.projection = encoder, projection
        self.momentum_encoder, self.momentum_projection = momentum_copy(encoder), momentum_copy(projection)
        self.momentum = MomentumUpdate(momentum, anneal, lagging=check_form(form) == "released")
        self.queue = Queue(queue_length, dim)
        self.temperature, self.form, self.enqueue_all_views = temperature, form, enqueue_all_views
        self.shuffle, self.first_epoch, self.keys_at_once = shuffle, first_epoch, keys_at_once
        self.embeddings = torch.empty(0)
        self.signals: dict[str, Tensor] = {}
        self.diagnose = False
        self._keys_of_step: list[Tensor] = []

    def embed(self, x: Tensor) -> Tensor:
        """Unit embeddings [N, dim] of clips [N, 3, T, H, W], from the trained encoder and projection."""
        return unit(self.projection(self.encoder(x)))

    def keys(self, views: list[Tensor]) -> Tensor:
        """Unit keys [V, B, dim] of V views [B, 3, T, H, W], from the momentum encoder, without gradient."""
        slow = [self.momentum_encoder, self.momentum_projection]
        return momentum_keys(slow, views, self.shuffle, self.keys_at_once)

    def num_losses(self, num_views: int) -> int:
        """One sub-loss a view."""
        return num_views

    def losses(self, views: list[Tensor], progress: float = 0.0) -> Iterator[Tensor]:
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
        keys = self.keys(views)
        self._keys_of_step.append(keys)
        for i, view in enumerate(views):
            query, positives, negatives = self.embed(view), all_but(keys, i), self.queue.keys
            if i == 0:
                self.embeddings = query.detach()
                positive, negative = similarity_to_queue(query, positives, negatives)
                self.signals = collapse_signals(self.embeddings, positive, negative)
                if self.diagnose:
                    contrast = contrast_top1((self.embeddings * positives[0]).sum(1), self.embeddings @ negatives.T)
                    self.signals |= spread_signals(self.embeddings, positive) | {"contrast_top1": contrast}
            if self.form == "paper":
                yield multi_positive_nce(query, positives, negatives, self.temperature) / len(views)
            else:
                yield separate_positive_nce(query, positives, negatives, self.temperature)

    forward = sum_of_losses

    def after_backward(self, progress: float, step: int) -> bool:
        """Enqueue the step's keys, clip by clip; False in the first epoch while the queue holds random vectors.

        Args:
            progress: as in :meth:`losses`.
            step: optimizer steps before this one, vetoed ones included.
        """
        self.momentum.end_step()
        keys = torch.cat(self._keys_of_step, dim=1)  # the micro-batches of one step
        self._keys_of_step = []
        was_full = self.queue.is_full
        added = [self.queue.enqueue(clip) for clip in (keys if self.enqueue_all_views else keys[:1])]
        filling = not was_full if self.form == "paper" else step * added[0] < len(self.queue)
        return not (filling and progress < self.first_epoch)
