"""Accuracies of scores against labels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def topk_correct(scores: Tensor, labels: Tensor, ks: Sequence[int] = (1, 5)) -> Tensor:
    """The number of samples that have their label among the k highest scores, for each k.

    Args:
        scores: [N, K].
        labels: [N] int64; a sample without a label (-1) is never correct.
        ks: one above K counts as K.

    Returns:
        int64 [len(ks)] on the scores' device; sums over batches and ranks.
    """
    hits = highest(scores, max(ks)) == labels[:, None]
    return torch.stack([hits[:, :k].any(1).sum() for k in ks])


def highest(scores: Tensor, k: int) -> Tensor:
    """The classes of the k highest scores, [N, k] or [N, K] where there are fewer, the highest first.

    Args:
        scores: [N, K].
        k: how many.
    """
    return scores.topk(min(k, scores.shape[1]), dim=1).indices


def topk_accuracy(scores: Tensor, labels: Tensor, ks: Sequence[int] = (1, 5)) -> list[float]:
    """Top-k accuracies in percent of the labelled samples of this process; NaN where there are none.

    Args:
        scores: [N, K].
        labels: [N] int64, -1 where there is none.
        ks: one above K counts as K.
    """
    labelled = int((labels >= 0).sum())
    if labelled == 0:
        return [math.nan] * len(ks)
    return [100.0 * correct / labelled for correct in topk_correct(scores, labels, ks).tolist()]
