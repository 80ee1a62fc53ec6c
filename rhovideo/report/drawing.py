"""Figures by matplotlib: one look, as SVG whose colours a page's theme sets, or as PNG."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rhovideo.errors import JobError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INSTALL = "pip install 'rhovideo[report]'"
# Okabe and Ito's colours, which people with every kind of colour vision can tell apart, and two of Tol's.
_SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#8c8c3c")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_MAPPED = {
    "#010203": "currentColor",
    "#010204": "var(--faint)",
    "#010205": "var(--rule)",
    "#010206": "var(--paper)",
    "#010207": "var(--accent)",
    **{f"#0103{number:02d}": f"var(--c{number})" for number in range(len(_SERIES))},
}


@dataclass(frozen=True)
class Palette:
    """Colours of a figure.

    Attributes:
        ink: text and axes; ``faint``: less of it; ``rule``: the grid; ``paper``: behind; ``accent``: a single series.
        series: of curves and classes.
    """

    ink: str = "#22262b"
    faint: str = "#68707a"
    rule: str = "#e3e6ea"
    paper: str = "#ffffff"
    accent: str = "#0072b2"
    series: Sequence[str] = field(default=_SERIES)

    def colour(self, number: int) -> str:
        """The colour of a series."""
        return self.series[number % len(self.series)]

    def marker(self, number: int) -> str:
        """The marker of a series; with the colour it is one of 64 looks."""
        return MARKERS[(number + number // len(self.series)) % len(MARKERS)]


LIGHT = Palette()
# Colours that stand for those of the theme; they are replaced in the SVG.
_names = list(_MAPPED)
THEMED = Palette(_names[0], _names[1], _names[2], _names[3], _names[4], tuple(_names[5:]))


def require_libraries() -> None:
    """Stop with the command that installs them where the libraries of a report are missing.

    Raises:
        JobError: one is missing.
    """
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise JobError(f"a report needs {error.name}: write {INSTALL}") from error


def new_figure(width: float, height: float, palette: Palette) -> tuple[Figure, Axes]:
    """A figure with one pair of axes.

    Args:
        width: inches.
        height: inches.
        palette: its colours.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    style(axes, palette)
    return figure, axes


def style(axes: Axes, palette: Palette) -> None:
    """Give axes the look of all figures: no box, a thin grid, small labels."""
    axes.patch.set_alpha(0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(palette.rule)
    axes.tick_params(colors=palette.faint, labelsize=8.5, length=0, pad=5)
    axes.grid(True, color=palette.rule, linewidth=0.7)
    axes.set_axisbelow(True)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(palette.faint)
        label.set_fontsize(8.5)


def heading(axes: Axes, text: str, palette: Palette) -> None:
    """Write the title of a figure above its left edge."""
    axes.set_title(text, loc="left", fontsize=10, color=palette.ink, fontweight="bold", pad=10)


def legend(axes: Axes, palette: Palette, **options: Any) -> None:
    """Add a legend without a frame."""
    settings: dict[str, Any] = {"frameon": False, "fontsize": 8.5, "labelcolor": palette.ink} | options
    axes.legend(**settings)


def legend_below(figure: Figure, axes: Axes, palette: Palette) -> None:
    """Add a legend below the axes, where it hides nothing; short names stand next to each other."""
    names = [str(name) for name in axes.get_legend_handles_labels()[1]]
    widest = max(map(len, names), default=1)
    columns = max(1, min(len(names), int(figure.get_figwidth() * 13 / (widest + 7))))
    figure.legend(
        loc="outside lower left", ncols=columns, frameon=False, fontsize=8.5, labelcolor=palette.ink, handlelength=1.4
    )


def whole_numbers(axes: Axes) -> None:
    """Put the ticks of the horizontal axis at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def as_svg(figure: Figure, name: str) -> str:
    """The element, with the colours of the page's theme, and text as text.

    Args:
        figure: drawn with THEMED.
        name: no other figure of the page has it: it makes the names inside unique.
    """
    from matplotlib import rc_context

    file = io.StringIO()
    look: Any = {"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "path.simplify": True}
    with rc_context(look):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Names that no one asks for, which would stand on a page several times.
    text = re.sub(r'<g id="(?!map-)[a-zA-Z_]+_\d+">', "<g>", text)
    for sentinel, colour in _MAPPED.items():
        text = text.replace(sentinel, colour)
    return re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" role="img">', text, count=1)


def as_png(figure: Figure, transparent: bool = False) -> bytes:
    """The bytes of a PNG on white paper, at 160 dots per inch."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=160, transparent=transparent, facecolor="white")
    return file.getvalue()
