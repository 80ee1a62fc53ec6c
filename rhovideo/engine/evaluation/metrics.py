"""Accuracies and averages that agree whatever the number of processes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rhovideo import distributed


def topk_correct(scores: Tensor, labels: Tensor, ks: Sequence[int] = (1, 5)) -> Tensor:
    """How many samples have their label among the k highest scores, for each k.

    Args:
        scores: [N, K]; labels: [N] int64; a sample without a label (-1) is never correct.
        ks: one above K counts as K.

    Returns:
        int64 [len(ks)] on the scores' device; sums over batches and ranks.
    """
    classes = scores.shape[1]
    highest = scores.topk(min(max(ks), classes), dim=1).indices
    hits = highest == labels[:, None]
    return torch.stack([hits[:, :k].any(1).sum() for k in ks])


def topk_accuracy(scores: Tensor, labels: Tensor, ks: Sequence[int] = (1, 5)) -> list[float]:
    """Top-k accuracies in percent of the labelled samples of this process; NaN where there are none."""
    labelled = int((labels >= 0).sum())
    if labelled == 0:
        return [math.nan] * len(ks)
    return [100.0 * correct / labelled for correct in topk_correct(scores, labels, ks).tolist()]


class RunningMean:
    """A weighted mean of values that come in step by step; nothing waits for the device until it is read.

    Args:
        device: where the sums are kept; the collectives' device (a GPU with nccl) if they are read over ranks.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)

    def add(self, value: Tensor | float, weight: float = 1.0) -> None:
        """Take in the mean ``value`` of ``weight`` samples."""
        if isinstance(value, Tensor):
            value = value.detach().to(self._sums)
        else:
            value = self._sums.new_full((), value)  # filled on the device: a copy would wait for it
        self._sums = self._sums + torch.stack([value * weight, torch.full_like(value, weight)])

    def mean(self, over_ranks: bool = False) -> float:
        """The mean so far; NaN if nothing came in.

        Args:
            over_ranks: of all ranks' values together. Every rank must call it then, even one without values.
        """
        total, weight = (distributed.sum_over_ranks(self._sums) if over_ranks else self._sums).tolist()
        return total / weight if weight else math.nan

    def reset(self) -> None:
        self._sums = torch.zeros_like(self._sums)
