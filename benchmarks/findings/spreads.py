"""Means and deviations over seeds, from the rows alone."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.findings.cells import ALL_KINDS, KINDS, METHODS, RHOS
from benchmarks.findings.rows import Rows

Row = dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """A mean over seeds.

    Attributes:
        mean: of the values.
        deviation: sample standard deviation; None with a single value.
        count: number of values.
    """

    mean: float
    deviation: float | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """That of some values; None where there are none."""
        if not values:
            return None
        deviation = statistics.stdev(values) if len(values) > 1 else None
        return cls(statistics.fmean(values), deviation, len(values))

    def text(self, sign: bool = False) -> str:
        """``89.8 ± 1.4``, or ``+62.5 ± 3.1``."""
        mean = f"{self.mean:+.1f}" if sign else f"{self.mean:.1f}"
        return mean if self.deviation is None else f"{mean} ± {self.deviation:.1f}"


@dataclass(frozen=True)
class Panel:
    """The rows of one set of videos, with equal epochs or equal compute.

    Attributes:
        kind: of the videos.
        equal: ``epochs`` or ``compute``.
        rows: by cell.
    """

    kind: str
    equal: str
    rows: tuple[Row, ...]

    @property
    def methods(self) -> list[str]:
        """All methods, measured or not."""
        return list(METHODS)

    @property
    def rhos(self) -> list[int]:
        """Those of the study, and others that were measured."""
        return sorted({*RHOS, *(row["rho"] for row in self.rows)})

    def cell(self, method: str, rho: int) -> list[Row]:
        """The rows of a method and a rho, one a seed."""
        return [row for row in self.rows if (row["method"], row["rho"]) == (method, rho)]

    def linear(self, method: str, rho: int) -> Spread | None:
        """Linear top-1 in percent."""
        return Spread.of([row["linear_top1"] for row in self.cell(method, rho)])

    def gain(self, method: str, rho: int) -> Spread | None:
        """Percentage points above the random encoder of the same seed."""
        return Spread.of([row["linear_top1"] - row["random_init_top1"] for row in self.cell(method, rho)])

    def difference(self, method: str, rho: int = 2, base: int = 1) -> Spread | None:
        """Linear top-1 of a rho minus that of another, of the same seed; of the seeds that have both."""
        first, second = ({row["seed"]: row["linear_top1"] for row in self.cell(method, each)} for each in (rho, base))
        return Spread.of([first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())])

    def random(self) -> Spread | None:
        """Linear top-1 of the random encoders, one a seed."""
        return Spread.of([*{row["seed"]: row["random_init_top1"] for row in self.rows}.values()])

    def of_set(self, name: str) -> float | None:
        """A number that is the same in all rows, such as ``colour_histogram_top1``."""
        return next((row[name] for row in self.rows), None)

    def mixed(self) -> list[tuple[str, int]]:
        """Methods and rhos whose rows were made by different recipes or on different videos."""
        cells = ((method, rho) for method in self.methods for rho in self.rhos)
        return [cell for cell in cells if len({row["fingerprint"] for row in self.cell(*cell)}) > 1]


def kinds_shown(rows: Rows, recipe: str, videos: int) -> list[str]:
    """The kinds that have a row. Those of the study are shown together, measured or not.

    Args:
        rows: all of them.
        recipe: name of the recipes, with ``{method}``.
        videos: training videos.
    """
    measured = {cell.kind for cell in rows if (cell.recipe, cell.videos) == (recipe, videos)}
    of_the_study = not measured or not measured.isdisjoint(KINDS)
    return [kind for kind in ALL_KINDS if kind in measured or (of_the_study and kind in KINDS)]


def panel(rows: Rows, recipe: str, videos: int, kind: str, equal: str) -> Panel:
    """The rows of a panel.

    Args:
        rows: all of them.
        recipe: name of the recipes, with ``{method}``.
        videos: training videos.
        kind: of the videos.
        equal: ``epochs`` or ``compute``.
    """
    wanted = (recipe, videos, kind, equal)
    chosen = (row for cell, row in rows.items() if (cell.recipe, cell.videos, cell.kind, cell.equal) == wanted)
    return Panel(kind, equal, tuple(chosen))


def others(rows: Rows, recipe: str, videos: int) -> list[tuple[str, int]]:
    """The recipes and sizes that have rows beside these."""
    return sorted({(cell.recipe, cell.videos) for cell in rows} - {(recipe, videos)})
