"""SwAV over ρ clips (Caron et al., arXiv 2006.09882): predict another clip's assignment to prototypes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rhovideo.distributed import rank, world_size
from rhovideo.ssl.diagnostics import (
    collapse_signals,
    negative_similarity,
    positive_similarity,
    prototype_signals,
    spread_signals,
)
from rhovideo.ssl.interface import check_form, check_views, sum_of_losses
from rhovideo.ssl.losses import products, swapped_prediction, unit
from rhovideo.ssl.memory.queue import Queue
from rhovideo.ssl.sinkhorn import sinkhorn_knopp

# The released form predicts the codes of clips 0 and 1.
RELEASED_CODE_VIEWS = 2


class SwAV(nn.Module):
    """One encoder and prototypes, one loss over all clips at once; see :class:`rhovideo.ssl.interface.Method`.

    Feichtenhofer et al. (arXiv 2104.14558), equation 3.

    Args:
        encoder: clips [N, 3, T, H, W] to features [N, C].
        projection: features to embeddings [N, dim].
        dim: size of an embedding.
        num_prototypes: K.
        temperature: α.
        epsilon: entropy of Sinkhorn-Knopp's codes.
        iterations: rounds of Sinkhorn-Knopp.
        form: "paper": every clip's codes are predicted from every other clip. "released": those of clips 0 and 1.
        freeze_until: the share of the training in which the prototypes stay as they are.
        queue_length: earlier embeddings of each code view, over all processes, that take part in Sinkhorn-Knopp.
        queue_from: the share of the training from which the queue is filled, and used once it is full.
        code_views: with a queue: the number of views whose codes are predicted; all V in the "paper" form, 2 in the
            "released" one.

    Raises:
        ValueError: there is no such form.
    """

    def __init__(
        self,
        encoder: nn.Module,
        projection: nn.Module,
        dim: int,
        *,
        num_prototypes: int = 1000,
        temperature: float = 0.1,
        epsilon: float = 0.05,
        iterations: int = 3,
        form: str = "paper",
        freeze_until: float = 0.0,
        queue_length: int = 0,
        queue_from: float = 0.0,
        code_views: int = RELEASED_CODE_VIEWS,
    ) -> None:
        super().__init__()
        self.encoder, self.projection = encoder, projection
        self.prototypes = nn.Linear(dim, num_prototypes, bias=False)
        self.temperature, self.epsilon, self.iterations = temperature, epsilon, iterations
        self.form, self.freeze_until, self.queue_from = check_form(form), freeze_until, queue_from
        # A row holds the embeddings of all code views of one video.
        self.code_queue = Queue(queue_length, code_views * dim) if queue_length else None
        self.embeddings = torch.empty(0)
        self.signals: dict[str, Tensor] = {}
        self.diagnose = False

    def embed(self, x: Tensor) -> Tensor:
        """Unit embeddings [N, dim] of clips [N, 3, T, H, W], from the trained encoder and projection."""
        return unit(self.projection(self.encoder(x)))

    def num_losses(self, num_views: int) -> int:
        """One for all views."""
        return 1

    def losses(self, views: list[Tensor], progress: float = 0.0) -> Iterator[Tensor]:
        """Yield one scalar, the loss of all clips of the batch.

        It first brings the prototypes back to unit length, and fills the queue where there is one.

        Args:
            views: V >= 2 normalised tensors [B, 3, T, H, W], the clips of B videos.
            progress: the share of the training that is done, from 0 to 1, which decides when the queue begins.

        Raises:
            ValueError: there are fewer than two views, or their shapes differ.
        """
        check_views(views)
        with torch.no_grad():
            self.prototypes.weight.copy_(unit(self.prototypes.weight))
        z = torch.stack([self.embed(view) for view in views])
        self.embeddings = z[0].detach()
        positive = positive_similarity(z)
        scores = products(z, self.prototypes.weight)
        code_views = len(views) if self.form == "paper" else RELEASED_CODE_VIEWS
        codes = self._codes(z[:code_views].detach(), scores[:code_views].detach(), progress)
        self.signals = collapse_signals(z[0], positive, negative_similarity(z))
        self.signals |= prototype_signals(scores, codes, self.temperature)
        if self.diagnose:
            self.signals |= spread_signals(z[0], positive)
        yield swapped_prediction(scores, codes, self.temperature)

    forward = sum_of_losses

    def after_backward(self, progress: float, step: int) -> bool:
        """Keep the prototypes while they are frozen: no gradient, so not even weight decay moves them; never a veto.

        Args:
            progress: as in :meth:`losses`.
            step: changes nothing here.
        """
        if progress < self.freeze_until:
            self.prototypes.weight.grad = None
        return True

    def _codes(self, z: Tensor, scores: Tensor, progress: float) -> Tensor:
        """Codes [C, B, K] of the code views' embeddings [C, B, dim] and scores [C, B, K]; fills the queue."""
        rows = scores
        if self.code_queue is not None and progress >= self.queue_from:
            if self.code_queue.is_full:
                # Sinkhorn-Knopp sums over processes, so each brings another part of the queue.
                mine = torch.tensor_split(self.code_queue.keys, world_size())[rank()]
                mine = mine.view(len(mine), len(z), z.shape[2]).transpose(0, 1)
                rows = torch.cat([products(mine, self.prototypes.weight.detach()), scores], dim=1)
            self.code_queue.enqueue(z.transpose(0, 1).flatten(1))
        batch = scores.shape[1]
        return torch.stack([sinkhorn_knopp(view, self.epsilon, self.iterations)[-batch:] for view in rows])
