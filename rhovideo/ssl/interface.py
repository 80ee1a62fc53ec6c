"""What the trainer may ask of a method, and the few checks that all methods share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

FORMS = ("paper", "released")


class Method(Protocol):
    """A self-supervised method is an ``nn.Module`` with these names; it inherits nothing else from us.

    A training step in anybody's loop::

        for loss in method.losses(views, progress):
            loss.backward()
        average_gradients(method.parameters())  # with several processes
        if method.after_backward(progress, step):
            optimizer.step()

    Attributes:
        encoder: the trained encoder, ``[N, 3, T, H, W]`` to ``[N, C]``.
        embeddings: ``[B, D]``, unit rows of view 0 in the last call of ``losses``, without gradient.
        signals: of the last call, 0-dim and without gradient: ``embedding_std`` (1 for embeddings that fill the
            sphere, 0 when all have collapsed to one), ``positive_similarity`` and ``negative_similarity``, the mean
            cosine with clips of the same video and of others (a batch of one video has none: NaN).
    """

    encoder: nn.Module
    embeddings: Tensor
    signals: dict[str, Tensor]

    def losses(self, views: list[Tensor], progress: float) -> Iterator[Tensor]:
        """Yield scalar sub-losses, each to be passed back before the next is asked for.

        Their sum is the loss of this process: the mean over its own queries, where parameter gradients are averaged
        over processes.

        Args:
            views: V >= 2 normalised tensors [B, 3, T, H, W], the clips of B videos.
            progress: the share of the training that is done, from 0 to 1.
        """

    def num_losses(self, num_views: int) -> int:
        """How many sub-losses ``losses`` yields for so many views; gradients can be sent during the last one's pass."""

    def after_backward(self, progress: float, step: int) -> bool:
        """Called once a step after the gradients are averaged; False means that the optimizer must not step.

        Args:
            progress: as in ``losses``.
            step: optimizer steps before this one, vetoed ones included.
        """

    def embed(self, x: Tensor) -> Tensor:
        """Unit embeddings [N, D] of clips [N, 3, T, H, W]; meant for eval mode."""


def check_form(form: str) -> str:
    """``form``, or a ValueError that names the two there are."""
    if form not in FORMS:
        raise ValueError(f"the loss form (CONTRASTIVE.LOSS_FORM) is {form!r}: write one of {', '.join(FORMS)}")
    return form


def check_views(views: list[Tensor]) -> None:
    """Raise a ValueError unless there are at least two views of equal shape."""
    if len(views) < 2:
        raise ValueError(f"a method needs at least 2 views of each video and got {len(views)}")
    if len({view.shape for view in views}) > 1:
        raise ValueError(f"the views of a batch differ in shape: {[tuple(view.shape) for view in views]}")


def all_but(keys: Tensor, view: int) -> Tensor:
    """The positives of a view: keys [V, B, D] without its own, [V-1, B, D]."""
    return torch.cat([keys[:view], keys[view + 1 :]])
