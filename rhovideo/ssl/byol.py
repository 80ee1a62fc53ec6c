"""BYOL over ρ clips (Grill et al., arXiv 2006.07733): predict the momentum encoder's embedding of another clip."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo.models import build_backbone, build_predictor, build_projection
from rhovideo.ssl.diagnostics import embedding_std, similarity_to_keys
from rhovideo.ssl.interface import all_but, check_form, check_views
from rhovideo.ssl.losses import negative_cosine, unit
from rhovideo.ssl.momentum import MomentumUpdate, momentum_copy
from rhovideo.ssl.momentum_keys import in_one_pass


class BYOL(nn.Module):
    """Every clip is a query once, so one clip's graph is alive at a time; see :class:`rhovideo.ssl.interface.Method`.

    Args:
        encoder: clips [N, 3, T, H, W] to features [N, C].
        projection: features to embeddings [N, D].
        predictor: embeddings to embeddings, [N, D] to [N, D].
        temperature: T of the released form; the paper's has none.
        momentum: of the momentum encoder, at the beginning.
        anneal: whether it rises to 1 along a cosine.
        form: "paper": ``-2 cos``, averaged over the queries. "released": ``-cos / T``, summed over the queries; the
            annealed momentum lags one step.
        keys_at_once: one pass through the momentum encoder for all clips of a batch, or one for each clip.
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
    ):
        super().__init__()
        self.encoder, self.projection, self.predictor = encoder, projection, predictor
        self.momentum_encoder, self.momentum_projection = momentum_copy(encoder), momentum_copy(projection)
        self.momentum = MomentumUpdate(momentum, anneal, lagging=check_form(form) == "released")
        self.temperature, self.form, self.keys_at_once = temperature, form, keys_at_once
        self.signals: dict[str, Tensor] = {}
        self.embeddings: Tensor | None = None

    @classmethod
    def from_cfg(
        cls,
        cfg: CfgNode,
        encoder: nn.Module | None = None,
        projection: nn.Module | None = None,
        predictor: nn.Module | None = None,
    ) -> BYOL:
        """As CONTRASTIVE says; parts that are given stand in for those that the configuration would build."""
        encoder = build_backbone(cfg) if encoder is None else encoder
        return cls(
            encoder,
            build_projection(cfg, encoder.dim) if projection is None else projection,
            build_predictor(cfg) if predictor is None else predictor,
            temperature=cfg.CONTRASTIVE.T,
            momentum=cfg.CONTRASTIVE.MOMENTUM,
            anneal=cfg.CONTRASTIVE.MOMENTUM_ANNEALING,
            form=cfg.CONTRASTIVE.LOSS_FORM,
            keys_at_once=cfg.CONTRASTIVE.KEYS_AT_ONCE,
        )

    def embed(self, x: Tensor) -> Tensor:
        """Unit embeddings [N, D] of clips [N, 3, T, H, W], from the trained encoder and projection."""
        return unit(self.projection(self.encoder(x)))

    @torch.no_grad()
    def key(self, view: Tensor) -> Tensor:
        """Keys [B, D] of a view, from the momentum encoder."""
        return self._keys([view])[0]

    @torch.no_grad()
    def _keys(self, views: list[Tensor]) -> Tensor:
        """Keys [V, B, D] of views, in one pass through the momentum encoder."""
        return unit(in_one_pass([self.momentum_encoder, self.momentum_projection], views))

    def num_losses(self, num_views: int) -> int:
        return num_views

    def losses(self, views: list[Tensor], progress: float) -> Iterator[Tensor]:
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
        keys = self._keys(views) if self.keys_at_once else torch.stack([self.key(view) for view in views])
        for i, view in enumerate(views):
            projected, positives = self.projection(self.encoder(view)), all_but(keys, i)
            prediction = unit(self.predictor(projected))
            if i == 0:
                self._watch(unit(projected.detach()), prediction.detach(), positives)
            if self.form == "paper":
                yield negative_cosine(prediction, positives) / len(views)
            else:
                yield negative_cosine(prediction, positives, scale=1.0 / self.temperature)

    def _watch(self, embeddings: Tensor, prediction: Tensor, positives: Tensor) -> None:
        positive, negative = similarity_to_keys(prediction, positives)
        self.embeddings = embeddings
        self.signals = {
            "embedding_std": embedding_std(embeddings),
            "positive_similarity": positive,
            "negative_similarity": negative,
        }

    def after_backward(self, progress: float, step: int) -> bool:
        """End the step, so that the next call of :meth:`losses` moves the momentum encoder; never a veto."""
        self.momentum.end_step()
        return True
