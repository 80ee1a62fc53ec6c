"""LARS: SGD whose step for each weight tensor is proportional to that tensor's size.

You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks" (arXiv 1708.03888), with the
released recipes' conventions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer


class LARS(Optimizer):
    """SGD with momentum, the gradient of each tensor rescaled to ``trust_coefficient`` of the tensor's norm.

    For a tensor w of two or more dimensions with gradient g and weight decay λ,

        d = η ‖w‖ / (‖g‖ + λ‖w‖ + ε) · (g + λw),   v ← μv + (1 − dampening) d,   w ← w − lr · v

    (with Nesterov: w ← w − lr · (d + μv); the first v is d itself). Where ‖w‖ is 0, d = g; where ‖g‖ is 0, d = 0.
    As released, tensors of one dimension (biases) in the same group are plain momentum SGD *without* weight decay.
    A group with ``apply_lars=False`` (batch norms) is plain momentum SGD with its weight decay.

    All arithmetic runs over whole lists of tensors (``torch._foreach_*``), and nothing waits for the device.
    Gradients are left as they are.

    Args:
        params: parameters or groups; a group may set ``apply_lars`` (default True) beside the arguments below.
        lr: learning rate.
        momentum: μ.
        dampening: share of d that is kept out of the momentum after the first step.
        nesterov: look ahead by one step; needs momentum > 0 and no dampening.
        weight_decay: λ.
        trust_coefficient: η; 0.001 in the paper.
        eps: ε, keeps the ratio finite.

    Raises:
        ValueError: a negative argument, or Nesterov without momentum or with dampening.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 0.1,
        momentum: float = 0.9,
        dampening: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        trust_coefficient: float = 0.001,
        eps: float = 1e-8,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "trust_coefficient": trust_coefficient,
            "eps": eps,
        }
        for name, value in defaults.items():
            if value < 0:
                raise ValueError(f"LARS: {name} is {value}; it must not be negative")
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError("LARS: nesterov needs momentum > 0 and dampening 0")
        super().__init__(params, {**defaults, "nesterov": nesterov, "apply_lars": True})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """One step on the gradients at hand; parameters without a gradient stay as they are.

        Args:
            closure: recomputes and returns the loss (optional, as in torch).
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            trained = [p for p in group["params"] if p.grad is not None]
            if group["apply_lars"]:
                adapted = [p for p in trained if p.ndim != 1]
                self._descend(adapted, _adapted_gradients(adapted, group), group)
                plain = [p for p in trained if p.ndim == 1]
                self._descend(plain, [p.grad for p in plain], group)
            else:
                self._descend(trained, _decayed_gradients(trained, group["weight_decay"]), group)
        return loss

    def _descend(self, parameters: list[Tensor], directions: list[Tensor], group: dict) -> None:
        """Momentum and the step itself; the directions are not written to."""
        if not parameters:
            return
        if group["momentum"] != 0:
            velocities = self._update_velocities(parameters, directions, group)
            if group["nesterov"]:
                directions = torch._foreach_add(directions, velocities, alpha=group["momentum"])
            else:
                directions = velocities
        torch._foreach_add_(parameters, directions, alpha=-group["lr"])

    def _update_velocities(self, parameters: list[Tensor], directions: list[Tensor], group: dict) -> list[Tensor]:
        new = {p for p in parameters if "momentum_buffer" not in self.state[p]}
        for p, direction in zip(parameters, directions, strict=True):
            if p in new:
                self.state[p]["momentum_buffer"] = direction.clone()
        old = [(p, d) for p, d in zip(parameters, directions, strict=True) if p not in new]
        if old:
            velocities = [self.state[p]["momentum_buffer"] for p, _ in old]
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_add_(velocities, [d for _, d in old], alpha=1 - group["dampening"])
        return [self.state[p]["momentum_buffer"] for p in parameters]


def _decayed_gradients(parameters: list[Tensor], weight_decay: float) -> list[Tensor]:
    gradients = [p.grad for p in parameters]
    if not parameters or weight_decay == 0:
        return gradients
    return list(torch._foreach_add(gradients, parameters, alpha=weight_decay))


def _adapted_gradients(parameters: list[Tensor], group: dict) -> list[Tensor]:
    """The d of the class's docstring for each tensor."""
    if not parameters:
        return []
    gradients = [p.grad for p in parameters]
    weight_norms = torch.stack(torch._foreach_norm(parameters))
    gradient_norms = torch.stack(torch._foreach_norm(gradients))
    decay = group["weight_decay"]
    ratios = group["trust_coefficient"] * weight_norms / (gradient_norms + decay * weight_norms + group["eps"])
    ratios = torch.where(weight_norms == 0, 1.0, ratios)
    # As released: a tensor whose gradient is exactly zero does not decay either.
    ratios = torch.where(gradient_norms == 0, 0.0, ratios)
    directions = _decayed_gradients(parameters, decay)
    return list(torch._foreach_mul(directions, list(ratios.unbind())))
