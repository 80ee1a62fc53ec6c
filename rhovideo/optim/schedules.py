"""The learning rate of every step: warm-up, then half a cosine or steps, as in PySlowFast."""

from __future__ import annotations

import bisect
import math

from fvcore.common.config import CfgNode


def learning_rate(cfg: CfgNode, epoch: float, factor: float = 1.0) -> float:
    """The learning rate at a point of the training.

    Args:
        cfg: a loaded configuration (SOLVER.*).
        epoch: epochs done, with fraction: ``epoch + step / steps_per_epoch`` at the start of a step.
        factor: :func:`rate_factor` at the run's first launch.

    Returns:
        The scheduled rate times ``factor``.

    Raises:
        ValueError: SOLVER.LR_POLICY is unknown, or SOLVER.STEPS and SOLVER.LRS do not fit each other.
    """
    return factor * _scheduled(cfg, epoch)


def rate_factor(cfg: CfgNode, global_batch: int) -> float:
    """The factor by which BASE_LR, WARMUP_START_LR and COSINE_END_LR are multiplied.

    It is NUM_SHARDS with SOLVER.BASE_LR_SCALE_NUM_SHARDS (PySlowFast's rule: BASE_LR is for one machine),
    ``global_batch / SOLVER.BASE_LR_BATCH`` where that is set (our rule: BASE_LR is for that global batch), else 1.

    Args:
        cfg: a loaded configuration (SOLVER.*, NUM_SHARDS).
        global_batch: videos a step, over all processes.

    Raises:
        ValueError: both rules are set, and the number of machines would count twice.
    """
    solver = cfg.SOLVER
    if solver.BASE_LR_SCALE_NUM_SHARDS and solver.BASE_LR_BATCH:
        raise ValueError(
            "SOLVER.BASE_LR_SCALE_NUM_SHARDS and SOLVER.BASE_LR_BATCH both scale the learning rate with the number of "
            "machines: set SOLVER.BASE_LR_SCALE_NUM_SHARDS False, or SOLVER.BASE_LR_BATCH 0"
        )
    if solver.BASE_LR_SCALE_NUM_SHARDS:
        return float(cfg.NUM_SHARDS)
    return global_batch / solver.BASE_LR_BATCH if solver.BASE_LR_BATCH else 1.0


def describe_learning_rate(cfg: CfgNode, global_batch: int, factor: float) -> str:
    """One sentence for the log: the peak rate, the schedule, and the rule that scaled it.

    Args:
        cfg: a loaded configuration (SOLVER.*, NUM_SHARDS).
        global_batch: videos a step, over all processes.
        factor: :func:`rate_factor` at the run's first launch.
    """
    solver = cfg.SOLVER
    if factor != rate_factor(cfg, global_batch):
        rule = f"SOLVER.BASE_LR {solver.BASE_LR:g} times {factor:g}, as at the first launch"
    elif solver.BASE_LR_SCALE_NUM_SHARDS:
        rule = f"SOLVER.BASE_LR {solver.BASE_LR:g} times {cfg.NUM_SHARDS} machines"
    elif solver.BASE_LR_BATCH:
        rule = f"SOLVER.BASE_LR {solver.BASE_LR:g} for a global batch of {solver.BASE_LR_BATCH}, scaled linearly"
    else:
        rule = "SOLVER.BASE_LR as it is; set SOLVER.BASE_LR_BATCH to scale it with the global batch"
    return (
        f"learning rate {solver.BASE_LR * factor:g} at a global batch of {global_batch} ({rule}), "
        f"{solver.LR_POLICY}, {solver.WARMUP_EPOCHS:g} of {solver.MAX_EPOCH} epochs warm-up"
    )


def _scheduled(cfg: CfgNode, epoch: float) -> float:
    """The rate before scaling: the policy's, or the straight line that leads to it during the warm-up."""
    policy = _POLICIES.get(cfg.SOLVER.LR_POLICY)
    if policy is None:
        raise ValueError(f"SOLVER.LR_POLICY is {cfg.SOLVER.LR_POLICY!r}: write one of {', '.join(sorted(_POLICIES))}")
    warm_up = cfg.SOLVER.WARMUP_EPOCHS
    if epoch >= warm_up:
        return policy(cfg.SOLVER, epoch)
    first, last = float(cfg.SOLVER.WARMUP_START_LR), policy(cfg.SOLVER, warm_up)
    return first + (last - first) * epoch / float(warm_up)


def _cosine(solver: CfgNode, epoch: float) -> float:
    """Half a cosine from BASE_LR to COSINE_END_LR (Loshchilov and Hutter, arXiv 1608.03983)."""
    first = float(solver.WARMUP_EPOCHS) if solver.COSINE_AFTER_WARMUP else 0.0
    length = float(solver.MAX_EPOCH) - first
    share = min(1.0, (epoch - first) / length) if length > 0 else 1.0
    highest, lowest = float(solver.BASE_LR), float(solver.COSINE_END_LR)
    return lowest + (highest - lowest) * 0.5 * (1.0 + math.cos(math.pi * share))


def _steps_with_relative_lrs(solver: CfgNode, epoch: float) -> float:
    """BASE_LR times the factor in LRS of the stretch that ``epoch`` lies in; a stretch begins at its entry in STEPS."""
    steps = list(solver.STEPS)
    if not steps or len(steps) != len(solver.LRS) or steps[0] != 0 or steps != sorted(steps):
        raise ValueError(
            f"SOLVER.STEPS {steps} and SOLVER.LRS {list(solver.LRS)}: write as many factors as first epochs, the first "
            "epochs ascending from 0, for example STEPS [0, 60, 120] and LRS [1, 0.1, 0.01]"
        )
    return float(solver.BASE_LR * solver.LRS[bisect.bisect_right(steps, epoch) - 1])


_POLICIES = {"cosine": _cosine, "steps_with_relative_lrs": _steps_with_relative_lrs}
