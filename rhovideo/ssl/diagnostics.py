"""Numbers that show a collapse while it happens. All return 0-dim tensors without gradient.

None of them makes the host wait for the device. An empty argument is a ValueError that names it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rhovideo.ssl.shapes import require_not_empty


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
    require_not_empty(embeddings=embeddings)
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
    require_not_empty(queries=queries, keys=keys)
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
    require_not_empty(queries=queries, keys=keys, queue=queue)
    return (queries * keys).sum(dim=2).mean(), (queries.mean(dim=0) * queue.mean(dim=0)).sum()


@torch.no_grad()
def positive_similarity(views: Tensor) -> Tensor:
    """Mean cosine of two different views of one video.

    Args:
        views: [V, B, D].
    """
    require_not_empty(views=views)
    count = views.shape[0]
    return ((views.sum(dim=0).square().sum(dim=1) - count) / (count * (count - 1))).mean()


@torch.no_grad()
def negative_similarity(views: Tensor) -> Tensor:
    """Mean cosine of two clips of different videos.

    Args:
        views: [V, G, D]; the result is NaN when G is 1.
    """
    require_not_empty(views=views)
    count, videos, _ = views.shape
    by_video = views.sum(dim=0)
    pairs = by_video.sum(dim=0).square().sum() - by_video.square().sum()
    return pairs / (count * count * videos * (videos - 1)) if videos > 1 else pairs * torch.nan


@torch.no_grad()
def spread_signals(embeddings: Tensor, positive: Tensor) -> dict[str, Tensor]:
    """The signals of any method that asks for more than :func:`collapse_signals`.

    Wang and Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
    Hypersphere" (arXiv 2005.10242).

    Args:
        embeddings: unit rows [B, D], of one view.
        positive: the mean cosine with clips of the same video; 0-dim.

    Returns:
        ``alignment``, the mean squared distance of two clips of a video; :func:`uniformity`; :func:`effective_rank`.
    """
    return {
        "alignment": 2 - 2 * positive.detach(),
        "uniformity": uniformity(embeddings),
        "effective_rank": effective_rank(embeddings),
    }


@torch.no_grad()
def uniformity(embeddings: Tensor) -> Tensor:
    """The logarithm of the mean of ``exp(-2 |x - y|^2)`` over pairs of rows (arXiv 2005.10242).

    Args:
        embeddings: unit rows [B, D].

    Returns:
        0 when all are the same, and down to about -4 when they fill the sphere; NaN for a single row.
    """
    require_not_empty(embeddings=embeddings)
    rows = embeddings.float()
    count = len(rows)
    pairs = (4 * (rows @ rows.T - 1)).exp().sum() - count
    return (pairs / (count * (count - 1))).log() if count > 1 else rows.new_full((), math.nan)


@torch.no_grad()
def effective_rank(embeddings: Tensor) -> Tensor:
    """The number of directions that the rows use: ``(sum of λ)^2 / (sum of λ^2)``, λ the eigenvalues of the covariance.

    Also known as the participation ratio. It needs products alone, and no decomposition, which a GPU would wait for.

    Args:
        embeddings: [B, D].

    Returns:
        From 1, where all rows lie on a line, to the smaller of B - 1 and D; 0 where all rows are the same.
    """
    require_not_empty(embeddings=embeddings)
    rows = embeddings.float()
    rows = rows - rows.mean(dim=0)
    # The Gram matrix has the eigenvalues of the covariance, up to a factor, and is the smaller one in small batches.
    products = rows @ rows.T
    return products.trace().square() / products.square().sum().clamp_min(torch.finfo(products.dtype).tiny)


@torch.no_grad()
def contrast_top1(positive: Tensor, others: Tensor) -> Tensor:
    """The share of queries, in percent, that are more alike their positive than all others.

    Args:
        positive: cosines [B].
        others: cosines [B, N].
    """
    require_not_empty(positive=positive)
    return 100 * (positive[:, None] > others).all(dim=1).float().mean()


@torch.no_grad()
def prototype_signals(scores: Tensor, codes: Tensor, temperature: float) -> dict[str, Tensor]:
    """What SwAV's prototypes are used for.

    Args:
        scores: [V, B, K], the products of unit embeddings and prototypes.
        codes: [C, B, K], C <= V: Sinkhorn-Knopp's codes of the first C views; rows that sum to one.
        temperature: of the predictions.

    Returns:
        ``prototype_usage``: the share of the prototypes that predictions choose, ``exp(H) / min(K, V B)``, H the
        entropy of how often each is the first; near 0 when all clips have one and the same.
        ``prediction_entropy``, ``code_entropy``: the mean entropy of a row over ``ln K``; 1 when a row says nothing.
        ``code_agreement``: the share of pairs of views of a video, in percent, whose codes have the same first
        prototype; NaN for a single view.
    """
    require_not_empty(scores=scores, codes=codes)
    kinds = scores.shape[-1]
    log_predictions = (scores.float() / temperature).log_softmax(dim=-1)
    chosen = scores.flatten(0, 1).argmax(dim=1)
    counts = torch.zeros(kinds, device=scores.device).index_add_(
        0, chosen, torch.ones(len(chosen), device=scores.device)
    )
    shares = counts / len(chosen)
    first = codes.argmax(dim=-1)
    same = (first[:, None] == first[None]).float().mean(dim=2)
    views = len(codes)
    pairs = views * (views - 1)
    return {
        "prototype_usage": _entropy(shares, shares.clamp_min(1e-12).log()).exp() / min(kinds, len(chosen)),
        "prediction_entropy": _entropy(log_predictions.exp(), log_predictions).mean() / math.log(kinds),
        "code_entropy": _entropy(codes, codes.clamp_min(1e-12).log()).mean() / math.log(kinds),
        "code_agreement": 100 * (same.sum() - views) / pairs if pairs else same.sum() * torch.nan,
    }


def _entropy(shares: Tensor, logarithms: Tensor) -> Tensor:
    """Of distributions in the last dimension, in nats."""
    return -(shares * logarithms).sum(dim=-1)
