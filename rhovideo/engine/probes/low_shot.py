"""Classifiers from a few labels a class, over several draws of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rhovideo.engine.evaluation.intervals import mean_score
from rhovideo.engine.probes.feature_set import ProbeData
from rhovideo.engine.probes.logistic_regression import fit_logistic
from rhovideo.engine.probes.tensors import as_tensors, predict
from rhovideo.randomness import Stream, generator

# So few labels leave none to choose a strength by.
STRENGTH = 1.0


def probe_low_shot(
    data: ProbeData, device: torch.device, labels: tuple[int, ...] = (1, 5, 10), draws: int = 10, seed: int = 0
) -> list[dict[str, Any]]:
    """Fit logistic regressions (C 1) on a few labelled training videos of each class.

    Means and variances of the features are those of all training videos, which needs no labels.

    Args:
        data: the features.
        device: to compute on.
        labels: labelled videos of each class.
        draws: how often they are drawn anew.
        seed: of the draws.

    Returns:
        For each number of labels ``labels``, ``value``, the mean accuracy in percent on the test videos, ``deviation``,
        its standard deviation over draws, ``interval``, that of the mean over test videos, ``draws``, the accuracies,
        and ``fewest``, the labels of the class with the fewest videos where it has fewer.
    """
    tensors = as_tensors(data, device)
    truth = data.test.labels
    found = []
    for number in labels:
        right = []
        for draw in range(draws):
            rows = _drawn(data.train.labels, number, seed, draw)
            chosen = torch.from_numpy(rows).to(device)
            grid = fit_logistic(tensors.train[chosen], tensors.train_labels[chosen], tensors.classes, (STRENGTH,))
            right.append(predict(grid, tensors.test)[0] == truth)
        shares = [100 * float(each.mean()) for each in right]
        mean, interval = mean_score(np.stack(right).mean(0))
        fewest = int(np.unique(data.train.labels, return_counts=True)[1].min())
        found.append(
            {
                "labels": number,
                "value": mean,
                "deviation": float(np.std(shares, ddof=1)) if draws > 1 else None,
                "interval": interval,
                "draws": shares,
                "fewest": min(fewest, number),
            }
        )
    return found


def _drawn(labels: np.ndarray, number: int, seed: int, draw: int) -> np.ndarray:
    """The rows of ``number`` videos of each class, or of all where there are fewer."""
    order = generator(Stream.SHUFFLE, seed, 3, draw).permutation(len(labels))
    rows = [order[labels[order] == label][:number] for label in np.unique(labels)]
    return np.sort(np.concatenate(rows))
