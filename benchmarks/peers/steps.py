"""Steps of the four methods for two views, put together from lightly's losses on the same networks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

Step = Callable[[Sequence[Tensor]], None]
# From two views and the momentum of the step to the losses to pass back.
Losses = Callable[[Sequence[Tensor], float], Iterator[Tensor]]
_MOMENTUM = 0.994


def lightly_step(kind: str, method: nn.Module, optimizer_of: Callable[[nn.Module], torch.optim.Optimizer]) -> Step:
    """A training step on two views, with copies of a method's networks.

    Args:
        kind: simclr, moco, byol or swav.
        method: ours, of the same kind; copied.
        optimizer_of: makes the optimizer of a module's parameters.

    Raises:
        ImportError: lightly is not installed.
    """
    method = copy.deepcopy(method)
    losses = lightly_losses(kind, method)
    optimizer = optimizer_of(method)

    def step(views: Sequence[Tensor]) -> None:
        optimizer.zero_grad(set_to_none=True)
        for loss in losses(views, _MOMENTUM):
            loss.backward()
        optimizer.step()

    return step


def lightly_losses(kind: str, method: nn.Module) -> Losses:
    """The losses of two views, with the networks, the settings and the first queue of a method.

    Args:
        kind: simclr, moco, byol or swav.
        method: ours, of the same kind; its networks are used, and its momentum encoder is moved.

    Raises:
        ImportError: lightly is not installed.
    """
    return _LOSSES[kind](method)


def _simclr(method: nn.Module) -> Losses:
    from lightly.loss import NTXentLoss

    criterion = NTXentLoss(method.temperature)

    def losses(views: Sequence[Tensor], _: float) -> Iterator[Tensor]:
        yield criterion(*(method.projection(method.encoder(view)) for view in views))

    return losses


def _moco(method: nn.Module) -> Losses:
    from lightly.loss import NTXentLoss

    criterion = NTXentLoss(method.temperature, memory_bank_size=tuple(method.queue.keys.shape))
    criterion.memory_bank.bank.copy_(method.queue.keys)

    def losses(views: Sequence[Tensor], momentum: float) -> Iterator[Tensor]:
        keys = _keys(method, views, momentum)
        for view, key in zip(views, reversed(keys), strict=True):
            yield criterion(method.projection(method.encoder(view)), key) / len(views)

    return losses


def _byol(method: nn.Module) -> Losses:
    from lightly.loss import NegativeCosineSimilarity

    criterion = NegativeCosineSimilarity()

    def losses(views: Sequence[Tensor], momentum: float) -> Iterator[Tensor]:
        keys = _keys(method, views, momentum)
        for view, key in zip(views, reversed(keys), strict=True):
            yield criterion(method.predictor(method.projection(method.encoder(view))), key)

    return losses


def _swav(method: nn.Module) -> Losses:
    from lightly.loss import SwaVLoss

    criterion = SwaVLoss(method.temperature, method.iterations, method.epsilon)

    def losses(views: Sequence[Tensor], _: float) -> Iterator[Tensor]:
        with torch.no_grad():
            method.prototypes.weight.copy_(nn.functional.normalize(method.prototypes.weight, dim=1))
        embeddings = [nn.functional.normalize(method.projection(method.encoder(view)), dim=1) for view in views]
        yield criterion([method.prototypes(embedding) for embedding in embeddings], [])

    return losses


@torch.no_grad()
def _keys(method: nn.Module, views: Sequence[Tensor], momentum: float) -> list[Tensor]:
    """The momentum update, then the momentum encoder's embeddings of every view."""
    from lightly.models.utils import update_momentum

    update_momentum(method.encoder, method.momentum_encoder, momentum)
    update_momentum(method.projection, method.momentum_projection, momentum)
    return [method.momentum_projection(method.momentum_encoder(view)) for view in views]


_LOSSES = {"simclr": _simclr, "moco": _moco, "byol": _byol, "swav": _swav}
