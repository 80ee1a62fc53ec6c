"""The exact law of where the clips of a video start.

The law is one sentence: *every clip starts at a frame drawn uniformly and independently, given that the gap limits
hold*. In other words, uniform over the ordered tuples of starts (s_1, ..., s_rho) in [0, N - L]^rho whose neighbours in
time keep the limits, and then sorted in time. Without limits nothing is given, and the clips are independent. Two clips
that start at the same frame can be swapped without a change, so a sorted tuple with ties weighs less than one without
by the factorials of its repetitions; where the limits forbid equal starts, the law is uniform over the sorted tuples.

Nothing is rejected and no table is filled: tuples are counted in closed form with Python's integers, one uniform rank
is drawn, and the tuple of that rank is found by bisection. The cost depends on N only through its logarithm.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np


def draw_starts(
    num_frames: int, length: int, rho: int, gap_min: float, gap_max: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw the first frames of rho clips of one video.

    The gap between two clips that are neighbours in time is the next one's start minus this one's last frame,
    ``s[i + 1] - (s[i] + length - 1)``: 1 for clips that touch, negative for clips that overlap.

    Args:
        num_frames: N, frames of the video.
        length: L, frames from a clip's first to its last, both counted.
        rho: clips to draw.
        gap_min: smallest gap allowed, in frames; ``-inf`` for none.
        gap_max: largest gap allowed, in frames; ``inf`` for none.
        rng: generator to draw from.

    Returns:
        int64 [rho], ascending, within [0, max(0, N - L)]. Where no tuple keeps the limits, the starts are spread
        evenly over the whole video instead; a video shorter than the clip gives zeros.

    Raises:
        ValueError: if a count is below 1 or a limit is not a number.
    """
    if min(num_frames, length, rho) < 1:
        raise ValueError(f"num_frames, length and rho must be at least 1, not {num_frames}, {length} and {rho}")
    last = max(0, num_frames - length)
    if rho == 1:
        return rng.integers(0, last + 1, size=1)
    low, high = step_limits(last, length, gap_min, gap_max)
    if low == 0 and high == last:
        return np.sort(rng.integers(0, last + 1, size=rho))
    if low > high or (rho - 1) * low > last:
        return even_starts(last, rho)
    # Equal starts are only possible where low is 0: choose how many distinct ones first, then how often each is used.
    distinct = rho if low > 0 else _draw_number_of_distinct(last, rho, high, rng)
    low = max(low, 1)
    rank = _uniform_below(count_starts(last, distinct, low, high), rng)
    starts = start_of_rank(rank, last, distinct, low, high)
    return np.repeat(np.array(starts, dtype=np.int64), _draw_repetitions(rho, distinct, rng))


def step_limits(last: int, length: int, gap_min: float, gap_max: float) -> tuple[int, int]:
    """The limits on the *difference* of neighbouring starts that the limits on their gap mean.

    Returns:
        (low, high) with 0 <= low and high <= last; low > high where no difference is allowed.

    Raises:
        ValueError: if a limit is not a number.
    """
    if math.isnan(gap_min) or math.isnan(gap_max):
        raise ValueError(f"gap limits must be numbers of frames, -inf or inf, not {gap_min} and {gap_max}")
    # Infinities are cut to what no video exceeds before they are rounded; integers have no infinity.
    widest = last + length
    low = math.ceil(min(max(gap_min, -widest), widest)) + length - 1
    high = math.floor(min(max(gap_max, -widest), widest)) + length - 1
    return max(0, low), min(last, high)


def even_starts(last: int, rho: int) -> np.ndarray:
    """rho starts from 0 to ``last`` with equal gaps, each rounded to the nearest frame: int64 [rho]."""
    if rho == 1:
        return np.array([last // 2], dtype=np.int64)
    steps = rho - 1
    return np.array([(2 * i * last + steps) // (2 * steps) for i in range(rho)], dtype=np.int64)


def count_starts(last: int, rho: int, low: int, high: int) -> int:
    """How many tuples 0 <= s_1 <= ... <= s_rho <= last have all neighbours' differences within [low, high].

    With slack K = last - (rho - 1) * low and width w = high - low, this is the coefficient of x^K in
    ((1 - x^(w + 1)) / (1 - x))^(rho - 1) / (1 - x)^2: rho - 1 differences of 0 to w above ``low``, and the free frames
    before the first and after the last start.
    """
    steps = rho - 1
    return _coefficient(last - steps * low, steps, high - low, poles=rho + 1)


def start_of_rank(rank: int, last: int, rho: int, low: int, high: int) -> list[int]:
    """The tuple at place ``rank`` of a fixed order of the tuples that :func:`count_starts` counts.

    A bijection of [0, count_starts(...)) onto the tuples, so a uniform rank gives a uniform tuple.
    """
    width, slack = high - low, last - (rho - 1) * low
    differences = []
    for remaining in range(rho - 2, -1, -1):
        excess, rank = _first_excess(rank, slack, remaining, width)
        differences.append(low + excess)
        slack -= excess
    starts = [rank]
    for difference in differences:
        starts.append(starts[-1] + difference)
    return starts


def _first_excess(rank: int, slack: int, remaining: int, width: int) -> tuple[int, int]:
    """The excess over ``low`` of the first difference, and the rank among the tuples that share it.

    Tuples are ordered by this excess first. The number whose excess is below t is a difference of two prefix sums of
    the counts of the ``remaining`` differences, and a prefix sum is one more pole at 1 of the generating function.
    """
    poles = remaining + 3
    total = _coefficient(slack, remaining, width, poles)
    smallest, largest = 0, min(width, slack)
    while smallest < largest:
        middle = (smallest + largest) // 2
        if total - _coefficient(slack - middle - 1, remaining, width, poles) > rank:
            largest = middle
        else:
            smallest = middle + 1
    return smallest, rank - (total - _coefficient(slack - smallest, remaining, width, poles))


def _coefficient(power: int, factors: int, width: int, poles: int) -> int:
    """The coefficient of x^power in (1 - x^(width + 1))^factors / (1 - x)^poles."""
    total = 0
    for j in range(factors + 1):
        left = power - j * (width + 1)
        if left < 0:
            break
        term = math.comb(factors, j) * math.comb(left + poles - 1, poles - 1)
        total += -term if j % 2 else term
    return total


def _draw_number_of_distinct(last: int, rho: int, high: int, rng: np.random.Generator) -> int:
    """How many different starts rho independent clips have, given steps of at most ``high`` between these."""
    weights = [_surjections(rho, g) * count_starts(last, g, 1, high) for g in range(1, rho + 1)]
    return 1 + _choose(weights, rng)


def _draw_repetitions(rho: int, distinct: int, rng: np.random.Generator) -> list[int]:
    """How many of the rho clips use each of the distinct starts: as of a uniform surjection, each at least once."""
    if distinct == rho:
        return [1] * rho
    repetitions = []
    for remaining in range(distinct - 1, -1, -1):
        choices = range(1, rho - remaining + 1)
        weights = [math.comb(rho, m) * _surjections(rho - m, remaining) for m in choices]
        repetitions.append(choices[_choose(weights, rng)])
        rho -= repetitions[-1]
    return repetitions


@lru_cache(maxsize=4096)
def _surjections(clips: int, places: int) -> int:
    """The ways to give each clip one of the places so that no place stays empty."""
    return sum((-1) ** j * math.comb(places, j) * (places - j) ** clips for j in range(places + 1))


def _choose(weights: list[int], rng: np.random.Generator) -> int:
    """An index with probability proportional to its integer weight."""
    rank = _uniform_below(sum(weights), rng)
    for index, weight in enumerate(weights):
        if rank < weight:
            return index
        rank -= weight
    raise AssertionError("a rank below the sum of the weights lies within one of them")


def _uniform_below(bound: int, rng: np.random.Generator) -> int:
    """A uniform integer in [0, bound) of any size; from 2^62 on, uniform to within one part in 2^64."""
    if bound < 2**62:
        return int(rng.integers(bound))
    size = bound.bit_length() // 8 + 9
    return int.from_bytes(rng.bytes(size), "little") * bound >> (8 * size)
