"""The momentum update and LARS as others do them, parameter by parameter or with lightly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


def momentum_peers(slow: nn.Module, trained: nn.Module, momentum: float) -> dict[str, Callable[[], None]]:
    """By name, what moves the parameters of ``slow`` towards those of ``trained``."""
    pairs = list(zip(slow.parameters(), trained.parameters(), strict=True))

    @torch.no_grad()
    def loop() -> None:
        for old, new in pairs:
            old.data = old.data * momentum + new.data * (1 - momentum)

    @torch.no_grad()
    def loop_in_place() -> None:
        for old, new in pairs:
            old.lerp_(new, 1 - momentum)

    found = {"Python loop": loop, "Python loop, in place": loop_in_place}
    try:
        from lightly.models.utils import update_momentum
    except ImportError:
        return found
    return {**found, "lightly": lambda: update_momentum(trained, slow, momentum)}


def lars_peers(parameters: Sequence[Tensor], **settings: float) -> dict[str, Optimizer]:
    """By name, LARS with the settings ``lr``, ``momentum`` and ``weight_decay``."""
    found: dict[str, Optimizer] = {"Python loop": LoopLARS(parameters, **settings)}
    try:
        from lightly.utils.lars import LARS
    except ImportError:
        return found
    return {**found, "lightly": LARS(parameters, **settings)}


class LoopLARS(Optimizer):
    """LARS written down from its equations, one parameter after the other; as ours without Nesterov."""

    def __init__(self, parameters: Sequence[Tensor], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                d = p.grad
                if p.ndim > 1:
                    size, slope = p.norm(), p.grad.norm()
                    if size > 0 and slope > 0:
                        ratio = 0.001 * size / (slope + group["weight_decay"] * size + 1e-8)
                        d = (p.grad + group["weight_decay"] * p) * ratio
                state = self.state[p]
                state["v"] = group["momentum"] * state["v"] + d if "v" in state else d.clone()
                p.data = p.data - group["lr"] * state["v"]
