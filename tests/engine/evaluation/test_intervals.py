"""Confidence intervals against plain definitions, and their promise: how often they hold the true number."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from rhovideo.engine.evaluation.intervals import class_mean, in_words, paired_difference, wilson, with_intervals


def score_test_accepts(share: float, correct: int, videos: int) -> bool:
    """The test that Wilson's interval inverts, without its formula."""
    if share in (0.0, 1.0):
        return correct == videos * share
    z = (correct / videos - share) / math.sqrt(share * (1 - share) / videos)
    return abs(z) <= NormalDist().inv_cdf(0.975)


@pytest.mark.parametrize(("correct", "videos"), [(15, 20), (0, 20), (20, 20), (1, 3), (3, 1000), (0, 1)])
def test_wilson_is_the_naive_inversion_of_the_score_test(correct, videos):
    steps = 20000
    accepted = [step / steps for step in range(steps + 1) if score_test_accepts(step / steps, correct, videos)]
    low, high = wilson(correct, videos)
    assert low == pytest.approx(100 * accepted[0], abs=0.011)
    assert high == pytest.approx(100 * accepted[-1], abs=0.011)
    assert 0 <= low <= 100 * correct / videos <= high <= 100


def test_75_percent_of_20_videos_may_be_53_or_89():
    numbers = with_intervals({"test_top1": 75.0, "test_top5": math.nan}, 20)
    assert in_words(numbers["test_top1_interval"]) == "53.1 to 88.8"
    assert "test_top5_interval" not in numbers
    assert wilson(0, 0) is None
    assert in_words(None) == ""


def test_difference_on_the_same_videos_is_narrower_than_of_two_sets():
    rng = np.random.default_rng(0)
    first = rng.random(200) < 0.7
    second = np.where(rng.random(200) < 0.05, ~first, first)
    difference, (low, high) = paired_difference(first, second)
    assert difference == pytest.approx(100 * (first.mean() - second.mean()))
    assert low <= difference <= high
    assert high - low < 10
    assert paired_difference(first, first) == (0.0, [0.0, 0.0])
    # Of several seeds, the mean over seeds of each video.
    assert paired_difference(np.stack([first, second]), np.stack([second, first]))[0] == pytest.approx(0)
    assert paired_difference(first[:0], second[:0])[1] is None


def test_intervals_hold_the_truth_about_95_times_of_100():
    rng = np.random.default_rng(1)
    held = {"difference": 0, "classes": 0}
    for seed in range(200):
        one, two = rng.random(150) < 0.6, rng.random(150) < 0.5
        low, high = paired_difference(one, two, seed)[1]
        held["difference"] += low <= 10 <= high
        labels = np.repeat([0, 1], [100, 50])
        low, high = class_mean(labels, rng.random(150) < np.array([0.9, 0.5])[labels], seed)[1]
        held["classes"] += low <= 70 <= high
    assert all(180 <= count <= 199 for count in held.values())


def test_class_mean_weighs_classes_and_not_videos():
    labels, correct = np.array([0, 0, 0, 7]), np.array([True, True, True, False])
    assert class_mean(labels, correct)[0] == 50
    assert class_mean(labels[:0], correct[:0])[1] is None


@pytest.mark.parametrize("right", [(3, 0, 0), (3, 3, 3), (0, 0, 0)])
def test_classes_that_are_all_right_or_all_wrong_are_not_taken_for_sure(right):
    labels = np.repeat([0, 1, 2], 3)
    correct = np.concatenate([np.arange(3) < count for count in right])
    # Of classes of one size the mean is the accuracy, so it is as sure.
    assert class_mean(labels, correct)[1] == pytest.approx(wilson(sum(right), 9))


def test_the_interval_of_a_class_mean_holds_the_truth_with_one_video_a_class():
    rng, held = np.random.default_rng(0), 0
    for seed in range(200):
        shares = rng.beta(2, 3, 20)
        low, high = class_mean(np.arange(20), rng.random(20) < shares, seed)[1]
        held += low <= 100 * shares.mean() <= high
    assert held >= 186
