"""The features of a probe as tensors, and how classifiers do on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rhovideo.engine.probes.feature_set import ProbeData
from rhovideo.engine.probes.linear_grid import LinearGrid

# Scores that are held at once.
_AT_ONCE = 2**25


class Tensors(NamedTuple):
    """Features and labels on one device.

    Attributes:
        train, test: float32 [N, C].
        train_labels, test_labels: int64 [N].
        classes: of a classifier.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: int


class Fit(NamedTuple):
    """How some classifiers do on videos.

    Attributes:
        correct: int64 [G].
        loss: float [G], the sum of the videos' cross-entropies.
    """

    correct: Tensor
    loss: Tensor


def as_tensors(data: ProbeData, device: torch.device, standardise: bool = True) -> Tensors:
    """Put the features on a device.

    Args:
        data: the features; tokens are averaged.
        device: of the tensors.
        standardise: bring each of the C numbers to mean 0 and variance 1 over the training videos, as a batch norm
            without weights does in other linear protocols: learned and random features differ in size.
    """
    train, test = (torch.from_numpy(part.pooled()).to(device) for part in (data.train, data.test))
    if standardise:
        spread, mean = torch.std_mean(train, dim=0, correction=0)
        # A number that never changes says nothing.
        spread = torch.where(spread > 1e-6, spread, torch.inf)
        train, test = ((part - mean) / spread for part in (train, test))
    labels = [torch.from_numpy(part.labels).to(device) for part in (data.train, data.test)]
    return Tensors(train, labels[0], test, labels[1], data.classes)


@torch.no_grad()
def measure(grid: LinearGrid, features: Tensor, labels: Tensor) -> Fit:
    """Count the videos that each classifier gets right; one whose scores are not finite gets none.

    Args:
        grid: the classifiers.
        features: [N, C].
        labels: int64 [N].
    """
    count, classes = grid.biases.shape
    correct = torch.zeros(count, dtype=torch.int64, device=features.device)
    loss = torch.zeros(count, dtype=torch.float64, device=features.device)
    rows = max(1, _AT_ONCE // (count * classes))
    for part, truth in zip(features.split(rows), labels.split(rows), strict=True):
        scores = grid.scores(part)
        finite = scores.isfinite().all(2)
        correct += ((scores.argmax(2) == truth) & finite).sum(1)
        each = functional.cross_entropy(scores.transpose(1, 2), truth.expand(count, -1), reduction="none")
        loss += torch.where(finite & each.isfinite(), each, torch.inf).sum(1).double()
    return Fit(correct, loss)


def ranking(fit: Fit) -> list[int]:
    """The classifiers, that with the most videos right first; of equals, the one with the least loss."""
    scores = zip(fit.correct.tolist(), fit.loss.tolist(), strict=True)
    by_rank = sorted((-correct, loss, place) for place, (correct, loss) in enumerate(scores))
    return [place for _, _, place in by_rank]


@torch.no_grad()
def predict(grid: LinearGrid, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The classes of the first classifier of a grid, int64 [N], and their probabilities [N]."""
    rows = max(1, _AT_ONCE // grid.biases.shape[1])
    parts = [grid.scores(part)[0].softmax(1).max(1) for part in features.split(rows)]
    classes = torch.cat([part.indices for part in parts]).cpu().numpy()
    return classes, torch.cat([part.values for part in parts]).cpu().numpy()
