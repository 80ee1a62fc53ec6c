"""LARS: SGD whose step for each weight tensor is proportional to that tensor's size.

You, Gitman and Ginsburg, "Large Batch Training of Convolutional Networks" (arXiv 1708.03888), with the
released recipes' conventions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, overload

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT
from torch.optim.sgd import sgd

Group = dict[str, Any]


class LARS(Optimizer):
    """SGD with momentum, the gradient of each tensor rescaled to ``trust_coefficient`` of the tensor's norm.

    For a tensor w of two or more dimensions with gradient g and weight decay λ,

        d = η ‖w‖ / (‖g‖ + λ‖w‖ + ε) · (g + λw),   v ← μv + (1 − dampening) d,   w ← w − lr · v

    (with Nesterov: w ← w − lr · (d + μv); the first v is d itself). Where ‖w‖ is 0, d = g; where ‖g‖ is 0, d = 0.
    As released, tensors of one dimension (biases) in the same group are plain momentum SGD *without* weight decay.
    A group with ``apply_lars=False`` (batch norms) is plain momentum SGD with its weight decay.

    On a GPU all arithmetic runs over whole lists of tensors (``torch._foreach_*`` and torch's fused SGD), and nothing
    waits for the device. On the CPU memory is the limit: there a float32 tensor's norms are followed at once by all the
    rest in one fused pass, while the tensor is in the cache. Both change the gradients in ``.grad`` (as the released
    code does): measure gradient norms before a step.

    Args:
        params: parameters or groups; a group may set ``apply_lars`` (default True) and any of the arguments below.
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
        params: ParamsT,
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

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step on the gradients at hand; parameters without a gradient stay as they are.

        Args:
            closure: computes the gradients anew and returns the loss (as of torch's optimizers); None: the gradients
                are there.

        Returns:
            What ``closure`` returns; None without one.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            trained = [p for p in group["params"] if p.grad is not None]
            if not group["apply_lars"]:
                self._descend(trained, group, group["weight_decay"])
                continue
            cached = {p for p in trained if p.ndim != 1 and self._is_for_one_pass(p)}
            for p in cached:
                self._adapt_and_descend(p, group)
            others = [p for p in trained if p not in cached]
            _adapt_gradients([p for p in others if p.ndim != 1], group)
            self._descend(others, group, weight_decay=0.0)
        return loss

    def _is_for_one_pass(self, p: Tensor) -> bool:
        # torch's fused SGD takes the gradient's scale in float32, too coarse for other types.
        velocity = self.state[p].get("momentum_buffer")
        return p.is_cpu and p.dtype == torch.float32 and _same_layout([p], _gradients([p]), [velocity])

    def _adapt_and_descend(self, p: Tensor, group: Group) -> None:
        """LARS for one tensor: its norms, then decay, rescaling, momentum and step in one pass."""
        size, slope = (norm.item() for norm in torch._foreach_norm([p, *_gradients([p])]))
        ratio = _ratio(size, slope, group)
        inverse = torch.tensor(1.0 / ratio if ratio else math.inf)
        # d = g / inverse + (ratio · λ) w
        self._descend([p], group, weight_decay=ratio * group["weight_decay"], gradient_scale=inverse)

    def _descend(
        self, parameters: list[Tensor], group: Group, weight_decay: float, gradient_scale: Tensor | None = None
    ) -> None:
        """Momentum SGD on the gradients as they are now, or divided by ``gradient_scale`` (0-dim)."""
        started = [p for p in parameters if "momentum_buffer" in self.state[p]]
        others = [p for p in parameters if "momentum_buffer" not in self.state[p]]
        for part in (started, others):
            if part:
                self._descend_alike(part, group, weight_decay, gradient_scale)

    def _descend_alike(
        self, parameters: list[Tensor], group: Group, weight_decay: float, gradient_scale: Tensor | None
    ) -> None:
        """As above, for parameters that all have a momentum or all have none."""
        gradients = _gradients(parameters)
        velocities: list[Tensor | None] = [self.state[p].get("momentum_buffer") for p in parameters]
        first = velocities[0] is None
        fused = _same_layout(parameters, gradients, velocities)
        sgd(
            parameters,
            gradients,
            velocities,
            fused=fused,
            foreach=not fused,
            grad_scale=gradient_scale,
            weight_decay=weight_decay,
            momentum=group["momentum"],
            lr=group["lr"],
            dampening=group["dampening"],
            nesterov=group["nesterov"],
            maximize=False,
        )
        if first and group["momentum"] != 0:
            for p, velocity in zip(parameters, velocities, strict=True):
                self.state[p]["momentum_buffer"] = velocity


def _gradients(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Their gradients, which they all have."""
    return [p.grad for p in parameters if p.grad is not None]


def _ratio(size: float, slope: float, group: Group) -> float:
    """The factor d / (g + λw), for a tensor with norm ``size`` whose gradient has norm ``slope``."""
    if slope == 0:
        # As released: a tensor whose gradient is exactly zero does not decay either.
        return 0.0
    adapted: float = group["trust_coefficient"] * size / (slope + group["weight_decay"] * size + group["eps"])
    return adapted if size else 1.0


def _adapt_gradients(parameters: list[Tensor], group: Group) -> None:
    """Turn each gradient into the d of the class's docstring, in place: no second set of gradients is allocated."""
    if not parameters:
        return
    gradients = _gradients(parameters)
    weight_norms = torch.stack(torch._foreach_norm(parameters))
    gradient_norms = torch.stack(torch._foreach_norm(gradients))
    decay = group["weight_decay"]
    ratios = group["trust_coefficient"] * weight_norms / (gradient_norms + decay * weight_norms + group["eps"])
    ratios = torch.where(weight_norms == 0, 1.0, ratios)
    ratios = torch.where(gradient_norms == 0, 0.0, ratios)
    if decay != 0:
        torch._foreach_add_(gradients, parameters, alpha=decay)
    torch._foreach_mul_(gradients, list(ratios.unbind()))


def _same_layout(parameters: list[Tensor], gradients: list[Tensor], velocities: list[Tensor | None]) -> bool:
    """True where torch's fused kernels may be used, which walk memory in order and ignore strides."""
    return all(
        (p.is_cpu or p.is_cuda)
        and _fills_its_memory(p)
        and p.stride() == g.stride()
        and (v is None or p.stride() == v.stride())
        for p, g, v in zip(parameters, gradients, velocities, strict=True)
    )


def _fills_its_memory(p: Tensor) -> bool:
    """True where nothing else lies between a tensor's first element and its last."""
    reach = sum((size - 1) * stride for size, stride in zip(p.shape, p.stride(), strict=True))
    return p.numel() == 0 or reach == p.numel() - 1
