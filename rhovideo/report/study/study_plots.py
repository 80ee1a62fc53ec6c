"""Figures of a study's tables: a panel a measure, our means with their deviations, the paper's numbers hollow."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rhovideo.atomic_files import written_whole
from rhovideo.errors import JobError
from rhovideo.report.drawing import LIGHT, Palette, require_libraries, style
from rhovideo.studies.numbers.cell_numbers import CellNumber
from rhovideo.studies.numbers.layout import warnings
from rhovideo.studies.numbers.list_durations import ListDurations
from rhovideo.studies.numbers.study_results import StudyResults
from rhovideo.studies.record import TableRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS = (".png", ".pdf", ".svg")
_THE_PAPERS = "hollow: the paper's number"
# Inches of a panel, which is wider where more bars stand in it.
_LEAST_WIDTH, _MOST_WIDTH, _HEIGHT = 4.2, 9.0, 3.5
# More bars have no room for their numbers.
_MOST_LABELS = 14
# Letters of all labels of an axis that stand next to each other, an inch.
_LETTERS = 9


def write_plots(results: StudyResults, out: Path) -> list[Path]:
    """Draw each table of a study; with several, the table's name is added to the file's.

    Args:
        results: of the study.
        out: the file; its ending says what is written.

    Raises:
        JobError: the ending is another one, matplotlib is missing, or the file cannot be written.
    """
    kind = out.suffix.lower()
    if kind not in ENDINGS:
        raise JobError(f"--plot {out}: its ending decides what is written, one of {' '.join(ENDINGS)}")
    require_libraries()
    written = []
    for table in results.record.tables:
        path = out if len(results.record.tables) == 1 else out.with_name(f"{out.stem}_{table.name}{out.suffix}")
        figure = draw_table(results, table, LIGHT)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as file:
                figure.savefig(file, format=kind.removeprefix("."), dpi=160, facecolor="white")
        except OSError as error:
            raise JobError(f"--plot {path}: cannot be written ({error.strerror or error})") from error
        written.append(path)
    return written


def draw_table(results: StudyResults, table: TableRecord, palette: Palette) -> Figure:
    """Draw a table.

    Args:
        results: of its study.
        table: one of them.
        palette: the colours.
    """
    if table.name in results.durations:
        return _draw_durations(results.durations[table.name], palette)
    cells = results.numbers.tables[table.name]
    figure, axes = _new_panels(len(table.measures), _panel_width(table), palette)
    for panel, measure in zip(axes, table.measures, strict=True):
        _draw_panel(panel, table, [cell for cell in cells if cell.record.measure == measure], measure, palette)
    _add_legend(figure, axes, table, any(cell.record.stated for cell in cells), palette)
    if found := warnings(results.record):
        figure.suptitle(textwrap.fill(found[0], int(13 * figure.get_figwidth())), fontsize=8.5, color=palette.faint)
    return figure


def _panel_width(table: TableRecord) -> float:
    bars = len(table.rows) * len(table.columns) if table.plot == "bars" else len(table.rows)
    return min(_MOST_WIDTH, max(_LEAST_WIDTH, 0.32 * bars + 1.0))


def _new_panels(count: int, width: float, palette: Palette, columns: int = 0) -> tuple[Figure, list[Axes]]:
    """Panels next to each other; with ``columns``, so many in a line."""
    from matplotlib.figure import Figure

    across = max(1, min(count, columns or count))
    lines = max(1, -(-count // across))
    figure = Figure(figsize=(width * across, _HEIGHT * lines), layout="constrained")
    figure.patch.set_alpha(0)
    axes = list(figure.subplots(lines, across, squeeze=False).flat)
    for panel in axes:
        style(panel, palette)
    for panel in axes[max(1, count) :]:
        panel.set_axis_off()
    return figure, axes[: max(1, count)]


def _draw_panel(axes: Axes, table: TableRecord, cells: Sequence[CellNumber], measure: str, palette: Palette) -> None:
    axes.set_title(measure, loc="left", fontsize=10, color=palette.ink, fontweight="bold", pad=10)
    axes.set_ylabel("%")
    axes.set_xlabel(table.row_heading)
    axes.grid(False, axis="x")
    _name_rows(axes, table)
    if not any(cell.mean is not None or cell.record.stated for cell in cells):
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no number yet", transform=axes.transAxes, ha="center", color=palette.faint, fontsize=9)
        return
    draw = _draw_bars if table.plot == "bars" else _draw_line
    for number, column in enumerate(table.columns):
        own = {cell.record.row: cell for cell in cells if cell.record.column == column}
        draw(axes, table, own, number, palette)


def _name_rows(axes: Axes, table: TableRecord) -> None:
    rows = table.rows
    letters = sum(map(len, rows)) + 2 * len(rows)
    aslant = letters > _LETTERS * _panel_width(table)
    options: dict[str, Any] = {"rotation": 28, "ha": "right", "rotation_mode": "anchor"} if aslant else {}
    axes.set_xticks(range(len(rows)), list(rows), **options)
    axes.set_xlim(-0.6, len(rows) - 0.4)


def _draw_line(axes: Axes, table: TableRecord, own: dict[str, CellNumber], number: int, palette: Palette) -> None:
    """A line over the rows, a little aside so that error bars of several lines do not hide each other."""
    aside = 0.05 * (number - (len(table.columns) - 1) / 2)
    colour, marker = palette.colour(number), palette.marker(number)
    found = list(_measured(table, own))
    if found:
        places, means, deviations = zip(*found, strict=True)
        at = [place + aside for place in places]
        axes.errorbar(
            at, means, yerr=deviations, color=colour, marker=marker, markersize=5, linewidth=1.5, capsize=3, zorder=3
        )
    _draw_stated(axes, table, own, aside, marker, colour)


def _draw_bars(axes: Axes, table: TableRecord, own: dict[str, CellNumber], number: int, palette: Palette) -> None:
    width = 0.8 / len(table.columns)
    aside = width * (number - (len(table.columns) - 1) / 2)
    colour = palette.colour(number)
    for place, mean, deviation in _measured(table, own):
        error = deviation or None
        axes.bar(place + aside, mean, width * 0.9, yerr=error, color=colour, ecolor=palette.ink, capsize=2, zorder=2)
        if len(table.rows) * len(table.columns) <= _MOST_LABELS:
            axes.annotate(
                f"{mean:.1f}",
                (place + aside, 0),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=8,
                color=palette.paper,
                zorder=4,
            )
    _draw_stated(axes, table, own, aside, "D", palette.ink)


def _measured(table: TableRecord, own: dict[str, CellNumber]) -> Iterator[tuple[int, float, float]]:
    """Place, mean and deviation of the rows that have a number."""
    for place, row in enumerate(table.rows):
        cell = own.get(row)
        if cell is not None and cell.mean is not None:
            yield place, cell.mean, cell.deviation or 0.0


def _draw_stated(
    axes: Axes, table: TableRecord, own: dict[str, CellNumber], aside: float, marker: str, colour: str
) -> None:
    stated = [(place, own[row].record.stated) for place, row in enumerate(table.rows) if row in own]
    for place, figure in stated:
        if figure is not None:
            axes.plot(
                place + aside, figure.value, marker=marker, markersize=8, markerfacecolor="none", color=colour, zorder=4
            )


def _add_legend(figure: Figure, axes: Sequence[Axes], table: TableRecord, stated: bool, palette: Palette) -> None:
    """A legend below, with the columns and what a hollow marker is; none where there is nothing to tell apart."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Line2D | Patch] = []
    if len(table.columns) > 1:
        for number, name in enumerate(table.columns):
            colour = palette.colour(number)
            line = Line2D([], [], color=colour, marker=palette.marker(number), markersize=5, linewidth=1.5, label=name)
            handles.append(line if table.plot != "bars" else Patch(color=colour, label=name))
    if stated:
        marker = "D" if table.plot == "bars" else "o"
        hollow = Line2D([], [], color=palette.faint, marker=marker, markersize=8, markerfacecolor="none", linewidth=0)
        hollow.set_label(_THE_PAPERS)
        handles.append(hollow)
    if handles:
        columns = max(1, min(len(handles), int(figure.get_figwidth() / 1.5)))
        figure.legend(
            handles=handles,
            loc="outside lower left",
            ncols=columns,
            frameon=False,
            fontsize=8.5,
            labelcolor=palette.ink,
        )


def _draw_durations(durations: dict[str, ListDurations | str], palette: Palette) -> Figure:
    """A histogram for each list, two in a line."""
    known = {row: one for row, one in durations.items() if isinstance(one, ListDurations) and one.known}
    figure, axes = _new_panels(len(known), _LEAST_WIDTH, palette, columns=2)
    for panel, (row, one) in zip(axes, known.items(), strict=False):
        title = f"{row}: {one.mean:.1f} ± {one.std:.1f} s"
        panel.set_title(title, loc="left", fontsize=10, color=palette.ink, fontweight="bold", pad=10)
        widths = [after - before for before, after in zip(one.edges[:-1], one.edges[1:], strict=True)]
        panel.bar(one.edges[:-1], one.counts, widths, align="edge", color=palette.accent)
        panel.set_xlabel("seconds")
        panel.set_ylabel("videos")
    if not known:
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, "no list can be read", ha="center", color=palette.faint, fontsize=9)
    return figure
