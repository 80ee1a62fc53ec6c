"""Sinkhorn-Knopp: soft assignments of a global batch to prototypes, all prototypes used equally."""

from __future__ import annotations

import torch
from torch import Tensor

from rhovideo.distributed import gather, sum_over_ranks
from rhovideo.ssl.losses import full_precision


@full_precision
@torch.no_grad()
def sinkhorn_knopp(scores: Tensor, epsilon: float = 0.05, iterations: int = 3) -> Tensor:
    """Codes of this process's rows, from the scores of all processes.

    Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments" (arXiv 2006.09882),
    section 3.1 and appendix A: ``exp(scores/ε)`` is scaled in turn so that every prototype gets the same share of
    the global batch and every row sums to one. The global maximum is taken off first, which changes no code and
    keeps the exponentials finite.

    Args:
        scores: [B, K], products of unit embeddings with the prototypes. B may differ between processes.
        epsilon: entropy; smaller gives harder codes.
        iterations: rounds, each over prototypes and then over rows.

    Returns:
        [B, K] without gradient; each row is a distribution.
    """
    logits = scores / epsilon
    largest = gather(logits.max().reshape(1)).max()
    codes = torch.exp(logits - largest)
    smallest = torch.finfo(codes.dtype).tiny  # a prototype or row that underflowed stays 0 and does not become NaN
    for _ in range(iterations):
        codes = codes / sum_over_ranks(codes.sum(dim=0)).clamp_min(smallest)
        codes = codes / codes.sum(dim=1, keepdim=True).clamp_min(smallest)
    return codes
