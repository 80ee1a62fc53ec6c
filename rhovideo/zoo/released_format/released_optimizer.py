"""An optimizer's state in the order in which PySlowFast builds its own, so that a training can go on there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fvcore.common.config import CfgNode
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from rhovideo.optim.groups import parameter_groups

# Ours, not PySlowFast's; eps is a constant of its LARS.
_OWN_OPTIONS = ("params", "apply_lars", "trust_coefficient", "rate_factor")


def released_optimizer(
    state: Mapping[str, Any], cfg: CfgNode, module: nn.Module, order: Iterable[str]
) -> dict[str, Any] | None:
    """The state dict of PySlowFast's optimizer for the same network.

    PySlowFast has the same groups as :func:`rhovideo.optim.groups.parameter_groups`. But they also hold the parameters
    of a frozen encoder, and the modules come in another order.

    Args:
        state: state dict of the optimizer that :func:`rhovideo.optim.build_optimizer` makes for ``module``.
        cfg: the module's configuration.
        module: a method or classifier.
        order: our names of the parameters that are trained or frozen, in PySlowFast's order.

    Returns:
        The state dict, or None if ``state`` does not belong to ``module``.
    """
    groups = parameter_groups(cfg, module)
    stored = state.get("param_groups", [])
    if [len(group["params"]) for group in groups] != [len(group["params"]) for group in stored]:
        return None
    parameters = dict(module.named_parameters())
    numbers = {
        id(parameter): number
        for group, there in zip(groups, stored, strict=True)
        for parameter, number in zip(group["params"], there["params"], strict=True)
    }
    options = {name: value for name, value in stored[0].items() if name not in _OWN_OPTIONS}
    if cfg.SOLVER.LARS_ON:
        options.pop("eps", None)
    norms = {
        id(parameter)
        for part in module.modules()
        if isinstance(part, _NormBase)
        for parameter in part.parameters(recurse=False)
    }
    kinds: dict[str, list[str]] = {"norm": [], "decayed": [], "undecayed": []}
    for name in order:
        parameter = parameters[name]
        flat = cfg.SOLVER.ZERO_WD_1D_PARAM and (parameter.ndim == 1 or name.endswith(".bias"))
        kinds["norm" if id(parameter) in norms else "undecayed" if flat else "decayed"].append(name)
    decays = {"norm": cfg.BN.WEIGHT_DECAY, "decayed": cfg.SOLVER.WEIGHT_DECAY, "undecayed": 0.0}
    released: dict[str, Any] = {"state": {}, "param_groups": []}
    position = 0
    for kind, names in kinds.items():
        if not names:
            continue
        adapted = cfg.SOLVER.LARS_ON and kind != "norm"
        group = options | {"weight_decay": decays[kind], "layer_decay": 1.0, "apply_LARS": adapted}
        released["param_groups"].append(group | {"params": list(range(position, position + len(names)))})
        for place, name in enumerate(names, start=position):
            number = numbers.get(id(parameters[name]))
            if number in state["state"]:
                released["state"][place] = state["state"][number]
        position += len(names)
    return released
