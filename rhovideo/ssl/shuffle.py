"""Shuffling batch norm: keys are computed in another process than their queries (MoCo, arXiv 1911.05722, section 3.3).

Otherwise the statistics that a process's batch norm takes from its own batch would tell a query which key is its.
With one process it changes nothing, so it is not done.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributed import ProcessGroup

from rhovideo.distributed import broadcast, gather, group_rank, group_size


class BatchShuffle:
    """Deals the videos of a group of processes out anew, and puts the results back.

    Args:
        group: the processes that exchange videos, of equal size everywhere; None: all.
    """

    def __init__(self, group: ProcessGroup | None = None):
        self.group = group

    def __deepcopy__(self, memo: dict) -> BatchShuffle:
        return self  # a process group cannot be copied

    def deal(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """This process's share [B, ...] of the shuffled batch, and the permutation, which rank 0 draws for all."""
        order = torch.randperm(batch.shape[0] * group_size(self.group), device=batch.device)
        order = broadcast(order)
        return gather(batch, self.group)[order[self._mine(batch)]], order

    def collect(self, results: Tensor, order: Tensor) -> Tensor:
        """The rows [B, D] that belong to this process's own videos, from the results of all."""
        return gather(results, self.group)[order.argsort()[self._mine(results)]]

    def _mine(self, batch: Tensor) -> slice:
        first = group_rank(self.group) * batch.shape[0]
        return slice(first, first + batch.shape[0])
