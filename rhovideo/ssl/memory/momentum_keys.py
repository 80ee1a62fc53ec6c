"""Keys of the clips, from the momentum encoder: clip by clip or in one pass, and shuffled over processes (MoCo)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup
from torch.nn.modules.batchnorm import _BatchNorm

from rhovideo.distributed import broadcast, gather, group_rank, group_size
from rhovideo.ssl.losses import unit


class BatchShuffle:
    """Shuffling batch norm: deals the videos of a group of processes out anew, and puts the results back.

    He et al. (MoCo, arXiv 1911.05722), section 3.3: the statistics that a process's batch norm takes from its batch
    would give away the query's key to the query. So keys are computed in another process than their queries. With one
    process it would change nothing.

    Args:
        group: the processes that exchange videos, of equal size everywhere; None: all.
    """

    def __init__(self, group: ProcessGroup | None = None) -> None:
        self.group = group

    def __deepcopy__(self, memo: dict[int, Any]) -> BatchShuffle:
        return self  # a process group cannot be copied

    def deal(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """This process's share of the shuffled batch.

        Args:
            batch: [B, ...], this process's videos; B is the same everywhere.

        Returns:
            The share [B, ...] and the permutation of all videos, which rank 0 draws for all, for :meth:`collect`.
        """
        order = torch.randperm(batch.shape[0] * group_size(self.group), device=batch.device)
        order = broadcast(order)
        return gather(batch, self.group)[order[self._mine(batch)]], order

    def collect(self, results: Tensor, order: Tensor) -> Tensor:
        """The rows [B, D] of this process's own videos, from the results [B, D] that each process has computed."""
        return gather(results, self.group)[order.argsort()[self._mine(results)]]

    def _mine(self, batch: Tensor) -> slice:
        first = group_rank(self.group) * batch.shape[0]
        return slice(first, first + batch.shape[0])


@torch.no_grad()
def momentum_keys(
    modules: Sequence[nn.Module], views: Sequence[Tensor], shuffle: BatchShuffle | None = None, at_once: bool = False
) -> Tensor:
    """The keys of all views, without gradient.

    Args:
        modules: the momentum encoder and its projection, called one after the other.
        views: V tensors [B, 3, T, H, W].
        shuffle: deals each view's clips out to other processes and brings the keys back; None: they stay here.
        at_once: one pass for all views, which takes more memory, or one for each view.

    Returns:
        [V, B, D], unit rows.
    """
    if not at_once:
        return torch.cat([momentum_keys(modules, [view], shuffle, at_once=True) for view in views])
    if shuffle is None:
        return unit(in_one_pass(modules, views))
    dealt, orders = zip(*map(shuffle.deal, views), strict=True)
    keys = unit(in_one_pass(modules, dealt))
    return torch.stack(list(map(shuffle.collect, keys, orders)))


def in_one_pass(modules: Sequence[nn.Module], views: Sequence[Tensor]) -> Tensor:
    """``modules``, one after the other, on all views at once; batch norm still sees each view by itself.

    The result and the running statistics of batch norms are, up to rounding, those of one pass for each view in turn.
    What is drawn at random inside (dropout, drop path) comes out of the stream in another order.

    Args:
        modules: the first takes a batch of clips, the others what comes out of the one before.
        views: V tensors [B, ...] of equal shape.

    Returns:
        [V, B, ...].
    """
    with _statistics_by_part(modules, len(views)):
        x = torch.cat(tuple(views)) if len(views) > 1 else views[0]
        for module in modules:
            x = module(x)
    return x.view(len(views), len(x) // len(views), *x.shape[1:])


@contextmanager
def _statistics_by_part(modules: Sequence[nn.Module], parts: int) -> Iterator[None]:
    """Let every batch norm in training mode treat its batch as ``parts`` batches of equal size, one after the other.

    The module's own ``forward`` does the work for each part, whatever kind of batch norm it is.
    """
    if parts == 1:
        yield
        return
    found = {norm for module in modules for norm in module.modules() if isinstance(norm, _BatchNorm) and norm.training}
    for norm in found:
        vars(norm)["forward"] = partial(_part_by_part, norm.forward, parts)
    try:
        yield
    finally:
        for norm in found:
            del vars(norm)["forward"]


def _part_by_part(forward: Callable[[Tensor], Tensor], parts: int, x: Tensor) -> Tensor:
    return torch.cat([forward(part) for part in x.chunk(parts)])
