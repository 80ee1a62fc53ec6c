"""Sinkhorn-Knopp: soft assignments of a global batch to prototypes, all prototypes used equally."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rhovideo.distributed import gather, sum_over_ranks
from rhovideo.ssl.host_values import can_be_looked_at
from rhovideo.ssl.losses import full_precision
from rhovideo.ssl.shapes import require_not_empty


@full_precision
@torch.no_grad()
def sinkhorn_knopp(scores: Tensor, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Codes of this process's rows, from the scores of all processes.

    Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments" (arXiv 2006.09882),
    section 3.1 and appendix A: ``exp(scores/ε)`` is scaled in turn so that every prototype gets the same share of
    the global batch and every row sums to one.

    The exponentials are scaled themselves where all of them fit the type. Otherwise, and on a GPU, their logarithms
    are, so a small ε or large scores lose no row. Both give the same codes, up to rounding.

    Args:
        scores: [B, K], products of unit embeddings with the prototypes. B may differ between processes.
        epsilon: entropy, above 0; smaller gives harder codes.
        iterations: rounds, each over prototypes and then over rows; at least 1.

    Returns:
        [B, K] without gradient; each row is a distribution.

    Raises:
        ValueError: there are no scores, or epsilon or iterations is too small.
    """
    require_not_empty(scores=scores)
    if not epsilon > 0:
        raise ValueError(f"epsilon is {epsilon}: give a number above 0, such as 0.05")
    if iterations < 1:
        raise ValueError(f"iterations is {iterations}: give at least 1")
    logits = scores / epsilon
    if can_be_looked_at(logits):
        # Of all processes, which must take the same way.
        extremes = gather(torch.stack(torch.aminmax(logits))[None])
        largest = extremes[:, 1].max()
        if largest - extremes[:, 0].min() < _safe_range(logits.dtype):
            return _scale(torch.exp(logits - largest), iterations)
    return _scale_logarithms(logits, iterations)


def _safe_range(dtype: torch.dtype) -> float:
    """The range of logits whose exponentials may be scaled, relative to the largest, and no sum loses its digits.

    The smallest sums are a row's of the first round: down to exp(-range) over the size of the global batch. A sixth
    of the type's range is left for this size: 2e6 in float32.
    """
    return -math.log(torch.finfo(dtype).tiny) * 5 / 6


def _scale(codes: Tensor, iterations: int) -> Tensor:
    """Rounds on positive numbers [B, K]."""
    for _ in range(iterations):
        codes = codes / sum_over_ranks(codes.sum(dim=0))
        codes = codes / codes.sum(dim=1, keepdim=True)
    return codes


def _scale_logarithms(logits: Tensor, iterations: int) -> Tensor:
    """The same rounds on the numbers' logarithms [B, K]; the result is no logarithm."""
    for _ in range(iterations):
        shares = gather(logits.logsumexp(dim=0)[None]).logsumexp(dim=0)
        # A prototype that no row may choose (all its scores are -inf) stays at 0 and does not become NaN.
        logits = logits - shares.masked_fill(shares == -torch.inf, 0.0)
        logits = logits.log_softmax(dim=1)
    return logits.exp()
