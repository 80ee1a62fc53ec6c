"""Tables as aligned text, Markdown and CSV. Imports no torch."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

FORMATS = ("text", "markdown", "csv")
_EMPTY = "-"


@dataclass(frozen=True)
class Table:
    """A table as it is shown.

    Attributes:
        columns: the headings.
        rows: a text for every column, or an empty one.
        notes: lines below it; a CSV file has none.
        numbers: the columns that are aligned to the right.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    numbers: Sequence[str] = ()

    def render(self, form: str) -> str:
        """The table in one of FORMATS, with a line end at its end."""
        return {"text": self._text, "markdown": self._markdown, "csv": self._csv}[form]()

    def _text(self) -> str:
        shown = [list(self.columns), *([value or _EMPTY for value in row] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        lines = []
        for row in shown:
            cells = zip(self.columns, row, widths, strict=True)
            lines.append("  ".join(self._padded(name, value, width) for name, value, width in cells).rstrip())
        return "\n".join([*lines, *(["", *self.notes] if self.notes else [])]) + "\n"

    def _padded(self, column: str, value: str, width: int) -> str:
        return value.rjust(width) if column in self.numbers else value.ljust(width)

    def _markdown(self) -> str:
        rule = ["---:" if name in self.numbers else "---" for name in self.columns]
        body = [[value or _EMPTY for value in row] for row in self.rows]
        lines = ["| " + " | ".join(map(_in_markdown, row)) + " |" for row in (self.columns, rule, *body)]
        notes = [f"\n{_in_markdown(note)}" for note in self.notes]
        return "\n".join([*lines, *notes]) + "\n"

    def _csv(self) -> str:
        """As RFC 4180 has it: CR LF, quotes where they are needed; an empty field where there is nothing."""
        file = io.StringIO(newline="")
        csv.writer(file).writerows([self.columns, *self.rows])
        return file.getvalue()


def _in_markdown(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
