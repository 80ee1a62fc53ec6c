"""The momentum encoder: a slow copy of the trained one (MoCo, arXiv 1911.05722, equation 2; BYOL, arXiv 2006.07733)."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn

from rhovideo.ssl.memory.state_numbers import StateNumbers

ModuleT = TypeVar("ModuleT", bound=nn.Module)


def momentum_copy(module: ModuleT) -> ModuleT:
    """A copy of ``module`` whose parameters take no gradient."""
    return copy.deepcopy(module).requires_grad_(False)


def annealed_momentum(base: float, progress: float) -> float:
    """``m = 1 - (1 - m_base)(cos(πk/K) + 1)/2``: from ``base`` at the beginning to 1 at the end.

    Grill et al. (BYOL, arXiv 2006.07733), section 3.2; Feichtenhofer et al. (arXiv 2104.14558) use it for MoCo too.

    Args:
        base: m_base.
        progress: k/K, the share of training done, from 0 to 1.

    Returns:
        m, the share of the slow weights that is kept in a step.
    """
    return 1.0 - (1.0 - base) * (math.cos(math.pi * progress) + 1.0) / 2.0


class MomentumUpdate(StateNumbers):
    """Moves the momentum encoder towards the trained one, once a step: ``slow ← m·slow + (1-m)·trained``.

    In the very first step the parameters are copied, so that weights loaded into the trained encoder reach the slow
    one. Batch-norm buffers are never averaged (as released): the momentum encoder has its own statistics.

    All parameters move in one ``torch._foreach_lerp_``: a few kernels on a GPU, and each number is read and written
    once. A loop that makes two temporaries for each parameter takes about three times as long on the CPU.

    Args:
        base: momentum m_base at the beginning.
        anneal: let it rise to 1 along a cosine (:func:`annealed_momentum`).
        lagging: use the momentum that was annealed in the step before, and ``base`` in the first one (as released,
            where it is annealed after the update).

    Attributes:
        steps: steps begun so far.
        share: 1 - m of the last step; before the first one, 1 - ``base``.
    """

    # The share and not m, of which a float32 of an older checkpoint would keep fewer digits.
    numbers: ClassVar = {"steps": torch.int64, "share": torch.float64}

    def __init__(self, base: float, anneal: bool = True, lagging: bool = False) -> None:
        super().__init__()
        self.base, self.anneal, self.lagging = base, anneal, lagging
        self.steps, self.share = 0, 1.0 - base
        self._step_begun = False

    def begin_step(self, slow: Sequence[nn.Module], trained: Sequence[nn.Module], progress: float) -> None:
        """Update ``slow`` from ``trained``; a second call before :meth:`end_step` (a micro-batch) does nothing.

        Args:
            slow: modules of the momentum encoder.
            trained: the modules that they are copies of, in the same order.
            progress: the share of the training that is done, from 0 to 1.

        Raises:
            ValueError: the two have different numbers of parameters.
        """
        if self._step_begun:
            return
        self._step_begun = True
        share = 1.0 - (annealed_momentum(self.base, progress) if self.anneal else self.base)
        _move(slow, trained, 1.0 if self.steps == 0 else self.share if self.lagging else share)
        self.share = share
        self.steps += 1

    def end_step(self) -> None:
        """Let the next :meth:`begin_step` update again."""
        self._step_begun = False


@torch.no_grad()
def _move(slow: Sequence[nn.Module], trained: Sequence[nn.Module], share: float) -> None:
    """``slow ← slow + share·(trained − slow)`` for the parameters of modules in the same order."""
    targets: list[Tensor] = [p for module in slow for p in module.parameters()]
    sources: list[Tensor] = [p for module in trained for p in module.parameters()]
    if len(targets) != len(sources):
        raise ValueError(f"the momentum encoder has {len(targets)} parameters and the trained one {len(sources)}")
    if targets:
        torch._foreach_lerp_(targets, sources, share)
