"""Words for numbers: percentages, durations, names of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

# Rows and names beyond these are counted and not shown.
MOST_ROWS = 200
# Where a section needs predictions, and there are none.
NO_PREDICTIONS = (
    "There are no predictions for single videos of this run. Measure it on lists with labels: "
    "rhovideo eval CHECKPOINT --data FOLDER, then rhovideo report of the folder that this writes."
)


def percent(value: float | None) -> str:
    """With one digit after the point; a dash without a value."""
    return "–" if value is None else f"{value:.1f} %"


def duration(seconds: float) -> str:
    """Seconds, minutes, hours or days, whichever reads well."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{timedelta(seconds=round(seconds)).days} days {seconds % 86400 / 3600:.0f} h"


def hours(seconds: float) -> str:
    """Hours with two digits that count."""
    value = seconds / 3600
    digits = 0 if value >= 10 else 1 if value >= 1 else 2 - math.floor(math.log10(value)) - 1 if value > 0 else 1
    return f"{value:.{min(digits, 4)}f}"


def class_name(names: Sequence[str], label: int) -> str:
    """The name of a class, or its number; "no label" for -1."""
    if label < 0:
        return "no label"
    return names[label] if label < len(names) and names[label].strip() else f"class {label}"


def shown(value: Any) -> str:
    """A value of a configuration as one writes it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return "''" if value == "" else f"{value:g}" if isinstance(value, float) else str(value)


def listed(words: Sequence[str]) -> str:
    """Words with commas, and "and" before the last."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def count(number: int, noun: str) -> str:
    """A number with its noun, as in "1 video" and "2,000 videos"."""
    if noun.endswith("y") and not noun.endswith(("ay", "ey", "oy")):
        plural = f"{noun[:-1]}ies"
    else:
        plural = noun + ("es" if noun.endswith(("s", "h")) else "s")
    return f"{number:,} {noun if number == 1 else plural}"
