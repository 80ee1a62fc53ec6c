"""Multinomial logistic regression on fixed features by L-BFGS, over a grid of strengths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rhovideo.engine.probes.linear_grid import LinearGrid

# C of scikit-learn and cuML: the weight of the loss of all videos against half the squared weights.
STRENGTHS = tuple(10.0**power for power in range(-6, 3))
_ITERATIONS = 200


def fit_logistic(
    features: Tensor,
    labels: Tensor,
    classes: int,
    strengths: Sequence[float] = STRENGTHS,
) -> LinearGrid:
    """Fit one classifier for each strength, each from the solution of the one before.

    What is minimised is the mean cross-entropy plus |weights|^2 / (2 C N); the bias is free.

    Args:
        features: floating point [N, C], standardised.
        labels: int64 [N] on the same device.
        classes: of each classifier.
        strengths: the C, rising: a solution is near to that of the C before.
    """
    weights = torch.zeros(classes, features.shape[1], device=features.device, dtype=features.dtype, requires_grad=True)
    biases = torch.zeros(classes, device=features.device, dtype=features.dtype, requires_grad=True)
    found = []
    for strength in strengths:
        optimizer = torch.optim.LBFGS(
            [weights, biases], max_iter=_ITERATIONS, tolerance_grad=1e-6, history_size=20, line_search_fn="strong_wolfe"
        )

        def loss(strength: float = strength, optimizer: torch.optim.LBFGS = optimizer) -> Tensor:
            optimizer.zero_grad()
            scores = functional.linear(features, weights, biases)
            value = functional.cross_entropy(scores, labels)
            value = value + weights.square().sum() / (2 * strength * len(labels))
            torch.autograd.backward(value)
            return value

        with torch.enable_grad():
            optimizer.step(loss)
        found.append((weights.detach().clone(), biases.detach().clone()))
    return LinearGrid(torch.stack([one for one, _ in found]), torch.stack([one for _, one in found]))
