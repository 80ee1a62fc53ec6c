"""The classifiers of the probes against plain versions of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from rhovideo.engine.probes.held_out import folds
from rhovideo.engine.probes.linear_grid import LEAST_STEPS, LinearGrid, Setting, train_grid
from rhovideo.engine.probes.logistic_regression import fit_logistic
from rhovideo.engine.probes.tensors import measure, ranking


@pytest.fixture
def clouds():
    """60 points of three overlapping clouds in four dimensions."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    points = rng.normal(size=(3, 4))[labels] + rng.normal(size=(60, 4))
    return torch.from_numpy(points), torch.from_numpy(labels)


def test_each_cell_of_the_grid_is_plain_sgd(clouds):
    features, labels = clouds[0].float(), clouds[1]
    grid = [Setting(0.1, 0.0), Setting(0.03, 0.01), Setting(float("inf"), 0.0)]
    found = train_grid(features, labels, 3, grid, batch=60)
    for place, setting in enumerate(grid[:2]):
        model = torch.nn.Linear(4, 3)
        torch.nn.init.zeros_(model.weight)
        torch.nn.init.zeros_(model.bias)
        groups = [{"params": [model.weight], "weight_decay": setting.decay}, {"params": [model.bias]}]
        optimizer = torch.optim.SGD(groups, lr=setting.rate, momentum=0.9)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, LEAST_STEPS)
        for _ in range(LEAST_STEPS):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(features), labels).backward()
            optimizer.step()
            schedule.step()
        torch.testing.assert_close(found.weights[place], model.weight.detach(), rtol=1e-2, atol=1e-3)
    # One that has blown up is never the best.
    assert ranking(measure(found, features, labels))[0] != 2


@pytest.mark.parametrize("strength", [0.01, 1.0])
def test_logistic_regression_is_the_minimum_that_scipy_finds(clouds, strength):
    features, labels = clouds

    def loss(flat):
        weights, biases = flat[:12].reshape(3, 4), flat[12:]
        scores = features.numpy() @ weights.T + biases
        log_sum = np.log(np.exp(scores).sum(1))
        right = scores[np.arange(60), labels.numpy()]
        return (log_sum - right).mean() + (weights**2).sum() / (2 * strength * 60)

    expected = minimize(loss, np.zeros(15), tol=1e-9).x[:12].reshape(3, 4)
    found = fit_logistic(features, labels, 3, (strength / 10, strength)).weights[1]
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-4)


def test_of_equals_the_one_with_the_least_loss_is_best():
    features, labels = torch.eye(2), torch.tensor([0, 1])
    weights = torch.stack([torch.eye(2), 3 * torch.eye(2), torch.eye(2).flip(0)])
    assert ranking(measure(LinearGrid(weights, torch.zeros(3, 2)), features, labels)) == [1, 0, 2]


def test_each_training_video_is_held_out_once_and_never_learnt_from_then():
    labels = np.repeat([0, 1, 5], [23, 7, 1])
    divisions = list(folds(labels))
    assert len(divisions) == 5
    assert sorted(np.concatenate([fold.choose for fold in divisions]).tolist()) == list(range(31))
    for learn, choose in divisions:
        assert not set(learn) & set(choose)
        assert len(learn) + len(choose) == 31
        assert {int(label) for label in labels[learn]} >= {0, 1}
    assert len(list(folds(np.zeros(6000, np.int64)))) == 1
