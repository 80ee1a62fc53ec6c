"""One table a subject, in Markdown: our figure, the peers', the ratios to them, and the floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OURS = "rhovideo"
FLOOR = "floor"


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        work: what was done.
        figures: of :data:`OURS`, of each peer that can do the work, and maybe of :data:`FLOOR`, by name.
    """

    work: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Table:
    """What one benchmark found.

    Attributes:
        title: the subject.
        unit: of the figures.
        notes: how it was measured, and on what.
        rows: in the order of showing.
        more_is_better: whether a larger figure is the better one, as of samples a second.
        digits: decimals that are shown.
    """

    title: str
    unit: str
    notes: str
    rows: Sequence[Row]
    more_is_better: bool = False
    digits: int = 1

    def markdown(self) -> str:
        """The table with its title and notes.

        A ratio above 1 says how many times better ours is than that peer, "times the floor" how many times worse it is
        than the floor.
        """
        peers = list(dict.fromkeys(name for row in self.rows for name in row.figures if name not in (OURS, FLOOR)))
        floored = any(FLOOR in row.figures for row in self.rows)
        header = [f"work ({self.unit})", OURS, *peers]
        header += [f"ratio to {peer}" for peer in peers]
        header += [FLOOR, "times the floor"] if floored else []
        lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
        lines += [self._cells(row, peers, floored) for row in self.rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"## {self.title}\n\n{self.notes}\n\n{table}\n"

    def _cells(self, row: Row, peers: Sequence[str], floored: bool) -> list[str]:
        ours = row.figures[OURS]
        cells = [row.work, f"**{self._number(ours)}**"]
        cells += [self._number(row.figures.get(peer)) for peer in peers]
        for peer in peers:
            theirs = row.figures.get(peer)
            ratio = None if theirs is None else (ours / theirs if self.more_is_better else theirs / ours)
            cells.append("" if ratio is None else f"{ratio:.2f}")
        if floored:
            floor = row.figures.get(FLOOR)
            times = None if floor is None else (floor / ours if self.more_is_better else ours / floor)
            cells += [self._number(floor), "" if times is None else f"{times:.2f}"]
        return cells

    def _number(self, figure: float | None) -> str:
        return "" if figure is None else f"{figure:,.{self.digits}f}"
