"""The names that make a module a method, and the few functions that all methods share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from rhovideo.ssl.shapes import require_not_empty

FORMS = ("paper", "released")


class Method(Protocol):
    """A self-supervised method: an ``nn.Module`` with these names. It inherits nothing else from us.

    A training step in any loop, with one sub-loss's graph in memory at a time::

        for loss in method.losses(views, progress):
            loss.backward()
        average_gradients(method.parameters())  # with several processes
        if method.after_backward(progress, step):
            optimizer.step()

    A step for wrappers that know one forward and one backward pass, such as DistributedDataParallel (DDP)::

        DDP(method, broadcast_buffers=False)(views, progress).backward()
        if method.after_backward(progress, step):
            optimizer.step()

    Attributes:
        encoder: the trained encoder, [N, 3, T, H, W] to [N, C].
        embeddings: [B, D], unit rows of view 0 in the last call of ``losses``, without gradient; [0] before the first.
        signals: of the last call, 0-dim and without gradient: ``embedding_std`` (1 for embeddings that fill the
            sphere, 0 when all have collapsed to one), ``positive_similarity`` and ``negative_similarity``, the mean
            cosine with clips of the same video and of others (a batch of one video has no others: NaN).
        diagnose: also put the signals of :mod:`rhovideo.ssl.diagnostics` that cost more into ``signals``.
    """

    encoder: nn.Module
    embeddings: Tensor
    diagnose: bool
    signals: dict[str, Tensor]

    def losses(self, views: list[Tensor], progress: float = 0.0) -> Iterator[Tensor]:
        """Yield scalar sub-losses, each to be passed back before the next is asked for.

        Their sum is the loss of this process: the mean over its own queries, where parameter gradients are averaged
        over processes.

        Args:
            views: V >= 2 normalised tensors [B, 3, T, H, W], the clips of B videos.
            progress: the share of the training that is done, from 0 to 1.
        """

    def num_losses(self, num_views: int) -> int:
        """The number of sub-losses for so many views; gradients can be sent during the last one's backward pass."""

    def forward(self, views: list[Tensor], progress: float = 0.0) -> Tensor:
        """The sum of the sub-losses: :func:`sum_of_losses`."""

    def after_backward(self, progress: float, step: int) -> bool:
        """End the step, after its last backward pass; False means that the optimizer must not step.

        Args:
            progress: as in ``losses``.
            step: optimizer steps before this one, vetoed ones included.
        """

    def embed(self, x: Tensor) -> Tensor:
        """Unit embeddings [N, D] of clips [N, 3, T, H, W]; meant for eval mode."""


def sum_of_losses(self: Method, views: list[Tensor], progress: float = 0.0) -> Tensor:
    """The loss of the step as one scalar, for one backward pass; ``after_backward`` must follow it, before the step.

    The gradients are those of ``losses``. It takes more memory where there are several sub-losses (MoCo, BYOL): the
    graphs of all views are kept until the backward pass, so memory grows with ρ.

    With several processes, wrap the method in DistributedDataParallel, which averages the gradients. Give it
    ``broadcast_buffers=False``: a queue is the same on all processes, and would be sent again before each pass.

    Args:
        self: the method.
        views: V >= 2 normalised tensors [B, 3, T, H, W], the clips of B videos.
        progress: the share of the training that is done, from 0 to 1.

    Raises:
        ValueError: there are fewer than two views, or their shapes differ.
    """
    return torch.stack(list(self.losses(views, progress))).sum()


def check_form(form: str) -> str:
    """Return ``form``.

    Raises:
        ValueError: there is no such form; the message names the two there are.
    """
    if form not in FORMS:
        raise ValueError(f"the loss form (CONTRASTIVE.LOSS_FORM) is {form!r}: write one of {', '.join(FORMS)}")
    return form


def check_views(views: list[Tensor]) -> None:
    """Do nothing.

    Raises:
        ValueError: there are fewer than two views, or their shapes differ, or they are empty.
    """
    if len(views) < 2:
        raise ValueError(f"a method needs at least 2 views of each video and got {len(views)}")
    if len({view.shape for view in views}) > 1:
        raise ValueError(f"the views of a batch differ in shape: {[tuple(view.shape) for view in views]}")
    require_not_empty(**{"views[0]": views[0]})


def all_but(keys: Tensor, view: int) -> Tensor:
    """The positives of a view: keys [V, B, D] without its own, [V-1, B, D]."""
    return torch.cat([keys[:view], keys[view + 1 :]])
