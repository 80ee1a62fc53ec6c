"""Start times of the clips of a video, drawn from an exact distribution.

The distribution: *each clip starts at a frame drawn uniformly and independently, given that the gap limits hold*. So
the ordered tuples of starts (s_1, ..., s_rho) in [0, N - L]^rho whose neighbours in time keep the limits are all
equally likely; the drawn tuple is then sorted in time. Without limits the clips are independent. A sorted tuple in
which starts are equal comes from fewer ordered tuples, so its weight is smaller by the factorials of the repetitions.
Where the limits forbid equal starts, all sorted tuples are equally likely.

There is no rejection and no table. Tuples are counted in closed form with Python's integers, one uniform rank is drawn,
and the tuple of this rank is found by bisection. The cost grows with the logarithm of N.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

# The part of a product of seconds and rate that rounding may add or take, such as of 30000 / 1001 in a file.
_ROUNDING = 1e-9


def draw_starts(
    num_frames: int, length: int, rho: int, gap_min: float, gap_max: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw the first frames of rho clips of one video.

    The gap between two clips that are neighbours in time is the next one's start minus this one's last frame,
    ``s[i + 1] - (s[i] + length - 1)``: 1 for clips that touch, negative for clips that overlap.

    Args:
        num_frames: N, frames of the video.
        length: L, frames from a clip's first to its last, both included.
        rho: clips to draw.
        gap_min: smallest gap allowed, in frames; ``-inf`` for no limit.
        gap_max: largest gap allowed, in frames; ``inf`` for no limit.
        rng: generator to draw from.

    Returns:
        int64 [rho], ascending, within [0, max(0, N - L)]. Where no tuple keeps the limits, the starts are spread
        evenly over the whole video. For a video shorter than the clip they are 0.

    Raises:
        ValueError: a count is below 1, or a limit is not a number.
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
    # Starts can be equal only if low is 0. Then first the number of distinct starts is drawn, later their repetitions.
    distinct = rho if low > 0 else _draw_number_of_distinct(last, rho, high, rng)
    low = max(low, 1)
    rank = _uniform_below(count_starts(last, distinct, low, high), rng)
    starts = start_of_rank(rank, last, distinct, low, high)
    return np.repeat(np.array(starts, dtype=np.int64), _draw_repetitions(rho, distinct, rng))


def distance_law(num_frames: int, length: int, rho: int, gap_min: float, gap_max: float) -> np.ndarray:
    """The probability of each distance of neighbours that :func:`draw_starts` draws.

    A distance is the difference of the starts of two clips that are neighbours in time, in frames; of the rho - 1 pairs
    of a video each is as likely to be looked at.

    Args:
        num_frames: as of :func:`draw_starts`.
        length: as of :func:`draw_starts`.
        rho: clips, at least 2.
        gap_min: as of :func:`draw_starts`.
        gap_max: as of :func:`draw_starts`.

    Returns:
        float64 [max(0, N - L) + 1], whose place d has the probability of d frames.
    """
    last = max(0, num_frames - length)
    law = np.zeros(last + 1)
    low, high = step_limits(last, length, gap_min, gap_max)
    if low > high or (rho - 1) * low > last:
        np.add.at(law, np.diff(even_starts(last, rho)), 1 / (rho - 1))
        return law
    numbers = [rho] if low > 0 else range(1, rho + 1)
    low = max(low, 1)
    weights = {g: _surjections(rho, g) * count_starts(last, g, low, high) for g in numbers}
    total = sum(weights.values())
    for distinct, weight in weights.items():
        law[0] += weight / total * (rho - distinct) / (rho - 1)
        if distinct == 1 or not weight:
            continue
        # Of distinct starts, all pairs of neighbours have the same law.
        tuples = count_starts(last, distinct, low, high)
        for step in range(low, high + 1):
            with_step = _coefficient(last - step - (distinct - 2) * low, distinct - 2, high - low, poles=distinct)
            law[step] += weight / total * (distinct - 1) / (rho - 1) * (with_step / tuples)
    return law


def step_limits(last: int, length: int, gap_min: float, gap_max: float) -> tuple[int, int]:
    """Turn limits on the gap of neighbouring clips into limits on the difference of their starts.

    Args:
        last: the last possible start, N - L.
        length: L, frames of a clip.
        gap_min: smallest gap allowed, in frames; ``-inf`` for no limit.
        gap_max: largest gap allowed, in frames; ``inf`` for no limit.

    Returns:
        (low, high) with 0 <= low and high <= last; low > high where no difference is allowed.

    Raises:
        ValueError: a limit is not a number.
    """
    if math.isnan(gap_min) or math.isnan(gap_max):
        raise ValueError(f"gap limits must be numbers of frames, -inf or inf, not {gap_min} and {gap_max}")
    # Integers have no infinity, so limits are first cut to a number that no gap exceeds.
    widest = last + length
    low = math.ceil(min(max(gap_min, -widest), widest)) + length - 1
    high = math.floor(min(max(gap_max, -widest), widest)) + length - 1
    return max(0, low), min(last, high)


def gaps_of_seconds(fps: float, length: int, seconds_min: float, seconds_max: float) -> tuple[float, float]:
    """Turn limits in seconds, from start to start of neighbouring clips, into limits on their gap in frames.

    Starts are whole frames, so the smallest difference is rounded up and the largest down. A product that is a whole
    number but for rounding, such as 0.29 s at 100 frames a second, counts as that number.

    Args:
        fps: frames per second of the source.
        length: L, frames of a clip.
        seconds_min: smallest distance allowed, at least 0.
        seconds_max: largest distance allowed; ``inf`` for no limit.

    Returns:
        ``gap_min`` and ``gap_max`` of :func:`draw_starts`. (``-inf``, ``inf``) without limits.
    """
    low, high = seconds_min * fps, seconds_max * fps
    gap_min = math.ceil(low - _ROUNDING * max(low, 1)) - (length - 1) if seconds_min > 0 else -math.inf
    gap_max = math.floor(high + _ROUNDING * max(high, 1)) - (length - 1) if math.isfinite(high) else math.inf
    return gap_min, gap_max


def even_starts(last: int, rho: int) -> np.ndarray:
    """Spread starts evenly from 0 to ``last``.

    Args:
        last: the last possible start.
        rho: clips; a single one starts in the middle.

    Returns:
        int64 [rho], each rounded to the nearest frame.
    """
    if rho == 1:
        return np.array([last // 2], dtype=np.int64)
    steps = rho - 1
    return np.array([(2 * i * last + steps) // (2 * steps) for i in range(rho)], dtype=np.int64)


def count_starts(last: int, rho: int, low: int, high: int) -> int:
    """Count the tuples 0 <= s_1 <= ... <= s_rho <= last whose neighbours differ by ``low`` to ``high``.

    With slack K = last - (rho - 1) * low and width w = high - low, this is the coefficient of x^K in
    ((1 - x^(w + 1)) / (1 - x))^(rho - 1) / (1 - x)^2: rho - 1 differences of 0 to w above ``low``, and the free frames
    before the first and after the last start.

    Args:
        last: the last possible start.
        rho: starts of a tuple.
        low: smallest difference.
        high: largest difference.

    Returns:
        The number, which may be very large.
    """
    steps = rho - 1
    return _coefficient(last - steps * low, steps, high - low, poles=rho + 1)


def start_of_rank(rank: int, last: int, rho: int, low: int, high: int) -> list[int]:
    """The tuple at place ``rank`` in a fixed order of the tuples of :func:`count_starts`.

    Each rank in [0, count_starts(...)) has exactly one tuple, so a uniform rank gives a uniform tuple.

    Args:
        rank: the place, from 0.
        last: the last possible start.
        rho: starts of a tuple.
        low: smallest difference of neighbours.
        high: largest difference of neighbours.

    Returns:
        The starts, ascending.
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
    """The excess over ``low`` of the first difference, and the rank among the tuples with the same excess.

    Tuples are ordered by this excess first. The number of tuples whose excess is below t is a difference of two prefix
    sums of the counts for the ``remaining`` differences. A prefix sum adds one pole at 1 to the generating function.
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
    """Draw the number of distinct starts of rho independent clips, given steps of at most ``high`` between them."""
    weights = [_surjections(rho, g) * count_starts(last, g, 1, high) for g in range(1, rho + 1)]
    return 1 + _choose(weights, rng)


def _draw_repetitions(rho: int, distinct: int, rng: np.random.Generator) -> list[int]:
    """Draw the number of clips at each distinct start, at least 1: the counts of a uniform surjection."""
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
    """The number of ways to give each clip one of the places so that no place stays empty."""
    return sum((-1) ** j * math.comb(places, j) * (places - j) ** clips for j in range(places + 1))


def _choose(weights: list[int], rng: np.random.Generator) -> int:
    """Draw an index with probability proportional to its integer weight."""
    rank = _uniform_below(sum(weights), rng)
    for index, weight in enumerate(weights):
        if rank < weight:
            return index
        rank -= weight
    raise AssertionError("a rank below the sum of the weights lies within one of them")


def _uniform_below(bound: int, rng: np.random.Generator) -> int:
    """Draw a uniform integer in [0, bound) of any size; from 2^62 on, uniform to within one part in 2^64."""
    if bound < 2**62:
        return int(rng.integers(bound))
    size = bound.bit_length() // 8 + 9
    return int.from_bytes(rng.bytes(size), "little") * bound >> (8 * size)
