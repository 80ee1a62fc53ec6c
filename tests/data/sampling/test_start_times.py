"""The law of drawing starts, against enumeration."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import chisquare

from rhovideo.data.sampling.start_times import count_starts, draw_starts, even_starts, start_of_rank

INF = math.inf


def exact_law(num_frames, length, rho, gap_min, gap_max):
    """Probability of each sorted tuple when rho independent uniform starts are given to keep the limits."""
    counts = Counter()
    for starts in itertools.product(range(num_frames - length + 1), repeat=rho):
        starts = tuple(sorted(starts))
        gaps = [after - (before + length - 1) for before, after in itertools.pairwise(starts)]
        if all(gap_min <= gap <= gap_max for gap in gaps):
            counts[starts] += 1
    total = sum(counts.values())
    return {starts: count / total for starts, count in counts.items()}


LIMITS = [
    (9, 3, 3, -INF, INF),  # independent
    (14, 2, 3, 1, INF),  # no overlap
    (14, 2, 3, 2, 4),  # both limits, no overlap
    (11, 3, 3, -INF, 0),  # only a largest gap: clips may start together
    (10, 4, 2, -2, 1.5),  # overlap allowed, but not equal starts
    (9, 4, 3, -3, 2),  # the smallest gap of equal starts
    (6, 1, 4, -INF, 2),  # clips of one frame
]


@pytest.mark.parametrize("case", LIMITS, ids=str)
def test_draws_follow_the_exact_law(case):
    law = exact_law(*case)
    rng = np.random.default_rng(1)
    drawn = Counter(tuple(draw_starts(*case, rng).tolist()) for _ in range(100_000))
    assert set(drawn) <= set(law)
    observed = [drawn[starts] for starts in law]
    assert chisquare(observed, [100_000 * p for p in law.values()]).pvalue > 1e-3


def test_ranks_number_every_tuple_once():
    for last, rho in itertools.product(range(7), range(2, 5)):
        for low, high in itertools.combinations_with_replacement(range(last + 1), 2):
            expected = [
                starts
                for starts in itertools.combinations_with_replacement(range(last + 1), rho)
                if all(low <= b - a <= high for a, b in itertools.pairwise(starts))
            ]
            ranks = range(count_starts(last, rho, low, high))
            assert sorted(tuple(start_of_rank(rank, last, rho, low, high)) for rank in ranks) == expected


@given(
    num_frames=st.integers(1, 1_000_000),
    length=st.integers(1, 2000),
    rho=st.integers(1, 8),
    gap_min=st.one_of(st.just(-INF), st.integers(-2000, 30_000)),
    width=st.one_of(st.just(INF), st.integers(0, 10_000)),
    seed=st.integers(0, 2**32),
)
@example(num_frames=2, length=1, rho=1, gap_min=-1, width=0, seed=0)
def test_limits_are_kept_wherever_they_can_be(num_frames, length, rho, gap_min, width, seed):
    gap_max = (0 if gap_min == -INF else gap_min) + width
    starts = draw_starts(num_frames, length, rho, gap_min, gap_max, np.random.default_rng(seed))
    last = max(0, num_frames - length)
    assert starts.dtype == np.int64
    assert starts.shape == (rho,)
    assert starts.min() >= 0
    assert starts.max() <= last
    gaps = starts[1:] - (starts[:-1] + length - 1)
    smallest_step = max(0, gap_min + length - 1)
    # One clip has no gap that could be wrong.
    if (rho - 1) * smallest_step <= last and (rho == 1 or gap_max >= 1 - length):
        assert (gaps >= gap_min).all()
        assert (gaps <= gap_max).all()
    else:
        assert (starts == even_starts(last, rho)).all()


def test_without_room_the_gaps_are_equal():
    rng = np.random.default_rng(0)
    assert draw_starts(100, 10, 4, 50, INF, rng).tolist() == [0, 30, 60, 90]
    assert draw_starts(100, 10, 2, -INF, -10, rng).tolist() == [0, 90]
    assert draw_starts(5, 10, 3, 0, INF, rng).tolist() == [0, 0, 0]


def test_long_videos_are_covered_evenly():
    """Counts beyond 64 bits: with rho clips far apart, the first start's distribution is a Beta(1, rho)'s."""
    rng = np.random.default_rng(3)
    num_frames, rho = 500_000, 6
    starts = np.array([draw_starts(num_frames, 64, rho, 0, 400_000, rng) for _ in range(2000)])
    order_statistics_mean = np.arange(1, rho + 1) / (rho + 1) * num_frames
    assert np.abs(starts.mean(0) / order_statistics_mean - 1).max() < 0.05


def test_unusable_arguments_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="gap limits"):
        draw_starts(100, 10, 2, math.nan, INF, rng)
    with pytest.raises(ValueError, match="at least 1"):
        draw_starts(0, 10, 2, -INF, INF, rng)
