"""The picture of docs/findings.md: a panel a set, accuracy against rho."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.findings.cells import EQUALS, METHODS
from benchmarks.findings.rows import Rows
from benchmarks.findings.spreads import Panel, kinds_shown, panel
from rhovideo.errors import JobError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's, which differ for colour-blind readers too; the markers differ without colours.
_STYLES = {"simclr": ("#0072B2", "o"), "moco": ("#D55E00", "s"), "byol": ("#009E73", "^"), "swav": ("#CC79A7", "D")}
_RANDOM, _COLOURS = "#555555", "#E69F00"


def draw(rows: Rows, recipe: str, videos: int, path: Path) -> None:
    """Draw a panel a set, and a line of panels for equal epochs and one for equal compute, where they have rows.

    Args:
        rows: all of them.
        recipe: name of the recipes, with ``{method}``.
        videos: training videos of a set.
        path: PNG to write; its folder is made.

    Raises:
        JobError: there are no rows of these recipes, or matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise JobError("matplotlib is not installed: run pip install 'rhovideo[report]'") from None
    kinds = kinds_shown(rows, recipe, videos)
    lines = [[panel(rows, recipe, videos, kind, equal) for kind in kinds] for equal in EQUALS]
    lines = [line for line in lines if any(each.rows for each in line)]
    if not lines:
        raise JobError(f"there is no row of {recipe} with {videos} videos to draw: run the study first")
    figure = Figure(figsize=(4.2 * len(kinds), 3.9 * len(lines) + 0.4), layout="constrained")
    grid = figure.subplots(len(lines), len(kinds), squeeze=False, sharey=True)
    for line, axes_of_line in zip(lines, grid, strict=True):
        for found, axes in zip(line, axes_of_line, strict=True):
            _draw_panel(axes, found)
        axes_of_line[0].set_ylabel("linear top-1, %")
    # Of all panels, since a method may be measured in one alone.
    handles = {}
    for axes in grid.flat:
        shown, names = axes.get_legend_handles_labels()
        handles |= dict(zip(names, shown, strict=True))
    order = [name for name in (*METHODS.values(), "random encoder", "colour histogram") if name in handles]
    figure.legend([handles[name] for name in order], order, loc="outside lower center", ncols=len(order), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _draw_panel(axes: Axes, found: Panel) -> None:
    axes.set_title(f"{found.kind.capitalize()}, equal {found.equal}")
    axes.set_ylim(0, 100)
    axes.set_xlabel("ρ, clips of a video")
    rhos = found.rhos
    axes.set_xticks(rhos, [str(rho) for rho in rhos])
    axes.set_xlim(min(rhos) - 0.4, max(rhos) + 0.4)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    if not found.rows:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=_RANDOM)
        return
    for number, method in enumerate(found.methods):
        _draw_method(axes, found, method, 0.06 * (number - (len(found.methods) - 1) / 2), rhos)
    random, colours = found.random(), found.of_set("colour_histogram_top1")
    if random:
        axes.axhline(random.mean, color=_RANDOM, linestyle="--", linewidth=1.2, label="random encoder")
    if colours is not None:
        axes.axhline(colours, color=_COLOURS, linestyle=(0, (2, 2)), linewidth=1.2, label="colour histogram")


def _draw_method(axes: Axes, found: Panel, method: str, aside: float, rhos: Sequence[int]) -> None:
    """A line with error bars, a little aside so that bars do not hide each other."""
    points = [(rho, spread) for rho in rhos if (spread := found.linear(method, rho))]
    if not points:
        return
    colour, marker = _STYLES[method]
    axes.errorbar(
        [rho + aside for rho, _ in points],
        [spread.mean for _, spread in points],
        yerr=[spread.deviation or 0.0 for _, spread in points],
        color=colour,
        marker=marker,
        markersize=5,
        linewidth=1.4,
        capsize=3,
        label=METHODS[method],
    )
