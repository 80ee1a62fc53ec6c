"""Linear classifiers by SGD on fixed features, a whole grid of learning rates and weight decays at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from rhovideo.randomness import Stream, torch_seed

RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
DECAYS = (0.0, 1e-5, 1e-4, 1e-3, 1e-2)
_MOMENTUM = 0.9
# Steps at least, since a small set has few in an epoch.
_EPOCHS, LEAST_STEPS = 60, 500


class Setting(NamedTuple):
    """One cell of the grid.

    Attributes:
        rate: the learning rate at the start; it falls to 0 along half a cosine.
        decay: the weight decay.
    """

    rate: float
    decay: float


GRID = tuple(Setting(*pair) for pair in product(RATES, DECAYS))


class LinearGrid(NamedTuple):
    """One classifier for each setting.

    Attributes:
        weights: [G, classes, C].
        biases: [G, classes].
    """

    weights: Tensor
    biases: Tensor

    def scores(self, features: Tensor) -> Tensor:
        """Logits [G, N, classes] of features [N, C]."""
        return torch.einsum("nc,gkc->gnk", features, self.weights) + self.biases[:, None]


@torch.no_grad()
def train_grid(
    features: Tensor, labels: Tensor, classes: int, grid: Sequence[Setting] = GRID, batch: int = 256, seed: int = 0
) -> LinearGrid:
    """Train all settings on the same batches; one tensor holds their weights.

    Args:
        features: float32 [N, C], standardised.
        labels: int64 [N] on the same device.
        classes: of each classifier.
        grid: learning rates and weight decays.
        batch: videos of a step.
        seed: of the order of the videos. Weights begin at 0: the problem is convex.
    """
    device, (videos, dim) = features.device, features.shape
    batch = min(batch, videos)
    rates = torch.tensor([setting.rate for setting in grid], device=device)
    decays = torch.tensor([setting.decay for setting in grid], device=device)[:, None, None]
    # The bias is a column of its weights.
    features = torch.cat([features, features.new_ones(videos, 1)], 1)
    weights = torch.zeros(len(grid), classes, dim + 1, device=device)
    moved = torch.zeros_like(weights)
    steps = max(_EPOCHS * (videos // batch), LEAST_STEPS)
    order, place, epoch = torch.zeros(0, dtype=torch.int64), 0, 0
    for step in range(steps):
        if place + batch > len(order):
            shuffle = torch.Generator().manual_seed(torch_seed(Stream.SHUFFLE, seed, epoch))
            order, place, epoch = torch.randperm(videos, generator=shuffle), 0, epoch + 1
        rows = order[place : place + batch].to(device)
        place += batch
        chosen = features[rows]
        errors = torch.einsum("nc,gkc->gnk", chosen, weights).softmax(2)
        errors[:, torch.arange(batch, device=device), labels[rows]] -= 1
        gradient = torch.einsum("gnk,nc->gkc", errors, chosen) / batch
        gradient[..., :-1] += decays * weights[..., :-1]
        moved = _MOMENTUM * moved + gradient
        cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / steps)))
        weights -= (rates * cosine)[:, None, None] * moved
    return LinearGrid(weights[..., :-1], weights[..., -1])
