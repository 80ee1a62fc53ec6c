"""Loss curves of our methods beside lightly's losses, in a picture: the same clips, first weights and schedule.

python -m benchmarks.curves --out outputs/curves [--epochs 20] [--method byol] [--plot curves.png]

Each method is trained three times at once, with the demo's recipe in one process: with our loss; with lightly's around
a copy of the same networks; and with our loss again, after its first weights were changed by one part in ten million.
All see the same clips in each step.

What differs between the first two is the code that computes the loss, the queue and the momentum update. (lightly's
MoCo puts the keys of the first view into the queue before the second view's loss; ours does it after the step, as the
paper does.) How far the third one parts from the first is no difference in the code: it is the noise of rounding, which
training multiplies.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from benchmarks.peers.steps import lightly_losses
from rhovideo.config import load_cfg
from rhovideo.data import build_loader
from rhovideo.demo.measured_runs import made_set
from rhovideo.engine.device_inputs import to_network_input
from rhovideo.optim import build_optimizer, learning_rate, set_learning_rate
from rhovideo.ssl import build_method
from rhovideo.ssl.memory.momentum import annealed_momentum

_VIDEOS = 256
_NAMES = {"simclr": "SimCLR", "moco": "MoCo", "byol": "BYOL", "swav": "SwAV"}
OURS, NOISE, THEIRS = "rhovideo", "rhovideo, weights + 1e-7", "lightly"
_STYLES = {
    OURS: {"lw": 3.5, "color": "#56B4E9"},
    NOISE: {"lw": 1.5, "color": "#E69F00"},
    THEIRS: {"lw": 0.9, "color": "#000000"},
}
Curve = list[float]
Losses = Callable[[Sequence[Tensor], float], Iterable[Tensor]]


def curves_of(kind: str, data: Path, epochs: int, seed: int) -> dict[str, Curve]:
    """The loss of each step: ours, ours from slightly other weights, and lightly's.

    Args:
        kind: of METHODS.
        data: folder of the lists.
        epochs: to stop after; the schedule is the recipe's.
        seed: of weights and clips.
    """
    words = ["DATA.PATH_TO_DATA_DIR", data, "NUM_CPU_PROCESSES", 1, "RNG_SEED", seed]
    cfg = load_cfg(f"demo/{kind}", [str(word) for word in words])
    torch.manual_seed(seed)
    ours = build_method(cfg).train()
    trained = {OURS: ours, NOISE: _changed(ours), THEIRS: copy.deepcopy(ours)}
    losses = {
        OURS: _own_losses(ours),
        NOISE: _own_losses(trained[NOISE]),
        THEIRS: _losses_of_lightly(cfg, trained[THEIRS]),
    }
    optimizers = {name: build_optimizer(cfg, method) for name, method in trained.items()}
    curves: dict[str, Curve] = {name: [] for name in trained}
    for step, (progress, views) in enumerate(_steps(cfg, epochs)):
        for name, optimizer in optimizers.items():
            curves[name].append(_passes(losses[name], views, progress, optimizer))
        # Of lightly's copy only the prototypes, which are frozen in the first epoch: its queue is its own.
        ended = [OURS, NOISE, THEIRS] if kind == "swav" else [OURS, NOISE]
        # MoCo's first epoch fills the queue; all wait for it.
        wanted = [trained[name].after_backward(progress, step) for name in ended]
        if all(wanted):
            for optimizer in optimizers.values():
                set_learning_rate(optimizer, learning_rate(cfg, progress * cfg.SOLVER.MAX_EPOCH))
                optimizer.step()
    return curves


@torch.no_grad()
def _changed(method: nn.Module) -> nn.Module:
    changed = copy.deepcopy(method)
    for parameter in changed.parameters():
        parameter.mul_(1 + 1e-7)
    return changed


def _own_losses(method: nn.Module) -> Losses:
    return lambda views, progress: method.losses(list(views), progress)


def _losses_of_lightly(cfg: CfgNode, method: nn.Module) -> Losses:
    losses, base = lightly_losses(cfg.CONTRASTIVE.TYPE, method), cfg.CONTRASTIVE.MOMENTUM
    return lambda views, progress: losses(views, annealed_momentum(base, progress))


def _steps(cfg: CfgNode, epochs: int) -> Iterator[tuple[float, list[Tensor]]]:
    """The share of the schedule that is done, and the views of each step."""
    loader = build_loader(cfg, "train", "pretrain")
    for epoch in range(epochs):
        for number, batch in enumerate(loader.epoch(epoch)):
            clips = to_network_input(batch.clips, cfg, torch.device("cpu"), batch.operations)
            done = epoch + number * cfg.TRAIN.BATCH_SIZE / _VIDEOS
            yield done / cfg.SOLVER.MAX_EPOCH, list(clips.unbind(1))


def _passes(losses: Losses, views: Sequence[Tensor], progress: float, optimizer: torch.optim.Optimizer) -> float:
    optimizer.zero_grad()
    total = 0.0
    for loss in losses(views, progress):
        loss.backward()
        total += loss.item()
    return total


def draw(curves: dict[str, dict[str, Curve]], path: Path) -> None:
    """A panel a method."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.1 * len(curves), 3.2), layout="constrained")
    for axes, (kind, found) in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True):
        axes.set_title(_NAMES[kind])
        axes.set_xlabel("step")
        for name, curve in found.items():
            axes.plot(range(1, len(curve) + 1), curve, label=name, **_STYLES[name])
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    figure.axes[0].set_ylabel("loss")
    figure.axes[0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def differences(found: dict[str, Curve]) -> str:
    """What to say of the curves: how far lightly's is from ours, and how far ours is from itself."""
    parts = []
    for name in (THEIRS, NOISE):
        each = [abs(a - b) for a, b in zip(found[OURS], found[name], strict=True)]
        first, mean = each[0], sum(each) / len(each)
        parts.append(f"{name}: first {first:.1e}, mean {mean:.4f}, largest {max(each):.4f}")
    return f"loss from {found[OURS][0]:.3f} to {found[OURS][-1]:.3f}; difference of " + "; ".join(parts)


def main() -> None:
    """Train, print the differences, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("outputs/curves"), help="folder for videos and curves")
    parser.add_argument("--epochs", type=int, default=20, help="of the recipe's 80 (20)")
    parser.add_argument("--method", nargs="+", choices=tuple(_NAMES), default=tuple(_NAMES), help="(all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    options = parser.parse_args()
    data = made_set(options.out, "shapes", _VIDEOS)
    data.write()
    curves = {}
    for kind in options.method:
        curves[kind] = curves_of(kind, data.folder, options.epochs, options.seed)
        print(f"{_NAMES[kind]}: {differences(curves[kind])}", flush=True)
    (options.out / "curves.json").write_text(json.dumps(curves), encoding="utf-8")
    if options.plot:
        draw(curves, options.plot)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
