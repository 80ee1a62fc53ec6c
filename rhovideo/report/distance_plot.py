"""The picture of the distances of clips: a panel for each frame rate, drawn ones as bars, the exact law as a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rhovideo.atomic_files import written_whole
from rhovideo.data.loading.drawn_distances import DrawnDistances, RateDistances
from rhovideo.report.drawing import LIGHT, Palette, require_libraries, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More rates are left out, the least frequent ones.
MOST_RATES = 6
_WIDTH, _HEIGHT, _DOTS = 2.9, 2.7, 110


def draw_distances(found: DrawnDistances, title: str, out: Path) -> None:
    """Draw the distances into a PNG.

    Args:
        found: with at least one rate.
        title: above the panels.
        out: the file; its folder is made.

    Raises:
        JobError: matplotlib is missing.
        WriteError: the file cannot be written.
    """
    require_libraries()
    from matplotlib.figure import Figure

    rates = sorted(found.rates[:MOST_RATES], key=lambda rate: rate.fps)
    figure = Figure(figsize=(max(_WIDTH * len(rates), 2 * _WIDTH), _HEIGHT), layout="constrained")
    panels = figure.subplots(1, len(rates), squeeze=False, sharey=True)[0]
    for axes, rate in zip(panels, rates, strict=True):
        style(axes, LIGHT)
        _draw_rate(axes, rate, found.edges, LIGHT)
    panels[0].set_ylabel("share of the pairs, %")
    figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, color=LIGHT.ink)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", ncols=2, frameon=False, fontsize=8.5, labelcolor=LIGHT.ink)
    out.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(out) as file:
        figure.savefig(file, format="png", dpi=_DOTS, facecolor="white")


def _draw_rate(axes: Axes, rate: RateDistances, edges: np.ndarray, palette: Palette) -> None:
    videos = "video" if rate.videos == 1 else "videos"
    heading = f"{rate.fps:g} frames/s, {rate.videos:,} {videos}"
    axes.set_title(heading, loc="left", fontsize=9, color=palette.ink, fontweight="bold")
    axes.bar(
        edges[:-1],
        100 * rate.drawn,
        np.diff(edges),
        align="edge",
        color=palette.series[5],
        edgecolor="white",
        label="drawn",
    )
    law = 100 * rate.law
    axes.stairs(law, edges, color=palette.series[1], linewidth=1.8, label="exact law", baseline=None)
    axes.set_xlabel("seconds from start to start")
    axes.set_xlim(edges[0], edges[-1])
