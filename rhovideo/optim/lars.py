"""LARS: SGD whose step for each weight tensor is proportional to that tensor's size.

You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks" (arXiv 1708.03888), with the
released recipes' conventions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.sgd import sgd


class LARS(Optimizer):
    """SGD with momentum, the gradient of each tensor rescaled to ``trust_coefficient`` of the tensor's norm.

    For a tensor w of two or more dimensions with gradient g and weight decay λ,

        d = η ‖w‖ / (‖g‖ + λ‖w‖ + ε) · (g + λw),   v ← μv + (1 − dampening) d,   w ← w − lr · v

    (with Nesterov: w ← w − lr · (d + μv); the first v is d itself). Where ‖w‖ is 0, d = g; where ‖g‖ is 0, d = 0.
    As released, tensors of one dimension (biases) in the same group are plain momentum SGD *without* weight decay.
    A group with ``apply_lars=False`` (batch norms) is plain momentum SGD with its weight decay.

    All arithmetic runs over whole lists of tensors (``torch._foreach_*`` and torch's fused SGD), and nothing waits for
    the device. As in the released code, a step leaves d in ``.grad``: measure gradient norms before it.

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
            weight_decay = group["weight_decay"]
            if group["apply_lars"]:
                _adapt_gradients([p for p in trained if p.ndim != 1], group)
                weight_decay = 0.0
            started = [p for p in trained if "momentum_buffer" in self.state[p]]
            self._descend(started, group, weight_decay)
            self._descend([p for p in trained if "momentum_buffer" not in self.state[p]], group, weight_decay)
        return loss

    def _descend(self, parameters: list[Tensor], group: dict, weight_decay: float) -> None:
        """Momentum SGD on the gradients as they are now, for parameters that all have a momentum or all have none."""
        if not parameters:
            return
        gradients = [p.grad for p in parameters]
        velocities = [self.state[p].get("momentum_buffer") for p in parameters]
        fused = _same_layout(parameters, gradients, velocities)
        sgd(
            parameters,
            gradients,
            velocities,
            fused=fused,
            foreach=not fused,
            weight_decay=weight_decay,
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            maximize=False,
        )
        if group["momentum"] != 0:
            for p, velocity in zip(parameters, velocities, strict=True):
                self.state[p]["momentum_buffer"] = velocity


def _adapt_gradients(parameters: list[Tensor], group: dict) -> None:
    """Turn each gradient into the d of the class's docstring, in place: no second set of gradients is allocated."""
    if not parameters:
        return
    gradients = [p.grad for p in parameters]
    weight_norms = torch.stack(torch._foreach_norm(parameters))
    gradient_norms = torch.stack(torch._foreach_norm(gradients))
    decay = group["weight_decay"]
    ratios = group["trust_coefficient"] * weight_norms / (gradient_norms + decay * weight_norms + group["eps"])
    ratios = torch.where(weight_norms == 0, 1.0, ratios)
    # As released: a tensor whose gradient is exactly zero does not decay either.
    ratios = torch.where(gradient_norms == 0, 0.0, ratios)
    if decay != 0:
        torch._foreach_add_(gradients, parameters, alpha=decay)
    torch._foreach_mul_(gradients, list(ratios.unbind()))


def _same_layout(parameters: list[Tensor], gradients: list[Tensor], velocities: list[Tensor | None]) -> bool:
    """Whether torch's fused kernels may be used: they walk memory in order, whatever the strides say."""
    return all(
        p.device.type in ("cpu", "cuda") and p.stride() == g.stride() and (v is None or p.stride() == v.stride())
        for p, g, v in zip(parameters, gradients, velocities, strict=True)
    )
