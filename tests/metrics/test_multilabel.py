"""Mean average precision of several labels a video: PySlowFast's numbers, and a loop in float64."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rhovideo.metrics import multilabel_map

REFERENCE = Path(__file__).parents[1] / "reference" / "downstream" / "charades_map.pt"


def naive_map(scores: list[list[float]], labels: list[list[int]]) -> dict[int, float]:
    """Precision and recall counted anew at every distinct score, which is a threshold."""
    found = {}
    for column in range(len(scores[0]) if scores else 0):
        wanted = sum(row[column] for row in labels)
        if not wanted:
            continue
        area = recall = 0.0
        for threshold in sorted({row[column] for row in scores}, reverse=True):
            taken = [i for i, row in enumerate(scores) if row[column] >= threshold]
            hits = sum(labels[i][column] for i in taken)
            area += (hits / wanted - recall) * hits / len(taken)
            recall = hits / wanted
        found[column] = area
    return found


@pytest.fixture(scope="module")
def released():
    return torch.load(REFERENCE, weights_only=True)


def test_it_is_pyslowfasts_number_and_its_classes(released):
    found = multilabel_map(released["max"]["video_scores"], released["labels"])
    assert found["map"] == pytest.approx(released["max"]["map"], abs=1e-9)
    assert found["ap"].keys() == released["ap_per_class"].keys()
    for each, value in released["ap_per_class"].items():
        assert found["ap"][each] == pytest.approx(value, abs=1e-9)
    assert not set(released["classes_without_positives"]) & found["ap"].keys()


def test_edge_cases_are_pyslowfasts(released):
    scores, labels = released["max"]["video_scores"], released["labels"]
    assert multilabel_map(scores, torch.zeros_like(labels)) == {"map": released["map_no_positive_at_all"], "ap": {}}
    one = multilabel_map(scores[:, :1], labels[:, :1])
    assert one["map"] == pytest.approx(released["map_one_class_only"], abs=1e-9)
    labelled = labels.sum(1) > 0
    dropped = multilabel_map(scores[labelled], labels[labelled])["map"]
    assert dropped == pytest.approx(released["map_if_unlabelled_videos_were_dropped"], abs=1e-9)
    assert abs(dropped - released["max"]["map"]) > 1e-4, "videos without labels count as negatives"


# Few distinct scores, so that many are equal.
ROWS = st.integers(1, 4).flatmap(
    lambda classes: st.lists(
        st.tuples(
            st.lists(st.sampled_from([-1.0, 0.0, 0.1, 0.25, 0.5, 1e300]), min_size=classes, max_size=classes),
            st.lists(st.integers(0, 1), min_size=classes, max_size=classes),
        ),
        min_size=1,
        max_size=12,
    )
)


@given(ROWS)
def test_it_is_what_a_loop_over_thresholds_says(rows):
    scores, labels = [list(part) for part in zip(*rows, strict=True)]
    expected = naive_map(scores, labels)
    found = multilabel_map(scores, labels)
    assert found["ap"] == pytest.approx(expected, abs=1e-12)
    assert found["map"] == pytest.approx(sum(expected.values()) / max(len(expected), 1), abs=1e-12)


@given(st.randoms(use_true_random=False), ROWS)
def test_the_order_of_videos_has_no_effect(random, rows):
    shuffled = list(rows)
    random.shuffle(shuffled)
    first, second = (multilabel_map(*zip(*each, strict=True)) for each in (rows, shuffled))
    assert first["ap"] == pytest.approx(second["ap"], abs=1e-15)


def test_arrays_lists_and_tensors_are_the_same():
    scores, labels = np.random.default_rng(0).random((9, 3)).astype(np.float32), np.eye(9, 3)
    expected = multilabel_map(scores.tolist(), labels.tolist())
    assert multilabel_map(torch.from_numpy(scores), torch.from_numpy(labels).bool()) == expected
    assert multilabel_map(scores, labels.astype(bool)) == expected
    half = torch.from_numpy(scores).bfloat16()
    assert multilabel_map(half, labels) == multilabel_map(half.float(), labels)


@pytest.mark.parametrize(
    ("scores", "labels", "said"),
    [
        ([[0.1, 0.2]], [[1]], r"scores are \[1, 2\] and labels \[1, 1\]"),
        ([0.1, 0.2], [1, 0], "give both as"),
        ([[0.1]], [[2]], "other numbers than 0 and 1"),
        ([[0.1, 0.2], [0.3, math.nan]], [[1, 0], [0, 1]], "video 1 for class 1 is not a number"),
    ],
)
def test_what_cannot_be_ranked_is_refused(scores, labels, said):
    with pytest.raises(ValueError, match=said):
        multilabel_map(scores, labels)


def test_complex_scores_are_refused():
    with pytest.raises(ValueError, match="complex"):
        multilabel_map([[1j]], [[1]])
