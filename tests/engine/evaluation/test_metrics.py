import math

import numpy as np
import pytest
import torch

from rhovideo.engine.evaluation.metrics import topk_accuracy, topk_correct


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
