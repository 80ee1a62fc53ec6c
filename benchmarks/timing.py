"""Times that can be compared: candidates in turn, on the same work in the same run, and the median of each."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping

# What a candidate does in one round; its argument is the number of the round, so that all candidates of a round can
# be given the same work and each round other work.
Work = Callable[[int], object]
_ROUNDS_OF_SLOW = 3


def interleaved(
    candidates: Mapping[str, Work],
    *,
    seconds: float,
    min_rounds: int = 3,
    max_rounds: int = 50,
    slow: Collection[str] = (),
    warm: bool = False,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """The median seconds of each candidate over rounds in which every one runs once.

    What disturbs a machine for a while then disturbs all of them. A first run of each only warms up.

    Args:
        candidates: name to work.
        seconds: a candidate takes part in no further round once it has run for so long (of ``clock``) and in
            ``min_rounds``, so that slow ones do not keep the others from being measured often.
        slow: candidates that end with the third round: where they are many times slower, their figure may be rough.
        warm: all candidates ran already.
        clock: by default, the seconds that this process spent on cores, in all its threads: a peer that hides a
            thread does not gain by it.
    """
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    for work in () if warm else candidates.values():
        work(0)
    least = {name: min(min_rounds, _ROUNDS_OF_SLOW) if name in slow else min_rounds for name in candidates}
    most = {name: _ROUNDS_OF_SLOW if name in slow else max_rounds for name in candidates}
    for number in range(max_rounds):
        for name, work in _rotated(candidates, number):
            rounds = len(taken[name])
            if rounds < least[name] or (rounds < most[name] and sum(taken[name]) < seconds):
                start = clock()
                work(number)
                taken[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in taken.items()}


def _rotated(candidates: Mapping[str, Work], number: int) -> list[tuple[str, Work]]:
    """The candidates in an order that begins with another one each round: none always follows the same neighbour."""
    items = list(candidates.items())
    first = number % len(items)
    return items[first:] + items[:first]
