"""The results next to the paper's figures, the accuracy on each class, and the confusion matrix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rhovideo.config.task_defaults import CLASSIFIES, DETECTS, TRAINS_ON_LABELS
from rhovideo.engine.evaluation.intervals import wilson, wilson_of
from rhovideo.protocols.evaluation_folder import has_protocols_batch
from rhovideo.report.blocks import Plot, Plots, Rows, Section, Text
from rhovideo.report.drawing import Palette, new_figure, style
from rhovideo.report.per_video import Predictions, class_scores, confusions
from rhovideo.report.run_record import RunRecord, cfg_value, number
from rhovideo.report.sections.wording import MOST_ROWS, NO_PREDICTIONS, class_name, count, percent
from rhovideo.report.subjects import Chain
from rhovideo.zoo.figures import FIGURE_NAMES, FIGURES, Figure, figure_for

if TYPE_CHECKING:
    import matplotlib.figure

# Classes of a matrix that can be read.
_MOST_CLASSES = 30
_PERCENTAGES = re.compile(r"(test_|knn_)?(top\d+|class_mean|map(_file_order)?)$|recall_at_\d+$")
_RESULT_NAMES = {
    "test_top1": "test top-1",
    "test_top5": "test top-5",
    "test_map": "test mAP",
    "map": "mAP",
    "top1": "top-1",
    "top5": "top-5",
    "test_map_file_order": "test mAP, PySlowFast's rule",
    "map_file_order": "mAP, PySlowFast's rule",
    "knn_top1": "k-NN top-1",
    "test_class_mean": "test, mean of classes",
    "knn_class_mean": "k-NN, mean of classes",
}


def results_section(chain: Chain) -> Section:
    """Every number of the chain's runs, and the paper's with the same settings."""
    section = Section("results", "Results next to the paper's")
    figure = paper_figure(chain)
    rows = []
    for run in chain.runs:
        for name, value in run.results.items():
            if not isinstance(value, int | float) or isinstance(value, bool) or not _PERCENTAGES.match(name):
                continue
            compared = figure and run is chain.runs[-1] and name in FIGURE_NAMES[figure.protocol.measure]
            paper = f"{figure.value:.1f} %" if figure and compared else "–"
            rows.append([run.name, run.task, _result_name(name), percent(float(value)), _interval(run, name), paper])
    if not rows:
        text = "No number yet: results.json is written when a run finishes. rhovideo status shows how it is doing."
        section.blocks.append(Text(text, "missing"))
        return section
    caption = (
        "95 % interval (Wilson): the accuracy on all videos of this kind is most likely in this range, as far as this "
        "many test videos can tell. The luck of a seed comes on top of that."
    )
    section.blocks.append(Rows(["run", "task", "measure", "value", "95 % interval", "paper"], rows, [3, 4, 5], caption))
    if figure:
        source = f"The paper's figure is {figure.protocol}, {figure.source}, pre-trained for 200 epochs on K400."
        section.blocks.append(Text(source, "note"))
    else:
        section.blocks.append(Text(_no_figure(chain), "note"))
        section.blocks += _figures_of_method(chain)
    return section


def _result_name(name: str) -> str:
    return _RESULT_NAMES.get(name, name.replace("_", " "))


def _interval(run: RunRecord, name: str) -> str:
    recorded = run.results.get(f"{name}_interval")
    if isinstance(recorded, list) and len(recorded) == 2:
        return f"{recorded[0]:.1f} to {recorded[1]:.1f} %"
    if name in ("test_map", "map"):
        # No share of videos, so Wilson's interval is none of it.
        return "–"
    interval = wilson_of(number(run.results, name), int(number(run.results, "test_videos") or 0))
    return f"{interval[0]:.1f} to {interval[1]:.1f} %" if interval and name.startswith("test_") else "–"


def paper_figure(chain: Chain) -> Figure | None:
    """The paper's figure for a chain with the same settings; None without one."""
    trained = [run for run in chain.runs if run.task in TRAINS_ON_LABELS]
    last = chain.runs[-1]
    if not trained or len(chain.runs) < 2 or last.task not in (*CLASSIFIES, *DETECTS):
        return None
    figure = figure_for(chain.runs[0].cfg, trained[-1].cfg, last.cfg)
    return figure if figure and has_protocols_batch(trained[-1].cfg, trained[-1].folder) else None


def _no_figure(chain: Chain) -> str:
    reasons = (run.outcome.get("not_compared_because") for run in reversed(chain.runs))
    if reason := next(filter(None, reasons), ""):
        return f"No figure of the paper can be compared: {reason}."
    return (
        "The paper has no figure with these settings, so none stands next to them: its figures are of a Slow R-50 "
        "after 200 epochs of K400, on K400, UCF101, AVA or SSv2."
    )


def _figures_of_method(chain: Chain) -> list[Any]:
    """The paper's figures of the same method, to have an idea of its numbers on the large data sets."""
    method = cfg_value(chain.pretraining.cfg, "CONTRASTIVE.TYPE") if chain.pretraining else None
    found = [figure for figure in FIGURES if figure.method == method]
    rows = [
        [
            figure.method,
            str(figure.rho),
            f"{figure.frames} x {figure.rate}",
            str(figure.protocol),
            f"{figure.value:.1f} % {figure.protocol.measure}",
            figure.source,
        ]
        for figure in found
    ]
    columns = ["method", "rho", "clip", "measured on", "figure", "source"]
    caption = f"The paper's figures of {method}, for orientation only: other videos and a larger network."
    return [Rows(columns, rows, [1, 4], caption)] if rows else []


def classes_section(predictions: Predictions | None, names: Sequence[str]) -> Section:
    """The accuracy on each class."""
    section = Section("classes", "Accuracy on each class")
    if not predictions or not predictions.videos:
        section.blocks.append(Text(NO_PREDICTIONS, "missing"))
        return section
    scores = sorted(class_scores(predictions.videos), key=lambda score: (score.accuracy, score.label))
    labels = [class_name(names, score.label) for score in scores]
    intervals = [wilson(score.correct, score.videos) or [0.0, 100.0] for score in scores]
    values = [score.accuracy for score in scores]
    overall = 100 * sum(video.right for video in predictions.videos) / len(predictions.videos)
    shown = slice(0, 40)
    if len(scores) > 1:
        alt = "accuracy of each class, the lowest first"
        draw = partial(_draw_classes, labels[shown], values[shown], intervals[shown], overall)
        caption = "The lowest first; lines are 95 % intervals (Wilson), the dashed line is the mean over all videos."
        cut = f" The 40 lowest of {len(scores)} classes." if len(scores) > 40 else ""
        section.blocks.append(Plots([Plot("classes", draw, alt, caption + cut, True)]))
    rows = [
        [label, str(score.videos), str(score.correct), percent(score.accuracy), f"{low:.0f} to {high:.0f} %"]
        for label, score, (low, high) in zip(labels, scores, intervals, strict=True)
    ][:MOST_ROWS]
    more = f" The {MOST_ROWS} lowest of {count(len(scores), 'class')}." if len(scores) > MOST_ROWS else ""
    caption = f"From {predictions.source}.{more}"
    section.blocks.append(Rows(["class", "videos", "right", "accuracy", "95 % interval"], rows, [1, 2, 3, 4], caption))
    return section


def _draw_classes(
    labels: Sequence[str],
    values: Sequence[float],
    intervals: Sequence[Sequence[float]],
    overall: float,
    palette: Palette,
) -> matplotlib.figure.Figure:
    figure, axes = new_figure(9.6, 0.9 + 0.3 * len(labels), palette)
    places = range(len(labels))
    axes.barh(places, values, height=0.55, color=palette.accent, alpha=0.85)
    low = [max(0.0, value - interval[0]) for value, interval in zip(values, intervals, strict=True)]
    high = [max(0.0, interval[1] - value) for value, interval in zip(values, intervals, strict=True)]
    axes.errorbar(
        values, places, xerr=[low, high], fmt="none", ecolor=palette.ink, elinewidth=1, capsize=2.5, alpha=0.7
    )
    axes.axvline(overall, color=palette.ink, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_yticks(list(places), [_short(label) for label in labels], color=palette.ink)
    axes.set_xlim(0, 100)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.set_xlabel("accuracy (%)")
    return figure


def _short(text: str, most: int = 24) -> str:
    # matplotlib would read dollars as mathematics.
    text = text.replace("$", r"\$")
    return text if len(text) <= most else f"{text[: most - 1]}…"


def confusion_section(predictions: Predictions | None, names: Sequence[str]) -> Section:
    """The confusion matrix, or the part of it with the most confused classes."""
    section = Section("confusion", "Confusion matrix")
    if not predictions or not predictions.videos:
        section.blocks.append(Text(NO_PREDICTIONS, "missing"))
        return section
    pairs = confusions(predictions.videos)
    classes = sorted({label for pair in pairs for label in pair})
    shown = _most_confused(pairs, classes)
    cut = f" The {len(shown)} of {len(classes)} classes with the most mistakes." if len(shown) < len(classes) else ""
    labels = [_short(class_name(names, label), 18) for label in shown]
    draw = partial(_draw_confusion, pairs, shown, labels)
    caption = f"A row for each class, a column for what its videos were taken for; numbers are videos.{cut}"
    wide = len(shown) > 12
    section.blocks.append(Plots([Plot("confusion", draw, "confusion matrix", caption, wide)]))
    wrong = sorted(((times, pair) for pair, times in pairs.items() if pair[0] != pair[1]), reverse=True)[:8]
    if wrong:
        rows = [[class_name(names, label), class_name(names, taken), str(times)] for times, (label, taken) in wrong]
        section.blocks.append(Rows(["class", "taken for", "videos"], rows, [2], "The most frequent mistakes."))
    return section


def _most_confused(pairs: dict[tuple[int, int], int], classes: Sequence[int]) -> list[int]:
    if len(classes) <= _MOST_CLASSES:
        return list(classes)
    mistakes = dict.fromkeys(classes, 0)
    for (label, prediction), times in pairs.items():
        if label != prediction:
            mistakes[label] += times
            mistakes[prediction] += times
    return sorted(sorted(classes, key=lambda label: -mistakes[label])[:_MOST_CLASSES])


def _draw_confusion(
    pairs: dict[tuple[int, int], int], classes: Sequence[int], labels: Sequence[str], palette: Palette
) -> matplotlib.figure.Figure:
    from matplotlib.patches import Rectangle

    size = max(3.4, min(9.6, 1.5 + 0.42 * len(classes)))
    figure, axes = new_figure(size, size * 0.92, palette)
    style(axes, palette)
    totals = {label: sum(times for pair, times in pairs.items() if pair[0] == label) for label in classes}
    for row, label in enumerate(classes):
        for column, taken in enumerate(classes):
            times = pairs.get((label, taken), 0)
            if not times:
                continue
            share = times / max(totals[label], 1)
            colour = palette.accent if label == taken else palette.colour(1)
            cell = Rectangle(
                (column - 0.47, row - 0.47), 0.94, 0.94, color=colour, alpha=0.12 + 0.68 * share, linewidth=0
            )
            axes.add_patch(cell)
            font = 9 if len(classes) <= 15 else 6
            axes.text(column, row, str(times), ha="center", va="center", fontsize=font, color=palette.ink)
    places = list(range(len(classes)))
    axes.set_xticks(
        places, labels, rotation=45 if len(classes) > 4 else 0, ha="right" if len(classes) > 4 else "center"
    )
    axes.set_yticks(places, labels)
    axes.set_xlim(-0.5, len(classes) - 0.5)
    axes.set_ylim(len(classes) - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.grid(False)
    axes.set_xlabel("taken for")
    axes.set_ylabel("class")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    return figure
