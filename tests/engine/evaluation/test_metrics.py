import math

import numpy as np
import pytest
import torch

from rhovideo.engine.evaluation.metrics import RunningMean, topk_accuracy, topk_correct


def test_topk_against_a_loop():
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(40, 7)), rng.integers(-1, 7, 40)
    expected = []
    for k in (1, 3, 5):
        hits = [labels[i] in np.argsort(-scores[i])[:k] for i in range(40) if labels[i] >= 0]
        expected.append(100 * np.mean(hits))
    found = topk_accuracy(torch.from_numpy(scores), torch.from_numpy(labels), (1, 3, 5))
    assert found == pytest.approx(expected)


def test_top5_of_three_classes_is_all():
    scores, labels = torch.randn(8, 3), torch.randint(3, (8,))
    assert topk_correct(scores, labels, (1, 5))[1] == 8
    assert all(math.isnan(a) for a in topk_accuracy(scores, torch.full((8,), -1)))


def test_a_running_mean_weighs_and_starts_again():
    mean = RunningMean()
    assert math.isnan(mean.mean())
    mean.add(1.0, weight=3)
    mean.add(torch.tensor(5.0, requires_grad=True))
    assert mean.mean() == pytest.approx(2.0)
    mean.reset()
    mean.add(7)
    assert mean.mean(over_ranks=True) == 7.0
