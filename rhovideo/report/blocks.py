"""The parts of a page, without their looks: HTML, Markdown and PNG are made from the same ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rhovideo.report.drawing import Palette


@dataclass(frozen=True)
class Text:
    """A paragraph; ``kind`` is "plain", "missing" (why something is not shown) or "note"."""

    text: str
    kind: str = "plain"


@dataclass(frozen=True)
class Listing:
    """Lines that are shown as they are: commands or messages."""

    lines: Sequence[str]
    kind: str = "code"


@dataclass(frozen=True)
class Rows:
    """A table.

    Attributes:
        columns: the headings.
        rows: a text for every column.
        numbers: places of the columns that are aligned to the right.
        caption: below it.
        strong: places of rows that stand out.
        groups: headings above those of the columns, from left to right, each with the number of columns it is over;
            empty for one line of headings.
        links: by the place of a row and of a column, where a click on its text leads.
        dense: for many columns: smaller letters, and texts may take two lines.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    caption: str = ""
    strong: Sequence[int] = ()
    groups: Sequence[tuple[str, int]] = ()
    links: Mapping[tuple[int, int], str] = field(default_factory=dict)
    dense: bool = False

    @property
    def whole_columns(self) -> list[str]:
        """The headings with their groups' before them, for a table with one line of headings."""
        above = [name for name, columns in self.groups for _ in range(columns)] or [""] * len(self.columns)
        return [f"{group} {name}".strip() for group, name in zip(above, self.columns, strict=True)]


@dataclass(frozen=True)
class Plot:
    """A figure that matplotlib draws.

    Attributes:
        name: of its file among the pictures.
        draw: gives the figure in the colours of a palette.
        alt: what it shows, for people who cannot see it.
        caption: below it.
        wide: it takes the whole width.
        points: of an embedding map, what its points show, in their order: a text and a thumbnail.
    """

    name: str
    draw: Callable[[Palette], Figure]
    alt: str
    caption: str = ""
    wide: bool = False
    points: Sequence[Sequence[tuple[str, str]]] = ()


@dataclass(frozen=True)
class Plots:
    """Figures next to each other."""

    plots: Sequence[Plot]


@dataclass(frozen=True)
class Picture:
    """One picture with words below it.

    Attributes:
        source: a data URI; empty where the video cannot be shown.
        text: below it.
        mark: "right", "wrong" or empty.
        title: a longer text, shown when the mouse rests on it.
    """

    source: str
    text: str
    mark: str = ""
    title: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures in rows, each row with a heading picture or without.

    Attributes:
        rows: lists of pictures.
        kind: "clips", "neighbours" or "grid".
        caption: below them.
    """

    rows: Sequence[Sequence[Picture]]
    kind: str
    caption: str = ""


Block = Text | Listing | Rows | Plots | Gallery


@dataclass
class Section:
    """A part of the page with a heading."""

    name: str
    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Answer:
    """A question of the reader, a verdict of a few words, and why.

    Attributes:
        question: as the reader would ask.
        verdict: the answer in a few words.
        reason: one or two sentences with the numbers.
        tone: "good", "bad", "neutral" or "unknown".
    """

    question: str
    verdict: str
    reason: str
    tone: str = "neutral"


@dataclass
class Page:
    """A whole page.

    Attributes:
        title: the heading.
        subtitle: a line below it.
        answers: the summary.
        sections: the rest.
        facts: short facts next to the title, name and value.
        remark: a sentence on how to take them; empty without one.
    """

    title: str
    subtitle: str
    answers: list[Answer]
    sections: list[Section]
    facts: list[tuple[str, str]] = field(default_factory=list)
    remark: str = ""

    @property
    def plots(self) -> list[Plot]:
        """All figures, in their order."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [plot for block in blocks if isinstance(block, Plots) for plot in block.plots]
