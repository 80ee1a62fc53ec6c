"""The kinds of probes: each learns and chooses its settings on training videos, and predicts the test videos."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rhovideo.engine.evaluation.knn.neighbours import SameVideos, nearest_rows, vote_of
from rhovideo.engine.probes.feature_set import ProbeData
from rhovideo.engine.probes.held_out import folds
from rhovideo.engine.probes.linear_grid import GRID, LinearGrid, train_grid
from rhovideo.engine.probes.logistic_regression import STRENGTHS, fit_logistic
from rhovideo.engine.probes.tensors import Fit, as_tensors, measure, predict, ranking
from rhovideo.randomness import Stream, generator

NEIGHBOURS = (1, 5, 10, 20, 50, 100, 200)
TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.5)
# Training videos that choose k and T.
_MOST_QUERIES = 5_000


@dataclass(frozen=True)
class Probed:
    """What a probe has found.

    Attributes:
        predicted: int64 [N], the classes of the test videos; -1 where there is none.
        confidence: [N], their probabilities or shares of the votes.
        chosen: the settings that were chosen.
        tried: every setting, with ``held_out``, its accuracy in percent on held-out training videos, and for linear and
            logistic ``loss``, its mean cross-entropy there, None where it is not finite. The best comes first, which is
            the chosen one.
    """

    predicted: np.ndarray
    confidence: np.ndarray
    chosen: dict[str, Any]
    tried: list[dict[str, Any]] = field(default_factory=list)


def best_first(tried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Settings by their accuracy on held-out videos; of equals the one that was tried first."""
    return sorted(tried, key=lambda each: -each["held_out"])


def probe_linear(data: ProbeData, device: torch.device, seed: int = 0) -> Probed:
    """A linear classifier by SGD.

    Args:
        data: the features.
        device: to compute on.
        seed: of the order of the videos and of what is held out.
    """

    def fit(features: Tensor, labels: Tensor, upto: int | None) -> LinearGrid:
        return train_grid(features, labels, data.classes, GRID if upto is None else (GRID[upto],), seed=seed)

    settings = [{"rate": setting.rate, "decay": setting.decay} for setting in GRID]
    return _probe(data, device, seed, settings, fit)


def probe_logistic(data: ProbeData, device: torch.device, seed: int = 0) -> Probed:
    """A multinomial logistic regression; the arguments are those of :func:`probe_linear`."""

    def fit(features: Tensor, labels: Tensor, upto: int | None) -> LinearGrid:
        if upto is None:
            return fit_logistic(features, labels, data.classes)
        # Along the same path, whose last solution is the one.
        found = fit_logistic(features, labels, data.classes, STRENGTHS[: upto + 1])
        return LinearGrid(found.weights[-1:], found.biases[-1:])

    return _probe(data, device, seed, [{"C": strength} for strength in STRENGTHS], fit)


def _probe(
    data: ProbeData,
    device: torch.device,
    seed: int,
    settings: list[dict[str, Any]],
    fit: Callable[[Tensor, Tensor, int | None], LinearGrid],
) -> Probed:
    """Choose a setting on held-out training videos, then learn from all of them with it."""
    tensors = as_tensors(data, device)
    zeros = torch.zeros(len(settings), device=device)
    total, videos = Fit(zeros.long(), zeros.double()), 0
    for fold in folds(data.train.labels, seed):
        learn, choose = (torch.from_numpy(rows).to(device) for rows in fold)
        grid = fit(tensors.train[learn], tensors.train_labels[learn], None)
        found = measure(grid, tensors.train[choose], tensors.train_labels[choose])
        total = Fit(total.correct + found.correct, total.loss + found.loss)
        videos += len(choose)
    chosen = ranking(total)[0]
    each = zip(settings, total.correct.tolist(), total.loss.tolist(), strict=True)
    tried = [_as_tried(setting, correct, loss, max(videos, 1)) for setting, correct, loss in each]
    grid = fit(tensors.train, tensors.train_labels, chosen)
    return Probed(*predict(grid, tensors.test), settings[chosen], [tried[place] for place in ranking(total)])


def _as_tried(setting: dict[str, Any], correct: int, loss: float, videos: int) -> dict[str, Any]:
    mean = loss / videos
    # JSON has no infinity.
    return {**setting, "held_out": 100 * correct / videos, "loss": mean if math.isfinite(mean) else None}


@torch.no_grad()
def probe_neighbours(data: ProbeData, device: torch.device, seed: int = 0) -> Probed:
    """A weighted vote of the nearest training videos. A video is left out of its own neighbours.

    Args:
        data: the features.
        device: to compute on.
        seed: of the training videos that choose k and T, where there are more than 5,000.
    """
    tensors = as_tensors(data, device, standardise=False)
    labels, videos = tensors.train_labels, len(tensors.train)
    rows = generator(Stream.SHUFFLE, seed, 2).permutation(videos)[:_MOST_QUERIES]
    own = torch.arange(videos, device=device)
    queries = torch.from_numpy(np.sort(rows)).to(device)
    # Of the same video there may be several rows.
    ids = own if data.train_ids is None else torch.from_numpy(data.train_ids).to(device)
    most = max(NEIGHBOURS)
    nearest, places = nearest_rows(tensors.train[queries], tensors.train, most, SameVideos(ids[queries], ids))
    ks = [k for k in NEIGHBOURS if k < videos] or [1]
    tried = []
    for k in ks:
        for temperature in TEMPERATURES:
            votes = vote_of(nearest[:, :k], labels[places[:, :k]], tensors.classes, temperature)
            share = 100 * (votes.classes == labels[queries]).double().mean().item()
            tried.append({"k": k, "T": temperature, "held_out": share})
    tried = best_first(tried)
    chosen = tried[0]
    same = None
    if data.train_ids is not None and data.test_ids is not None:
        same = SameVideos(*(torch.from_numpy(each).to(device) for each in (data.test_ids, data.train_ids)))
    nearest, places = nearest_rows(tensors.test, tensors.train, int(chosen["k"]), same)
    votes = vote_of(nearest, labels[places], tensors.classes, chosen["T"])
    setting = {key: chosen[key] for key in ("k", "T")}
    return Probed(votes.classes.cpu().numpy(), votes.shares.cpu().numpy(), setting, tried)
