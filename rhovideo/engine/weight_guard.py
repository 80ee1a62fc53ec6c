"""A step of the optimizer that a flag on the device can keep from the weights, without the host reading the flag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightGuard:
    """Holds the weights of before a step, and puts them back where the step must not count.

    It works with every optimizer, and where the flag is False the weights are those of the optimizer alone, to the last
    bit. The optimizer's state moves in any case. It takes the memory of the trained weights once more, and two passes
    over them a step, a small part of what the optimizer's own step takes.

    Args:
        parameters: the trained ones.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self._parameters = list(parameters)
        self._before: list[Tensor] = []

    @contextmanager
    def undone_if(self, failed: Tensor) -> Iterator[None]:
        """Let what happens inside change the weights only where ``failed``, bool [] on their device, is False."""
        weights = [parameter.detach() for parameter in self._parameters]
        if not self._before:
            self._before = [torch.empty_like(weight) for weight in weights]
        torch._foreach_copy_(self._before, weights)
        yield
        for weight, before in zip(weights, self._before, strict=True):
            torch.where(failed, before, weight, out=weight)
