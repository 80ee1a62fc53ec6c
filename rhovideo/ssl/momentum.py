"""The momentum encoder: a slow copy of the trained one."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn


def momentum_copy(module: nn.Module) -> nn.Module:
    """A copy of ``module`` whose parameters take no gradient."""
    return copy.deepcopy(module).requires_grad_(False)


def annealed_momentum(base: float, progress: float) -> float:
    """``m = 1 - (1 - m_base)(cos(πk/K) + 1)/2``: from ``base`` at the beginning to 1 at the end.

    Grill et al. (BYOL, arXiv 2006.07733), section 3.2; the paper uses it for MoCo too.

    Args:
        base: m_base.
        progress: k/K, the share of training done, from 0 to 1.
    """
    return 1.0 - (1.0 - base) * (math.cos(math.pi * progress) + 1.0) / 2.0


class MomentumUpdate(nn.Module):
    """Moves the momentum encoder towards the trained one, once a step: ``slow ← m·slow + (1-m)·trained``.

    Before the very first step the parameters are copied, so weights loaded into the trained encoder count.
    Batch-norm buffers are never averaged (as released): the momentum encoder keeps statistics of its own.

    All parameters move in one ``torch._foreach_lerp_``, which a GPU runs as a few kernels, reading and writing each
    number once. On the CPU that is all the time it takes: it is as fast as one call for one tensor of all parameters,
    and a loop that makes two temporaries for each parameter takes about three times as long.

    What the step depends on is in two buffers, for checkpoints, and is also known to the host, which waits for the
    device only in the first step after building or loading.

    Args:
        base: momentum m_base at the beginning.
        anneal: whether it rises to 1 along a cosine.
        lagging: use the momentum that was annealed in the step before (as released, where it is annealed only after
            the update), and ``base`` in the first one.
    """

    def __init__(self, base: float, anneal: bool = True, lagging: bool = False):
        super().__init__()
        self.base, self.anneal, self.lagging = base, anneal, lagging
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        # 1 - m of the last step; m itself would lose digits in float32.
        self.register_buffer("share", torch.tensor(1.0 - base))
        self._step_begun = False
        # What the share of a step that lags is; None: not known yet, the buffers are.
        self._last_share: float | None = None

    def begin_step(self, slow: list[nn.Module], trained: list[nn.Module], progress: float) -> None:
        """Update ``slow`` from ``trained``; a second call before :meth:`end_step` (accumulation) does nothing."""
        if self._step_begun:
            return
        self._step_begun = True
        share = 1.0 - (annealed_momentum(self.base, progress) if self.anneal else self.base)
        # As the buffer holds it, so that a run that was resumed from the buffer goes on with the same bits.
        share = torch.tensor(share, dtype=self.share.dtype).item()
        first = self._last_share is None and int(self.steps) == 0
        if self._last_share is None:
            self._last_share = self.share.item()
        _move(slow, trained, 1.0 if first else self._last_share if self.lagging else share)
        self._last_share = share
        self.share.fill_(share)
        self.steps.add_(1)

    def end_step(self) -> None:
        self._step_begun = False

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._last_share = None


@torch.no_grad()
def _move(slow: list[nn.Module], trained: list[nn.Module], share: float) -> None:
    """``slow ← slow + share·(trained − slow)`` for the parameters of modules in the same order."""
    targets = [p for module in slow for p in module.parameters()]
    sources = [p for module in trained for p in module.parameters()]
    if len(targets) != len(sources):
        raise ValueError(f"the momentum encoder has {len(targets)} parameters and the trained one {len(sources)}")
    if targets:
        torch._foreach_lerp_(targets, sources, share)
