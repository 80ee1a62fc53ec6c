"""SimCLR over ρ clips (Chen et al., arXiv 2002.05709): negatives are the other videos of the global batch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rhovideo.distributed import gather_with_gradient, rank
from rhovideo.ssl.diagnostics import (
    collapse_signals,
    contrast_top1,
    negative_similarity,
    positive_similarity,
    spread_signals,
)
from rhovideo.ssl.interface import check_form, check_views, sum_of_losses
from rhovideo.ssl.losses import clip_nce, unit


class SimCLR(nn.Module):
    """One encoder, one loss over all clips at once; see :class:`rhovideo.ssl.interface.Method`.

    Feichtenhofer et al. (arXiv 2104.14558), equation 1.

    Args:
        encoder: clips [N, 3, T, H, W] to features [N, C].
        projection: features to embeddings [N, D].
        temperature: α.
        form: "paper": every clip a query, all other clips of its video its positives, averaged over the queries.
            "released": NT-Xent of each pair of consecutive clips, summed over the pairs.
        across_processes: negatives from all processes, or from this one alone.

    Raises:
        ValueError: there is no such form.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projection: nn.Module,
        *,
        temperature: float = 0.1,
        form: str = "paper",
        across_processes: bool = True,
    ) -> None:
        super().__init__()
        self.encoder, self.projection = encoder, projection
        self.temperature, self.form, self.across_processes = temperature, check_form(form), across_processes
        self.embeddings = torch.empty(0)
        self.signals: dict[str, Tensor] = {}
        self.diagnose = False

    def embed(self, x: Tensor) -> Tensor:
        """Unit embeddings [N, D] of clips [N, 3, T, H, W], from the trained encoder and projection."""
        return unit(self.projection(self.encoder(x)))

    def num_losses(self, num_views: int) -> int:
        """One for all views."""
        return 1

    def losses(self, views: list[Tensor], progress: float = 0.0) -> Iterator[Tensor]:
        """Yield one scalar, the loss of all clips of the batch.

        Negatives are the clips of the other videos, of all processes with ``across_processes``.

        Args:
            views: V >= 2 normalised tensors [B, 3, T, H, W], the clips of B videos.
            progress: the share of the training that is done, from 0 to 1; it changes nothing here.

        Raises:
            ValueError: there are fewer than two views, or their shapes differ.
        """
        check_views(views)
        z = torch.stack([self.embed(view) for view in views])
        everyone, first = z, 0
        if self.across_processes:
            everyone = gather_with_gradient(z.transpose(0, 1)).transpose(0, 1)
            first = rank() * z.shape[1]
        self.embeddings = z[0].detach()
        positive = positive_similarity(z)
        self.signals = collapse_signals(z[0], positive, negative_similarity(everyone))
        if self.diagnose:
            self.signals |= spread_signals(z[0], positive) | {"contrast_top1": self._contrast(z.detach())}
        if self.form == "paper":
            yield clip_nce(z, everyone, first, self.temperature)
        else:
            pairs = [slice(i, i + 2) for i in range(len(views) - 1)]
            each = (clip_nce(z[pair], everyone[pair], first, self.temperature) for pair in pairs)
            yield sum(each, start=z.new_zeros(()))

    forward = sum_of_losses

    @staticmethod
    def _contrast(z: Tensor) -> Tensor:
        """Of view 0 against view 1, among the videos of this process."""
        cosines = z[0] @ z[1].T
        own = cosines.diagonal().clone()
        return contrast_top1(own, cosines.fill_diagonal_(-2.0))

    def after_backward(self, progress: float, step: int) -> bool:
        """Do nothing; never a veto."""
        return True
