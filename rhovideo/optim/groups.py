"""The parameters that decay, and those that LARS adapts, by the released recipes' rules."""

from __future__ import annotations

from typing import Any

from fvcore.common.config import CfgNode
from torch import nn
from torch.nn.modules.batchnorm import _NormBase


def parameter_groups(cfg: CfgNode, model: nn.Module) -> list[dict[str, Any]]:
    """The trained parameters of ``model`` in at most three groups, in this order.

    1. Scale and shift of batch norms: BN.WEIGHT_DECAY, never adapted by LARS.
    2. Everything else, biases of the MLPs included: SOLVER.WEIGHT_DECAY.
    3. With SOLVER.ZERO_WD_1D_PARAM, biases and other 1-D parameters: no decay.

    Parameters with ``requires_grad`` False are left out, and so are empty groups. A parameter that two modules share is
    taken once, where it is met first.

    Args:
        cfg: a loaded configuration (BN.WEIGHT_DECAY, SOLVER.WEIGHT_DECAY, SOLVER.ZERO_WD_1D_PARAM).
        model: any module.

    Returns:
        Groups for a torch optimizer: ``params``, ``weight_decay``, ``apply_lars`` (read by
        :class:`rhovideo.optim.lars.LARS`, carried along by the others).
    """
    norms: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    undecayed: list[nn.Parameter] = []
    met: set[nn.Parameter] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter in met or not parameter.requires_grad:
                continue
            met.add(parameter)
            if isinstance(module, _NormBase):
                norms.append(parameter)
            elif cfg.SOLVER.ZERO_WD_1D_PARAM and (parameter.ndim == 1 or name == "bias"):
                undecayed.append(parameter)
            else:
                decayed.append(parameter)
    groups = [
        {"params": norms, "weight_decay": cfg.BN.WEIGHT_DECAY, "apply_lars": False},
        {"params": decayed, "weight_decay": cfg.SOLVER.WEIGHT_DECAY, "apply_lars": True},
        {"params": undecayed, "weight_decay": 0.0, "apply_lars": True},
    ]
    return [group for group in groups if group["params"]]
