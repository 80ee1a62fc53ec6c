"""Numbers that show a collapse while it happens. All take unit rows and return 0-dim tensors without gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def collapse_signals(embeddings: Tensor, positive: Tensor, negative: Tensor) -> dict[str, Tensor]:
    """A method's ``signals``, under the names that the log knows.

    Args:
        embeddings: [B, D], of one view, for :func:`embedding_std`.
        positive: the mean cosine with clips of the same video; 0-dim.
        negative: the mean cosine with clips of other videos; 0-dim.
    """
    return {
        "embedding_std": embedding_std(embeddings),
        "positive_similarity": positive.detach(),
        "negative_similarity": negative.detach(),
    }


@torch.no_grad()
def embedding_std(embeddings: Tensor) -> Tensor:
    """Standard deviation over the batch, averaged over dimensions, times √D.

    Args:
        embeddings: [B, D].

    Returns:
        1 for uniform points on the sphere, 0 when all are the same.
    """
    correction = 1 if embeddings.shape[0] > 1 else 0
    return embeddings.std(dim=0, correction=correction).mean() * math.sqrt(embeddings.shape[1])


@torch.no_grad()
def similarity_to_keys(queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cosine of a query with the keys of the same video, and with the keys of the other videos of the batch.

    Args:
        queries: [B, D].
        keys: [P, B, D].

    Returns:
        Two means; the second is NaN when B is 1.
    """
    count, videos, _ = keys.shape
    own = (queries * keys).sum()
    others = (queries.sum(dim=0) * keys.sum(dim=(0, 1))).sum() - own
    pairs = count * videos * (videos - 1)
    return own / (count * videos), others / pairs if pairs else others * torch.nan


@torch.no_grad()
def similarity_to_queue(queries: Tensor, keys: Tensor, queue: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cosine of a query with the keys of the same video, and with the rows of a queue.

    Args:
        queries: [B, D].
        keys: [P, B, D].
        queue: [N, D].
    """
    return (queries * keys).sum(dim=2).mean(), (queries.mean(dim=0) * queue.mean(dim=0)).sum()


@torch.no_grad()
def positive_similarity(views: Tensor) -> Tensor:
    """Mean cosine of two different views of one video.

    Args:
        views: [V, B, D].
    """
    count = views.shape[0]
    return ((views.sum(dim=0).square().sum(dim=1) - count) / (count * (count - 1))).mean()


@torch.no_grad()
def negative_similarity(views: Tensor) -> Tensor:
    """Mean cosine of two clips of different videos.

    Args:
        views: [V, G, D]; the result is NaN when G is 1.
    """
    count, videos, _ = views.shape
    by_video = views.sum(dim=0)
    pairs = by_video.sum(dim=0).square().sum() - by_video.square().sum()
    return pairs / (count * count * videos * (videos - 1)) if videos > 1 else pairs * torch.nan
