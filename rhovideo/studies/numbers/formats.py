"""Tables of a study as aligned text, Markdown and LaTeX, and its numbers as CSV in long form."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from rhovideo.monitor.tables import Table
from rhovideo.studies.numbers.cell_numbers import CellNumber, RunNumber, SeedNumber
from rhovideo.studies.numbers.layout import Grid
from rhovideo.studies.numbers.run_hours import StudyHours

CSV_COLUMNS = (
    *("table", "row", "column", "measure", "seed", "split", "value", "stated", "folder"),
    *("derived", "state", "hours", "training", "training_hours"),
)
_EMPTY = "-"
_LATEX = {
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': "''"},
    **{"±": r"$\pm$", "×": r"$\times$", "†": r"$^{\dagger}$", "ρ": r"$\rho$", "τ": r"$\tau$"},
    **{"⁹": r"$^9$", "⁶": r"$^6$", "–": "--", "…": r"\ldots{}", "∞": r"$\infty$", "→": r"$\to$"},
}


def as_text(grid: Grid) -> str:
    """The table under its caption, aligned for a terminal."""
    body = [[value or _EMPTY for value in row] for row in grid.rows]
    columns = [_with_brackets_aligned(column) for column in zip(*body, strict=True)]
    names = [[head.name for head in grid.heads], *zip(*columns, strict=True)]
    widths = [max(map(len, column)) for column in zip(*names, strict=True)]
    _widen(widths, grid.groups)
    lines = [grid.caption, ""] if grid.caption else []
    if grid.has_groups:
        lines.append(_group_line(widths, grid.groups))
    for row in names:
        first = row[0].ljust(widths[0])
        rest = [value.rjust(width) for value, width in zip(row[1:], widths[1:], strict=True)]
        lines.append(_GAP.join([first, *rest]).rstrip())
    return "\n".join([*lines, *(["", *grid.notes] if grid.notes else [])]) + "\n"


_GAP = "  "


def _with_brackets_aligned(column: Sequence[str]) -> list[str]:
    """The column with room for brackets where a text has none, so that the numbers before them stand in line."""
    parts = [text.partition(" (") for text in column]
    width = max((len(bracket) for _, _, bracket in parts), default=0)
    if not width:
        return list(column)
    return [f"{number}{opening or '  '}{bracket.ljust(width)}" for number, opening, bracket in parts]


def _widen(widths: list[int], groups: Sequence[tuple[str, int]]) -> None:
    """Make room for a group's heading that is wider than its columns."""
    at = 0
    for name, columns in groups:
        missing = len(name) - (sum(widths[at : at + columns]) + len(_GAP) * (columns - 1))
        widths[at] += max(0, missing)
        at += columns


def _group_line(widths: Sequence[int], groups: Sequence[tuple[str, int]]) -> str:
    parts, at = [], 0
    for name, columns in groups:
        width = sum(widths[at : at + columns]) + len(_GAP) * (columns - 1)
        parts.append(f" {name} ".center(width, "-") if name and len(name) + 2 < width else name.center(width))
        at += columns
    return _GAP.join(parts).rstrip()


def as_markdown(grid: Grid) -> str:
    """The table with a heading; Markdown has one line of column headings, so groups stand in it."""
    columns = [str(head) for head in grid.heads]
    table = Table(columns, grid.rows, grid.notes, numbers=columns[1:]).render("markdown")
    caption = grid.caption.replace("<", "&lt;")
    return f"### {caption}\n\n{table}" if caption else table


def as_latex(grid: Grid) -> str:
    """The table for a paper that uses the LaTeX package booktabs."""
    last = len(grid.heads)
    lines = [r"\begin{table}[t]", r"\centering"]
    lines += [rf"\caption{{{in_latex(grid.caption)}}}", rf"\label{{tab:{_label(grid.name)}}}"] if grid.caption else []
    lines += [rf"\begin{{tabular}}{{l{'r' * (last - 1)}}}", r"\toprule"]
    if grid.has_groups:
        lines += _latex_groups(grid.groups)
    lines += [_latex_row([head.name for head in grid.heads]), r"\midrule"]
    lines += [_latex_row([value or "--" for value in row]) for row in grid.rows]
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\smallskip{{\footnotesize {in_latex(note)}\par}}" for note in grid.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def in_latex(text: str) -> str:
    """A text with the signs escaped that LaTeX takes for its own, and signs of formulas as such."""
    return "".join(_LATEX.get(sign, sign) for sign in text.replace("\n", " "))


def _label(name: str) -> str:
    return "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in name)


def _latex_row(values: Sequence[str]) -> str:
    return " & ".join(map(in_latex, values)) + r" \\"


def _latex_groups(groups: Sequence[tuple[str, int]]) -> list[str]:
    cells, rules, at = [], [], 1
    for name, columns in groups:
        cells.append(rf"\multicolumn{{{columns}}}{{c}}{{{in_latex(name)}}}")
        rules += [rf"\cmidrule(lr){{{at}-{at + columns - 1}}}"] if name else []
        at += columns
    return [" & ".join(cells) + r" \\", "".join(rules)]


def as_csv(tables: Mapping[str, Sequence[CellNumber]], hours: StudyHours) -> str:
    """All numbers, a line for each run: a cell has one for each seed and split.

    Args:
        tables: the cells of each table.
        hours: of the runs; ``hours`` is that of the run, ``training_hours`` that of the run before, which several lines
            may share.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(CSV_COLUMNS)
    for name, cells in tables.items():
        for cell in cells:
            writer.writerows([name, *line] for line in _csv_lines(cell, hours))
    return file.getvalue()


def _csv_lines(cell: CellNumber, hours: StudyHours) -> list[list[object]]:
    own = cell.record
    place = [own.row, own.column, own.measure]
    stated = "" if own.stated is None else f"{own.stated.value:g}"
    derived = "" if own.stated is None else str(own.stated.derived)
    if not cell.seeds:
        return [[*place, "", "", "", stated, "", derived, own.left_out, "", "", ""]]
    lines: list[list[object]] = []
    for number, seed in enumerate(cell.seeds):
        training = own.pretraining[number] if number < len(own.pretraining) else ""
        for run in seed.runs:
            costs = [_hours(run.folder, hours), training, _hours(training, hours)]
            lines.append([*place, *_csv_run(seed, run, stated), derived, run.state, *costs])
    return lines


def _csv_run(seed: SeedNumber, run: RunNumber, stated: str) -> list[object]:
    value = "" if run.value is None else f"{run.value:g}"
    return [seed.seed, run.split, value, stated, run.folder]


def _hours(run: str, hours: StudyHours) -> str:
    """Device hours, of GPUs or of processors."""
    time = hours.runs.get(run)
    return "" if time is None else f"{(time.gpu + time.cpu) / 3600:.6g}"
