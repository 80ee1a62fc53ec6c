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

    With a SOLVER.PREDICTOR_LR_FACTOR other than 1, the parameters of ``model.predictor`` follow in three groups of
    their own.

    Parameters with ``requires_grad`` False are left out, and so are empty groups. A parameter that two modules share is
    taken once, where it is met first.

    Args:
        cfg: a loaded configuration (BN.WEIGHT_DECAY, SOLVER.WEIGHT_DECAY, SOLVER.ZERO_WD_1D_PARAM,
            SOLVER.PREDICTOR_LR_FACTOR).
        model: any module.

    Returns:
        Groups for a torch optimizer: ``params``, ``weight_decay``, ``apply_lars`` (read by
        :class:`rhovideo.optim.lars.LARS`, carried along by the others), ``rate_factor`` (read by
        :func:`rhovideo.optim.build.set_learning_rate`).
    """
    factor = cfg.SOLVER.PREDICTOR_LR_FACTOR
    predictor = getattr(model, "predictor", None) if factor != 1 else None
    apart = set() if predictor is None else set(predictor.parameters())
    groups = _groups(cfg, 1.0) + _groups(cfg, factor)
    met: set[nn.Parameter] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter in met or not parameter.requires_grad:
                continue
            met.add(parameter)
            kind = _UNDECAYED if cfg.SOLVER.ZERO_WD_1D_PARAM and (parameter.ndim == 1 or name == "bias") else _DECAYED
            kind = _NORMS if isinstance(module, _NormBase) else kind
            groups[kind + _KINDS * (parameter in apart)]["params"].append(parameter)
    return [group for group in groups if group["params"]]


_NORMS, _DECAYED, _UNDECAYED = range(3)
_KINDS = 3


def _groups(cfg: CfgNode, factor: float) -> list[dict[str, Any]]:
    """The three groups, still empty."""
    decays = ((cfg.BN.WEIGHT_DECAY, False), (cfg.SOLVER.WEIGHT_DECAY, True), (0.0, True))
    return [
        {"params": [], "weight_decay": decay, "apply_lars": adapted, "rate_factor": factor} for decay, adapted in decays
    ]
