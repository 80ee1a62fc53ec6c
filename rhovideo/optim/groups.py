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

    With a SOLVER.PREDICTOR_LR_FACTOR other than 1, or a SOLVER.PREDICTOR_WEIGHT_DECAY, the parameters of
    ``model.predictor`` follow in three groups of their own. Of its batch norms the latter is the decay too.

    Parameters with ``requires_grad`` False are left out, and so are empty groups. A parameter that two modules share is
    taken once, where it is met first.

    Args:
        cfg: a loaded configuration (BN.WEIGHT_DECAY, SOLVER.WEIGHT_DECAY, SOLVER.ZERO_WD_1D_PARAM,
            SOLVER.PREDICTOR_LR_FACTOR, SOLVER.PREDICTOR_WEIGHT_DECAY).
        model: any module.

    Returns:
        Groups for a torch optimizer: ``params``, ``weight_decay``, ``apply_lars`` (read by
        :class:`rhovideo.optim.lars.LARS`, carried along by the others), ``rate_factor`` (read by
        :func:`rhovideo.optim.build.set_learning_rate`).
    """
    solver = cfg.SOLVER
    factor, decay = solver.PREDICTOR_LR_FACTOR, solver.PREDICTOR_WEIGHT_DECAY
    predictor = getattr(model, "predictor", None) if factor != 1 or decay is not None else None
    apart = set() if predictor is None else set(predictor.parameters())
    decays = (cfg.BN.WEIGHT_DECAY, solver.WEIGHT_DECAY)
    groups = _groups(*decays, 1.0) + _groups(*(decays if decay is None else (decay, decay)), factor)
    met: set[nn.Parameter] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter in met or not parameter.requires_grad:
                continue
            met.add(parameter)
            kind = _UNDECAYED if solver.ZERO_WD_1D_PARAM and (parameter.ndim == 1 or name == "bias") else _DECAYED
            kind = _NORMS if isinstance(module, _NormBase) else kind
            groups[kind + _KINDS * (parameter in apart)]["params"].append(parameter)
    return [group for group in groups if group["params"]]


_NORMS, _DECAYED, _UNDECAYED = range(3)
_KINDS = 3


def _groups(of_norms: float, of_others: float, factor: float) -> list[dict[str, Any]]:
    """The three groups, still empty."""
    decays = ((of_norms, False), (of_others, True), (0.0, True))
    return [
        {"params": [], "weight_decay": decay, "apply_lars": adapted, "rate_factor": factor} for decay, adapted in decays
    ]
