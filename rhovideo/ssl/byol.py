"""BYOL over ρ clips (Grill et al., arXiv 2006.07733): predict the momentum encoder's embedding of another clip."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rhovideo.ssl.diagnostics import collapse_signals, similarity_to_keys, spread_signals
from rhovideo.ssl.interface import all_but, check_form, check_views, sum_of_losses
from rhovideo.ssl.losses import negative_cosine, unit
from rhovideo.ssl.memory.momentum import MomentumUpdate, momentum_copy
from rhovideo.ssl.memory.momentum_keys import momentum_keys


class BYOL(nn.Module):
    """Every clip is a query once, so one clip's graph is alive at a time; see :class:`rhovideo.ssl.interface.Method`.

    Feichtenhofer et al. (arXiv 2104.14558), equation 2.

    Args:
        encoder: clips [N, 3, T, H, W] to features [N, C].
        projection: features to embeddings [N, D].
        predictor: embeddings to embeddings, [N, D] to [N, D].
        temperature: T of the released form; the paper's has none.
        momentum: of the momentum encoder, at the beginning.
        anneal: let it rise to 1 along a cosine.
        form: "paper": ``-2 cos``, averaged over the queries. "released": ``-cos / T``, summed over the queries; the
            annealed momentum lags one step.
        keys_at_once: one pass through the momentum encoder for all clips of a batch, or one for each clip.

    Raises:
        ValueError: there is no such form.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projection: nn.Module,
        predictor: nn.Module,
        *,
        temperature: float = 0.5,
        momentum: float = 0.996,
        anneal: bool = True,
        form: str = "paper",
        keys_at_once: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.projection, self.predictor = encoder, projection, predictor
        self.momentum_encoder, self.momentum_projection = momentum_copy(encoder), momentum_copy(projection)
        self.momentum = MomentumUpdate(momentum, anneal, lagging=check_form(form) == "released")
        self.temperature, self.form, self.keys_at_once = temperature, form, keys_at_once
        self.embeddings = torch.empty(0)
        self.signals: dict[str, Tensor] = {}
        self.diagnose = False

    def embed(self, x: Tensor) -> Tensor:
        """Unit embeddings [N, D] of clips [N, 3, T, H, W], from the trained encoder and projection."""
        return unit(self.projection(self.encoder(x)))

    def keys(self, views: list[Tensor]) -> Tensor:
        """Unit keys [V, B, D] of V views [B, 3, T, H, W], from the momentum encoder, without gradient."""
        return momentum_keys([self.momentum_encoder, self.momentum_projection], views, at_once=self.keys_at_once)

    def num_losses(self, num_views: int) -> int:
        """One sub-loss a view."""
        return num_views

    def losses(self, views: list[Tensor], progress: float = 0.0) -> Iterator[Tensor]:
        """Yield one scalar sub-loss a view, each to be passed back before the next is asked for.

        The first call of a step moves the momentum encoder; :meth:`after_backward` ends the step.

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
        for i, view in enumerate(views):
            projected, positives = self.projection(self.encoder(view)), all_but(keys, i)
            prediction = unit(self.predictor(projected))
            if i == 0:
                self.embeddings = unit(projected.detach())
                positive, negative = similarity_to_keys(prediction, positives)
                self.signals = collapse_signals(self.embeddings, positive, negative)
                if self.diagnose:
                    self.signals |= spread_signals(self.embeddings, positive)
            if self.form == "paper":
                yield negative_cosine(prediction, positives) / len(views)
            else:
                yield negative_cosine(prediction, positives, scale=1.0 / self.temperature)

    forward = sum_of_losses

    def after_backward(self, progress: float, step: int) -> bool:
        """End the step, so that the next call of :meth:`losses` moves the momentum encoder; never a veto."""
        self.momentum.end_step()
        return True
