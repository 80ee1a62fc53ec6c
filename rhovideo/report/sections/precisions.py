"""The average precision of each class, of test videos with several labels each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rhovideo.engine.evaluation.multi_label.label_set_files import PRECISIONS_FILE, ClassPrecision, read_precisions
from rhovideo.engine.evaluation.predictions import DamagedRowError
from rhovideo.report.blocks import Plot, Plots, Rows, Section
from rhovideo.report.drawing import Palette, new_figure
from rhovideo.report.sections.wording import MOST_ROWS, class_name, count, percent
from rhovideo.report.subjects import Chain
from rhovideo.terminal import print_line

if TYPE_CHECKING:
    import matplotlib.figure

_DRAWN = 40


def precisions_of(chain: Chain) -> list[ClassPrecision]:
    """Those of the chain's last test with several labels a video; empty without one."""
    for run in reversed(chain.runs):
        try:
            if found := read_precisions(run.folder):
                return found
        except DamagedRowError as error:
            print_line(f"{run.folder / PRECISIONS_FILE}, line {error.line}: is damaged, so the page is made without it")
        except OSError:
            continue
    return []


def precisions_section(precisions: Sequence[ClassPrecision], names: Sequence[str]) -> Section:
    """The average precision of each class, as a figure and as a table.

    Args:
        precisions: at least one.
        names: of the classes by label, for those that have none.
    """
    section = Section("classes", "Average precision of each class")
    found = sorted(precisions, key=lambda each: (each.ap, each.label))
    labels = [each.name or class_name(names, each.label) for each in found]
    overall = sum(each.ap for each in found) / len(found)
    if len(found) > 1:
        draw = partial(_draw, labels[:_DRAWN], [each.ap for each in found[:_DRAWN]], overall)
        caption = "The lowest first; the dashed line is their mean, the mAP."
        cut = f" The {_DRAWN} lowest of {len(found)} classes." if len(found) > _DRAWN else ""
        alt = "average precision of each class, the lowest first"
        section.blocks.append(Plots([Plot("classes", draw, alt, caption + cut, True)]))
    rows = [[label, str(each.videos), percent(each.ap)] for label, each in zip(labels, found, strict=True)][:MOST_ROWS]
    more = f" The {MOST_ROWS} lowest of {count(len(found), 'class')}." if len(found) > MOST_ROWS else ""
    caption = (
        f"From {PRECISIONS_FILE}. A video may be of several classes; classes without a test video are left out.{more}"
    )
    section.blocks.append(Rows(["class", "videos", "average precision"], rows, [1, 2], caption))
    return section


def _draw(labels: Sequence[str], values: Sequence[float], overall: float, palette: Palette) -> matplotlib.figure.Figure:
    figure, axes = new_figure(9.6, 0.9 + 0.3 * len(labels), palette)
    places = range(len(labels))
    axes.barh(places, values, height=0.55, color=palette.accent, alpha=0.85)
    axes.axvline(overall, color=palette.ink, linewidth=1, linestyle=(0, (4, 3)))
    # matplotlib would read dollars as mathematics.
    shown = [label.replace("$", r"\$")[:24] for label in labels]
    axes.set_yticks(list(places), shown, color=palette.ink)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.set_xlabel("average precision (%)")
    return figure
