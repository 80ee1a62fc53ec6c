"""Keys of all clips in one pass through the momentum encoder, batch norm still looking at each clip by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def in_one_pass(modules: Sequence[nn.Module], views: Sequence[Tensor]) -> Tensor:
    """``modules``, one after the other, on all views at once.

    The result and the running statistics of batch norms are, up to rounding, those of one pass for each view in turn.
    What is drawn at random inside (dropout, drop path) comes out of the stream in another order.

    Args:
        modules: the first takes a batch of clips, the others what comes out of the one before.
        views: V tensors [B, ...] of equal shape.

    Returns:
        [V, B, ...].
    """
    with statistics_by_part(modules, len(views)):
        x = torch.cat(tuple(views)) if len(views) > 1 else views[0]
        for module in modules:
            x = module(x)
    return x.unflatten(0, (len(views), -1))


@contextmanager
def statistics_by_part(modules: Sequence[nn.Module], parts: int) -> Iterator[None]:
    """Let every batch norm in training mode treat its batch as ``parts`` batches of equal size, one after the other.

    The module's own ``forward`` does the work for each part, whatever kind of batch norm it is.
    """
    if parts == 1:
        yield
        return
    found = {norm for module in modules for norm in module.modules() if isinstance(norm, _BatchNorm) and norm.training}
    for norm in found:
        norm.forward = partial(_part_by_part, norm.forward, parts)
    try:
        yield
    finally:
        for norm in found:
            del norm.forward


def _part_by_part(forward: Callable[[Tensor], Tensor], parts: int, x: Tensor) -> Tensor:
    return torch.cat([forward(part) for part in x.chunk(parts)])
