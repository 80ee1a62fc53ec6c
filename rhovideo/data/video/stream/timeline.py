"""An even timeline, on which clips are placed, made of the times at which pictures are shown."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np


def even_timeline(
    times: np.ndarray, last_duration: int, time_base: Fraction, nominal_rates: Sequence[Fraction | None]
) -> tuple[np.ndarray, float]:
    """Make an even timeline for the pictures of a video.

    At a constant rate, index i is picture i. At a variable rate the timeline has as many places as there are
    pictures, spread evenly over the same duration, and index i is the picture that is visible at the time of place i.

    Args:
        times: int64 [N], ascending, when each picture is shown, in units of ``time_base``.
        last_duration: the time for which the last picture is shown, in the same units; 0 if unknown.
        time_base: seconds per unit.
        nominal_rates: rates in the file's header, in frames per second. The first one that fits the times is used,
            since the times are rounded.

    Returns:
        picture: int64 [N], the picture at each index.
        fps: indices per second.
    """
    count = len(times)
    rates = [rate for rate in nominal_rates if rate]
    if count == 1:
        return np.zeros(1, dtype=np.int64), float(rates[0]) if rates else 1.0
    elapsed = (times - times[0]).astype(np.float64)
    period = elapsed[-1] / (count - 1)
    even = np.arange(count)
    # A constant rate, apart from rounded times, jitter or one missing picture: less than one picture off.
    if np.abs(elapsed - even * period).max() <= max(1.0, period):
        return even, _rate(elapsed[-1], count - 1, time_base, rates)
    duration = elapsed[-1] + (last_duration or float(np.median(np.diff(elapsed))))
    # Times are whole units, so half a unit allows for the rounding of the division.
    places = even * (duration / count) + 0.5
    picture = np.searchsorted(elapsed, places, side="right") - 1
    return picture.astype(np.int64), float(count / (duration * float(time_base)))


def _rate(span: float, steps: int, time_base: Fraction, rates: Sequence[Fraction]) -> float:
    """Frames per second of ``steps`` frames that last ``span`` units."""
    for rate in rates:
        if abs(steps / float(rate * time_base) - span) <= 2:
            return float(rate)
    return float(steps / (span * float(time_base)))
