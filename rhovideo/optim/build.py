"""The optimizer of a configuration."""

from __future__ import annotations

import torch
from fvcore.common.config import CfgNode
from torch import nn
from torch.optim import Optimizer

from rhovideo.optim.groups import parameter_groups
from rhovideo.optim.lars import LARS


def build_optimizer(cfg: CfgNode, model: nn.Module) -> Optimizer:
    """SGD with momentum, LARS or AdamW over the trained parameters of ``model``.

    The learning rate is SOLVER.BASE_LR until :func:`set_learning_rate` is called, which every step does.

    Args:
        cfg: a loaded configuration (SOLVER.*, BN.WEIGHT_DECAY).
        model: any module; its parameters with ``requires_grad`` are trained.

    Raises:
        ValueError: there is nothing to train, or settings do not go together; the message names the keys.
    """
    solver = cfg.SOLVER
    method = solver.OPTIMIZING_METHOD
    if method not in ("sgd", "adamw"):
        raise ValueError(f"SOLVER.OPTIMIZING_METHOD is {method!r}: write sgd or adamw (LARS is sgd with LARS_ON True)")
    if solver.LAYER_DECAY != 1.0:
        raise ValueError(f"SOLVER.LAYER_DECAY is {solver.LAYER_DECAY}: only 1.0 is supported")
    groups = parameter_groups(cfg, model)
    if not groups:
        raise ValueError("no parameter of the model is trained: every one has requires_grad False")
    if method == "adamw":
        if solver.LARS_ON:
            raise ValueError("SOLVER.LARS_ON adapts sgd: set SOLVER.OPTIMIZING_METHOD sgd, or SOLVER.LARS_ON False")
        return torch.optim.AdamW(
            groups, lr=solver.BASE_LR, betas=tuple(solver.BETAS), eps=1e-8, weight_decay=solver.WEIGHT_DECAY
        )
    if solver.NESTEROV and (solver.MOMENTUM <= 0 or solver.DAMPENING != 0):
        raise ValueError(
            "SOLVER.NESTEROV needs SOLVER.MOMENTUM > 0 and SOLVER.DAMPENING 0: change these or set it False"
        )
    sgd = {
        "lr": solver.BASE_LR,
        "momentum": solver.MOMENTUM,
        "dampening": solver.DAMPENING,
        "nesterov": solver.NESTEROV,
        "weight_decay": solver.WEIGHT_DECAY,
    }
    if solver.LARS_ON:
        return LARS(groups, trust_coefficient=solver.LARS_TRUST, **sgd)
    return torch.optim.SGD(groups, **sgd)


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Let the next step of every parameter group use ``rate``, times the group's ``rate_factor`` where it has one."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("rate_factor", 1.0)
