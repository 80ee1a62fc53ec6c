"""The paper's equations as plain loops over float64 numbers, to compare the package with."""

from __future__ import annotations

import torch
from torch import Tensor


def naive_moco(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """Equation 1, negatives from the queue: queries and keys [V, B, D], queue [N, D]."""
    views, batch, _ = queries.shape
    total = 0.0
    for i in range(views):
        for b in range(batch):
            q = queries[i, b]
            positive = sum(torch.exp(q @ keys[j, b] / temperature) for j in range(views) if j != i)
            negative = sum(torch.exp(q @ k / temperature) for k in queue)
            total = total - torch.log(positive / (positive + negative))
    return total / (views * batch)


def naive_released_moco(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """One cross-entropy a positive, their mean; summed over the query views."""
    views, batch, _ = queries.shape
    total = 0.0
    for i in range(views):
        for j in (j for j in range(views) if j != i):
            for b in range(batch):
                positive = torch.exp(queries[i, b] @ keys[j, b] / temperature)
                negative = sum(torch.exp(queries[i, b] @ k / temperature) for k in queue)
                total = total - torch.log(positive / (positive + negative)) / (batch * (views - 1))
    return total


def naive_simclr(z: Tensor, temperature: float) -> Tensor:
    """Equation 1, negatives are the clips of other videos: z [V, B, D]."""
    views, batch, _ = z.shape
    total = 0.0
    for i in range(views):
        for b in range(batch):
            q = z[i, b]
            positive = sum(torch.exp(q @ z[j, b] / temperature) for j in range(views) if j != i)
            negative = 0.0
            for j in range(views):
                for other in range(batch):
                    if other != b:
                        negative = negative + torch.exp(q @ z[j, other] / temperature)
            total = total - torch.log(positive / (positive + negative))
    return total / (views * batch)


def naive_byol(predictions: Tensor, keys: Tensor) -> Tensor:
    """Equation 2 with the mean over positives: both [V, B, D]."""
    views, batch, _ = predictions.shape
    total = 0.0
    for i in range(views):
        for b in range(batch):
            cosines = [predictions[i, b] @ keys[j, b] for j in range(views) if j != i]
            total = total - 2 * sum(cosines) / len(cosines)
    return total / (views * batch)


def naive_swav(scores: Tensor, codes: Tensor, temperature: float) -> Tensor:
    """Every view a query, cross-entropy with every other view's codes: both [V, B, K]."""
    views, batch, prototypes = scores.shape
    total = 0.0
    for i in range(views):
        for b in range(batch):
            exponentials = [torch.exp(s / temperature) for s in scores[i, b]]
            for j in (j for j in range(views) if j != i):
                for p in range(prototypes):
                    probability = exponentials[p] / sum(exponentials)
                    total = total - codes[j, b, p] * torch.log(probability) / (views - 1)
    return total / (views * batch)


def naive_sinkhorn(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Scores [B, K] of the whole global batch to codes [B, K]."""
    batch, prototypes = scores.shape
    q = torch.exp(scores.double() / epsilon)
    q = q / q.sum()
    for _ in range(iterations):
        for k in range(prototypes):
            q[:, k] = q[:, k] / q[:, k].sum() / prototypes
        for b in range(batch):
            q[b] = q[b] / q[b].sum() / batch
    return q * batch


def naive_sinkhorn_of_any_range(scores: Tensor, epsilon: float, iterations: int) -> Tensor:
    """As :func:`naive_sinkhorn`, on logarithms, for exponentials that float64 cannot hold."""
    q = scores.double() / epsilon
    for _ in range(iterations):
        q = q - q.logsumexp(dim=0, keepdim=True)
        q = q - q.logsumexp(dim=1, keepdim=True)
    return q.exp()
