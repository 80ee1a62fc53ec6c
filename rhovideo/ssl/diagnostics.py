"""Numbers that show a collapse while it happens. All take unit rows and return a 0-dim tensor without gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor


@torch.no_grad()
def embedding_std(embeddings: Tensor) -> Tensor:
    """Standard deviation over the batch, averaged over dimensions, times √D.

    Args:
        embeddings: [B, D]; 1 for uniform points on the sphere, 0 when all are the same.
    """
    correction = 1 if embeddings.shape[0] > 1 else 0
    return embeddings.std(dim=0, correction=correction).mean() * math.sqrt(embeddings.shape[1])


@torch.no_grad()
def similarity_to_keys(queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cosine of a query [B, D] and its own video's keys [P, B, D], and of a query and other videos' keys.

    The second is NaN when B is 1.
    """
    count, videos, _ = keys.shape
    own = (queries * keys).sum()
    others = (queries.sum(dim=0) * keys.sum(dim=(0, 1))).sum() - own
    pairs = count * videos * (videos - 1)
    return own / (count * videos), others / pairs if pairs else others * torch.nan


@torch.no_grad()
def positive_similarity(views: Tensor) -> Tensor:
    """Mean cosine of two different views of one video; ``views`` is [V, B, D]."""
    count = views.shape[0]
    return ((views.sum(dim=0).square().sum(dim=1) - count) / (count * (count - 1))).mean()


@torch.no_grad()
def negative_similarity(views: Tensor) -> Tensor:
    """Mean cosine of two clips of different videos; ``views`` is [V, G, D], NaN when G is 1."""
    count, videos, _ = views.shape
    by_video = views.sum(dim=0)
    pairs = by_video.sum(dim=0).square().sum() - by_video.square().sum()
    return pairs / (count * count * videos * (videos - 1)) if videos > 1 else pairs * torch.nan
