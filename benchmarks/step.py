"""Whole training steps of the four methods, and of them alone the momentum update and LARS.

python -m benchmarks.step [--only WORDS]
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from benchmarks.peers.steps import Step, lightly_step
from benchmarks.peers.updates import lars_peers, momentum_peers
from benchmarks.script import run_script
from benchmarks.table import FLOOR, OURS, Row, Table
from benchmarks.timing import interleaved
from rhovideo.config import get_cfg
from rhovideo.config.extension.registries import METHODS
from rhovideo.config.keys import set_value
from rhovideo.engine.model_setup import place
from rhovideo.models import build_backbone
from rhovideo.optim import LARS
from rhovideo.ssl.build import build_method
from rhovideo.ssl.memory.momentum import MomentumUpdate, momentum_copy

_RHO, _BATCH, _FRAMES, _CROP = 2, 4, 4, 64
_LR, _MOMENTUM, _WEIGHT_DECAY = 0.01, 0.9, 1e-4
_NOTES = (
    f"One thread, float32. Steps: R-18, batch {_BATCH}, ρ={_RHO} clips of {_FRAMES} frames of {_CROP}², SGD, for MoCo "
    "a queue of 65,536; lightly: its losses, queue and momentum update around the same networks. Their floor: the "
    "forward and backward passes of the networks alone. Updates: the parameters of Slow R-50 (31.6 million), and those "
    "of its batch norms alone, many and small, where not memory but the number of calls is what costs, as with all of "
    "them on a GPU. Their floor: one tensor of all parameters, moved by one call, which reads and writes each number "
    "once; for LARS, by plain SGD, without the norms. No update can beat a loop by more than the loop's time over the "
    "floor."
)


def measure(only: str = "") -> Table:
    """Time every row whose text holds ``only``."""
    rows = [_step_row(kind, f"step: {kind}") for kind in METHODS if only in f"step: {kind}"]
    for kind, key in (("moco", "CONTRASTIVE.KEYS_AT_ONCE"), ("moco", "MODEL.CHANNELS_LAST")):
        if only in f"step: {kind}, {key}":
            rows.append(_option_row(kind, key, f"step: {kind}, {key}"))
    for work, row in (("update: momentum encoder", _momentum_row), ("update: LARS", _lars_row)):
        for part, parameters_of in (("", nn.Module.parameters), (", batch norms alone", _norm_parameters)):
            if only in work + part:
                torch.manual_seed(0)
                rows.append(row(work + part, nn.ParameterList(parameters_of(build_backbone(get_cfg())))))
    return Table("step", "ms", _NOTES, rows, digits=2)


def _step_row(kind: str, work: str) -> Row:
    torch.manual_seed(0)
    method = build_method(_configuration(kind))
    views = _views()
    candidates: dict[str, Step] = {OURS: _our_step(copy.deepcopy(method))}
    with suppress(ImportError):
        candidates["lightly"] = lightly_step(kind, method, _sgd)
    candidates[FLOOR] = _passes(copy.deepcopy(method))
    return Row(work, _timed({name: _bound(step, views) for name, step in candidates.items()}, seconds=3.0))


def _option_row(kind: str, key: str, work: str) -> Row:
    """Our step with an option that is off by default, and without it."""
    cfg, views, candidates = _configuration(kind), _views(), {}
    for name, value in ((OURS, True), ("without the option", False)):
        set_value(cfg, key, value)
        torch.manual_seed(0)
        method = build_method(cfg)
        place(method, cfg, torch.device("cpu"))
        candidates[name] = _bound(_our_step(method), views)
    return Row(work, _timed(candidates, seconds=3.0))


def _views() -> list[Tensor]:
    """Clips as the loader's bytes become them: channels last in memory."""
    clips = torch.randn(_RHO, _BATCH, _FRAMES, _CROP, _CROP, 3)
    return list(clips.permute(0, 1, 5, 2, 3, 4))


def _configuration(kind: str) -> CfgNode:
    cfg = get_cfg()
    cfg.RESNET.DEPTH = 18
    node = cfg.CONTRASTIVE
    node.TYPE, node.LOSS_FORM, node.T, node.PREDICTOR_DEPTHS = kind, "paper", 0.1, [2]
    node.NUM_MLP_LAYERS, node.BN_MLP, node.MOMENTUM, node.MOCO_MULTI_VIEW_QUEUE = 3, kind != "moco", 0.994, True
    return cfg


def _sgd(module: nn.Module) -> torch.optim.Optimizer:
    trained = [p for p in module.parameters() if p.requires_grad]
    return torch.optim.SGD(trained, lr=_LR, momentum=_MOMENTUM, weight_decay=_WEIGHT_DECAY, nesterov=True)


def _our_step(method: nn.Module) -> Step:
    optimizer = _sgd(method)

    def step(views: Sequence[Tensor]) -> None:
        optimizer.zero_grad(set_to_none=True)
        for loss in method.losses(list(views), 0.5):
            loss.backward()
        if method.after_backward(0.5, 10**6):
            optimizer.step()

    return step


def _passes(method: nn.Module) -> Step:
    """As many passes of the networks as the method needs, the gradient beginning at the embeddings."""

    def step(views: Sequence[Tensor]) -> None:
        if hasattr(method, "momentum_encoder"):
            with torch.no_grad():
                for view in views:
                    method.momentum_projection(method.momentum_encoder(view))
        method.zero_grad(set_to_none=True)
        for view in views:
            embeddings = method.projection(method.encoder(view))
            embeddings.backward(torch.ones_like(embeddings))

    return step


def _norm_parameters(network: nn.Module) -> Iterator[nn.Parameter]:
    return (p for p in network.parameters() if p.ndim == 1)


def _momentum_row(work: str, trained: nn.ParameterList) -> Row:
    peers = momentum_peers(momentum_copy(trained), trained, 0.994)
    slow, update = momentum_copy(trained), MomentumUpdate(0.994, anneal=False)
    update.steps = 1

    def ours() -> None:
        update.begin_step([slow], [trained], 0.5)
        update.end_step()

    flat, target = _flat(trained), _flat(trained)
    candidates = {OURS: ours, **peers, FLOOR: lambda: target.lerp_(flat, 0.006)}
    return Row(work, _timed(candidates, seconds=2.0))


def _lars_row(work: str, trained: nn.ParameterList) -> Row:
    settings = {"lr": _LR, "momentum": _MOMENTUM, "weight_decay": _WEIGHT_DECAY}

    def parameters() -> list[nn.Parameter]:
        found = [nn.Parameter(p.detach().clone()) for p in trained]
        for p in found:
            p.grad = torch.randn_like(p)
        return found

    plain = nn.Parameter(_flat(trained))
    plain.grad = torch.randn_like(plain)
    candidates = {OURS: LARS(parameters(), **settings).step}
    candidates |= {name: peer.step for name, peer in lars_peers(parameters(), **settings).items()}
    candidates[FLOOR] = torch.optim.SGD([plain], fused=True, **settings).step
    return Row(work, _timed(candidates, seconds=2.0))


def _flat(module: nn.Module) -> Tensor:
    return torch.cat([p.detach().reshape(-1) for p in module.parameters()])


def _bound(step: Step, views: Sequence[Tensor]) -> Callable[[], None]:
    return lambda: step(views)


def _timed(candidates: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Median milliseconds of each."""
    works = {name: (lambda number, candidate=candidate: candidate()) for name, candidate in candidates.items()}
    # Some kernels count a process's time in steps of milliseconds, too coarse for these.
    medians = interleaved(works, seconds=seconds, clock=time.perf_counter)
    return {name: 1000 * median for name, median in medians.items()}


if __name__ == "__main__":
    run_script(measure)
