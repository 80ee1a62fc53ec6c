"""The law of drawing starts, against enumeration."""

import itertools
import math
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import chisquare

from rhovideo.data.sampling.start_times import (
    count_starts,
    distance_law,
    draw_starts,
    even_starts,
    gaps_of_seconds,
    start_of_rank,
)

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


def of_neighbours(law):
    """The law of the distances of neighbours, each pair as likely, from that of the tuples."""
    found = Counter()
    for starts, probability in law.items():
        for before, after in itertools.pairwise(starts):
            found[after - before] += probability / (len(starts) - 1)
    return found


@pytest.mark.parametrize("case", [*LIMITS, (12, 2, 2, -INF, INF), (12, 2, 2, -INF, -1), (7, 2, 4, -INF, 3)], ids=str)
def test_the_law_of_distances_is_that_of_the_enumerated_tuples(case):
    expected = of_neighbours(exact_law(*case))
    law = distance_law(*case)
    assert len(law) == case[0] - case[1] + 1
    assert law.tolist() == pytest.approx([expected[step] for step in range(len(law))])


@pytest.mark.parametrize("case", [(100, 10, 4, 50, INF), (100, 10, 2, -INF, -10), (5, 10, 3, 0, INF)], ids=str)
def test_without_room_the_law_of_distances_is_that_of_even_starts(case):
    steps = np.diff(even_starts(max(0, case[0] - case[1]), case[2]))
    law = distance_law(*case)
    assert law.sum() == pytest.approx(1)
    assert law[steps].sum() == pytest.approx(len(steps))


def test_the_law_of_distances_holds_for_long_videos():
    law = distance_law(18_000, 64, 4, -INF, INF)
    assert law.sum() == pytest.approx(1)
    # Four points in [0, 1] are a fifth apart on average.
    assert (law * np.arange(len(law))).sum() / len(law) == pytest.approx(0.2, rel=0.01)


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


def law_in_seconds(num_frames, length, rho, fps, seconds_min, seconds_max):
    """As ``exact_law``, with limits on the exact time from start to start of neighbours."""
    counts = Counter()
    low, high = (None if math.isinf(limit) else Fraction(str(limit)) for limit in (seconds_min, seconds_max))
    for starts in itertools.product(range(num_frames - length + 1), repeat=rho):
        starts = tuple(sorted(starts))
        times = [Fraction(after - before) / Fraction(fps) for before, after in itertools.pairwise(starts)]
        if all(low <= time and (high is None or time <= high) for time in times):
            counts[starts] += 1
    total = sum(counts.values())
    return {starts: count / total for starts, count in counts.items()}


@pytest.mark.parametrize("fps", [24, 25, 30, 60])
@pytest.mark.parametrize(
    "case",
    [(3, 0.0, 0.0), (2, 0.0, 0.2), (3, 0.1, 0.3), (2, 0.25, INF), (3, 0.0, 0.15)],
    ids=str,
)
def test_distances_in_seconds_follow_the_exact_law_at_every_rate(fps, case):
    rho, seconds_min, seconds_max = case
    # About 0.7 s of video, and clips of 0.2 s.
    num_frames, length = fps * 7 // 10 if rho < 3 else max(fps * 2 // 5, 14), max(fps // 5, 2)
    law = law_in_seconds(num_frames, length, rho, fps, seconds_min, seconds_max)
    gaps = gaps_of_seconds(float(fps), length, seconds_min, seconds_max)
    rng = np.random.default_rng(2)
    drawn = Counter(tuple(draw_starts(num_frames, length, rho, *gaps, rng).tolist()) for _ in range(20_000))
    if not law:
        # No tuple keeps the limits: the clips are spread evenly.
        assert list(drawn) == [tuple(even_starts(num_frames - length, rho).tolist())]
        return
    assert set(drawn) <= set(law)
    observed = [drawn[starts] for starts in law]
    assert len(law) == 1 or chisquare(observed, [20_000 * p for p in law.values()]).pvalue > 1e-3


@given(
    seconds=st.decimals(0, 60, places=3),
    fps=st.sampled_from([24, 25, 30, 60, Fraction(24000, 1001), Fraction(30000, 1001), 100]),
    length=st.integers(1, 500),
)
@example(seconds=Decimal("0.29"), fps=100, length=1)
@example(seconds=Decimal("1.001"), fps=Fraction(30000, 1001), length=64)
def test_seconds_become_frames_without_a_rounding_error(seconds, fps, length):
    gap_min, gap_max = gaps_of_seconds(float(fps), length, float(seconds), float(seconds))
    exact = Fraction(seconds) * fps
    assert gap_max + length - 1 == math.floor(exact)
    assert gap_min == (-INF if seconds == 0 else math.ceil(exact) - (length - 1))


def test_no_limit_in_seconds_is_none_in_frames():
    assert gaps_of_seconds(30.0, 64, 0.0, INF) == (-INF, INF)
