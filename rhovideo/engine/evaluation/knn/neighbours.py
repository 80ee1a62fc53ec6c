"""Nearest-neighbour evaluation: weighted votes, retrieval recall.

Similarity is the cosine throughout: embeddings and features are brought to unit length here (a zero vector stays zero),
so callers need not normalise them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# Similarities held at once: 2**25 of float32 are 128 MB.
_MAX_SIMILARITIES = 2**25


class SameVideos(NamedTuple):
    """Numbers of videos, equal where a query and a row of the gallery are one video.

    Attributes:
        queries: int64 [Q].
        gallery: int64 [R].
    """

    queries: Tensor
    gallery: Tensor


class Votes(NamedTuple):
    """The outcome of a weighted vote.

    Attributes:
        classes: int64 [Q], -1 where no row may vote.
        shares: [Q], the class's share of the votes, 0 where no row may vote.
    """

    classes: Tensor
    shares: Tensor


def knn_predict(
    queries: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    k: int = 200,
    temperature: float = 0.1,
    allowed: Tensor | None = None,
    same: SameVideos | None = None,
) -> Tensor:
    """The class that :func:`knn_vote` finds for each query, int64 [Q]; the arguments are the same."""
    return knn_vote(queries, gallery, gallery_labels, k, temperature, allowed, same).classes


@torch.no_grad()
def knn_vote(
    queries: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    k: int = 200,
    temperature: float = 0.1,
    allowed: Tensor | None = None,
    same: SameVideos | None = None,
) -> Votes:
    """The class with the greatest sum of exp(s / temperature) over the k gallery rows of the greatest cosine s.

    Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination" (arXiv 1805.01978).

    Args:
        queries: [Q, D], any length.
        gallery: [R, D], any length.
        gallery_labels: [R] int64, not negative where a row is allowed.
        k: neighbours; as many as there are, where there are fewer.
        temperature: positive; the smaller it is, the more weight the nearest rows have.
        allowed: [R] bool, rows that may vote; None: all.
        same: the videos of queries and gallery: a query's own video does not vote. None: all are different.

    Returns:
        The class of each query, and its share of the votes.

    Raises:
        ValueError: ``k`` or ``temperature`` is not positive.
    """
    if k < 1 or temperature <= 0:
        raise ValueError(f"k is {k} and temperature {temperature}: both must be positive (KNN.K, KNN.T)")
    voters = len(gallery) if allowed is None else int(allowed.sum())
    if voters == 0 or len(queries) == 0:
        none = torch.full((len(queries),), -1, dtype=torch.int64, device=queries.device)
        return Votes(none, torch.zeros(len(queries), device=queries.device))
    classes = int(gallery_labels.max()) + 1
    predictions, shares = [], []
    for similarity in _similarities(queries, gallery, allowed, same):
        nearest, rows = similarity.topk(min(k, voters), dim=1)
        votes = vote_of(nearest, gallery_labels[rows], classes, temperature)
        predictions.append(votes.classes)
        shares.append(votes.shares)
    return Votes(torch.cat(predictions), torch.cat(shares))


def vote_of(nearest: Tensor, labels: Tensor, classes: int, temperature: float) -> Votes:
    """The weighted vote of the nearest rows of each query.

    Args:
        nearest: cosines [Q, k], the greatest first; a row of -inf has no vote.
        labels: int64 [Q, k] of the rows.
        classes: the largest label plus one.
        temperature: as of :func:`knn_vote`.
    """
    # Relative to the nearest: the same winner, and no overflow at small temperatures. A row that is left out has no
    # weight, also where all rows of a query are.
    weights = ((nearest - nearest[:, :1]) / temperature).exp().where(nearest > -math.inf, 0.0)
    votes = torch.zeros(len(labels), classes, dtype=weights.dtype, device=weights.device)
    votes.scatter_add_(1, labels, weights)
    winner = votes.argmax(1)
    may_vote = nearest[:, 0] > -math.inf
    shares = votes.gather(1, winner[:, None])[:, 0] / votes.sum(1)
    return Votes(winner.where(may_vote, -1), shares.where(may_vote, 0.0))


@torch.no_grad()
def nearest_rows(queries: Tensor, gallery: Tensor, count: int, same: SameVideos | None = None) -> tuple[Tensor, Tensor]:
    """The rows of the gallery that are most similar to each query.

    Args:
        queries: [Q, D], any length.
        gallery: [R, D], any length.
        count: rows of each query; as many as there are, where there are fewer.
        same: as of :func:`knn_vote`.

    Returns:
        Cosines [Q, count], the greatest first, -inf for a query's own video; and the rows, int64 [Q, count].
    """
    count = min(count, len(gallery))
    if not count or not len(queries):
        return queries.new_zeros(len(queries), 0), torch.zeros(len(queries), 0, dtype=torch.int64)
    found = [similarity.topk(count, dim=1) for similarity in _similarities(queries, gallery, None, same)]
    return torch.cat([each.values for each in found]), torch.cat([each.indices for each in found])


def knn_accuracy(
    queries: Tensor,
    labels: Tensor,
    gallery: Tensor,
    gallery_labels: Tensor,
    k: int = 200,
    temperature: float = 0.1,
    same: SameVideos | None = None,
) -> float:
    """Top-1 in percent of :func:`knn_predict` over the queries of this process; NaN without queries.

    Args:
        queries: [Q, D].
        labels: [Q] their classes.
        gallery: [R, D].
        gallery_labels: [R].
        k: neighbours that vote.
        temperature: as of :func:`knn_vote`.
        same: as of :func:`knn_vote`.
    """
    return top1_of(knn_vote(queries, gallery, gallery_labels, k, temperature, same=same), labels)


def top1_of(votes: Votes, labels: Tensor) -> float:
    """Top-1 in percent of some votes; NaN without labels.

    Args:
        votes: for [Q] queries.
        labels: [Q] their classes.
    """
    return 100.0 * (votes.classes == labels).double().mean().item() if len(labels) else math.nan


@torch.no_grad()
def retrieval_recall(
    query_features: Tensor,
    query_labels: Tensor,
    gallery_features: Tensor,
    gallery_labels: Tensor,
    at: Sequence[int] = (1, 5, 10, 20, 50),
    same: SameVideos | None = None,
) -> dict[int, float]:
    """R@k: the share of queries, in percent, with a video of their class among the k most similar of the gallery.

    A query's own video is left out, as in metric learning, where one list is both queries and gallery.

    Args:
        query_features: [Q, D], as a rule of the test videos.
        query_labels: [Q].
        gallery_features: [R, D], of the training videos.
        gallery_labels: [R].
        at: the ks.
        same: the videos of queries and gallery; None: all are different.

    Returns:
        {k: percent}; NaN without queries, and for a k that is no less than the gallery without the query's own video:
        the k nearest are all videos then, whatever the features are.
    """
    usable = usable_neighbours(len(gallery_labels), same)
    known = [k for k in at if k < usable]
    if len(query_labels) == 0 or not known:
        return dict.fromkeys(at, math.nan)
    hits = []
    labels = query_labels
    for similarity in _similarities(query_features, gallery_features, None, same):
        nearest, rows = similarity.topk(max(known), dim=1)
        right = (gallery_labels[rows] == labels[: len(rows), None]) & (nearest > -math.inf)
        hits.append(right.cummax(1).values)
        labels = labels[len(rows) :]
    found = torch.cat(hits).double().mean(0)
    return {k: 100.0 * found[k - 1].item() if k in known else math.nan for k in at}


def usable_neighbours(gallery: int, same: SameVideos | None = None) -> int:
    """The number of videos that every query has as neighbours at least.

    Args:
        gallery: videos of the gallery.
        same: as of :func:`knn_vote`.
    """
    if same is None or not len(same.queries):
        return gallery
    numbers, counts = same.gallery.unique(return_counts=True)
    own = counts[torch.isin(numbers, same.queries)]
    return gallery - (int(own.max()) if len(own) else 0)


def _similarities(
    queries: Tensor, gallery: Tensor, allowed: Tensor | None, same: SameVideos | None = None
) -> Iterator[Tensor]:
    """Cosines [q, R] for chunks of queries small enough that memory stays bounded; rows left out get -inf."""
    dtype = torch.promote_types(torch.float32, queries.dtype)
    gallery = unit_rows(gallery.to(dtype))
    first = 0
    for chunk in queries.split(max(1, _MAX_SIMILARITIES // len(gallery))):
        similarity = unit_rows(chunk.to(dtype)) @ gallery.T
        if same is not None:
            own = same.queries[first : first + len(chunk), None] == same.gallery[None]
            similarity = similarity.masked_fill_(own, -math.inf)
        first += len(chunk)
        yield similarity if allowed is None else similarity.masked_fill_(~allowed, -math.inf)


def unit_rows(rows: Tensor) -> Tensor:
    """Rows [N, D] at unit length, in float32 or wider; a row of zeros stays."""
    return F.normalize(rows.to(torch.promote_types(torch.float32, rows.dtype)), dim=1)
