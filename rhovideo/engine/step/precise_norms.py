"""Statistics of batch norms computed anew with fixed weights, as PySlowFast's BN.USE_PRECISE_STATS.

The running statistics lag behind the weights. Here each is set to that of many training batches joined (Wu and Johnson,
"Rethinking Batch in BatchNorm", 2021).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _Statistics:
    """The statistics of one batch norm over several batches: those of all of them joined."""

    def __init__(self, norm: _BatchNorm) -> None:
        self.norm = norm
        self.momentum = norm.momentum
        self._mean, self._square, self._seen = 0.0 * _mean(norm).double(), 0.0 * _mean(norm).double(), 0
        self._values = 0

    def count(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Note how many values of each channel the next statistics are of."""
        self._values = inputs[0].numel() // inputs[0].shape[1]

    def take(self) -> None:
        """Take in the statistics that the norm has of the last batch; the variance is unbiased there."""
        values, self._values = self._values, 0
        if not values:
            return  # a norm that this batch did not pass
        self._seen += values
        share = values / self._seen
        mean, variance = _mean(self.norm).double(), _variance(self.norm).double() * ((values - 1) / values)
        self._mean += (mean - self._mean) * share
        self._square += (mean.square() + variance - self._square) * share

    def finish(self) -> None:
        """Give the norm its momentum back, and the statistics of all batches."""
        self.norm.momentum = self.momentum
        if self._seen:
            _mean(self.norm).copy_(self._mean)
            _variance(self.norm).copy_((self._square - self._mean.square()).clamp(min=0))


@torch.no_grad()
def recompute_norms(model: nn.Module, inputs: Iterable[Tensor], batches: int) -> None:
    """Set the running statistics of a model's batch norms to those of some training batches.

    Norms in eval mode (MODEL.FROZEN_BN) stay as they are; without any other, no batch is read.

    Args:
        model: in training mode.
        inputs: of the model, batch by batch.
        batches: how many are taken, at most.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
    if not norms:
        return
    found = [_Statistics(norm) for norm in norms]
    hooks = [each.norm.register_forward_pre_hook(each.count) for each in found]
    try:
        for each in found:
            # The running statistics are then those of the last batch.
            each.norm.momentum = 1.0
        for batch in islice(inputs, batches):
            model(batch)
            for each in found:
                each.take()
    finally:
        for each, hook in zip(found, hooks, strict=True):
            hook.remove()
            each.finish()


def _mean(norm: _BatchNorm) -> Tensor:
    assert norm.running_mean is not None
    return norm.running_mean


def _variance(norm: _BatchNorm) -> Tensor:
    assert norm.running_var is not None
    return norm.running_var
