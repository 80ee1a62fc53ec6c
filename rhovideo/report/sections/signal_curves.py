"""Curves of every signal that a training logs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rhovideo.report.blocks import Plot, Plots, Section, Text
from rhovideo.report.drawing import Palette, heading, legend_below, new_figure, whole_numbers
from rhovideo.report.run_record import RunRecord, series
from rhovideo.report.subjects import Chain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Signals that are no measurements of the learning, or are drawn together with another one.
_NOT_DRAWN = {
    *("_type", "epoch", "iter", "eta", "gpu_mem", "RAM", "split", "time_diff", "dt", "dt_data", "dt_net"),
    "knn_videos",
}
_TITLES = {
    "loss": "Loss",
    "lr": "Learning rate",
    "embedding_std": "Standard deviation of embeddings",
    "grad_norm": "Norm of the gradient",
    "knn_top1": "k-NN accuracy (%)",
    "top1": "Training accuracy, top-1 (%)",
    "top5": "Training accuracy, top-5 (%)",
    "map": "Validation mAP (%)",
    "top1_err": "Validation error, top-1 (%)",
    "top5_err": "Validation error, top-5 (%)",
    "prediction_entropy": "Entropy of predictions (1: all alike)",
    "prototype_usage": "Share of prototypes in use",
    "code_agreement": "Clips of a video with the same code (%)",
    "code_entropy": "Entropy of codes (1: all alike)",
    "alignment": "Distance of positive pairs",
    "uniformity": "Uniformity",
    "effective_rank": "Directions that embeddings use",
    "encoder_gradient_share": "Encoder's share of the gradient",
    "contrast_top1": "Positives nearest of all (%)",
}
_MEANINGS = {
    "loss": "It should fall. A flat line from the start means that nothing is learned.",
    "similarity": "Clips of one video should become more alike than those of different videos.",
    "embedding_std": "1 means that embeddings spread over all directions; near 0 they have collapsed.",
    "prediction_entropy": "It should fall. 1 means that every prototype is predicted equally: nothing is learned.",
    "prototype_usage": "Above 0.3 is healthy; near 0 all clips choose the same few prototypes.",
    "code_agreement": "It should grow: two clips of a video choose the same prototype.",
    "code_entropy": "Below 0.95 is healthy; 1 means that every clip belongs to all prototypes equally.",
    "alignment": "The mean squared distance of two clips of a video. It should fall.",
    "uniformity": "Lower means that embeddings spread more evenly over the sphere.",
    "effective_rank": "Near 1 all embeddings lie on a line.",
    "encoder_gradient_share": "The rest of the gradient is that of the heads.",
    "contrast_top1": "How often the positive is nearer than all negatives. It should grow.",
    "time": "The part of a step that waits for data; where it is large, decoding is the bottleneck.",
}
_SIMILARITIES = ("positive_similarity", "negative_similarity")
_SIZE = (4.7, 2.75)


class Curve(NamedTuple):
    """A line of a figure; ``look`` is the number of its colour, None for its place among the lines."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    look: int | None = None


def curves_section(chain: Chain) -> Section:
    """The curves of each training of a chain."""
    section = Section("curves", "Curves")
    trained = [run for run in chain.runs if run.stats]
    for run in trained:
        plots = _plots(run)
        if plots and len(trained) > 1:
            section.blocks.append(Text(f"{run.name} ({run.task})", "subtitle"))
        if plots:
            section.blocks.append(Plots(plots))
    if not section.blocks:
        wrong = "No curves: these runs trained nothing, so json_stats.log holds no epoch. Curves are on the page of the"
        section.blocks.append(Text(f"{wrong} training: write rhovideo report and the folder of that run.", "missing"))
    return section


def signals(run: RunRecord) -> list[str]:
    """The names of the numbers that a training has logged, the loss first."""
    found = dict.fromkeys(name for record in [*run.epochs, *run.evaluations] for name in record)
    names = [name for name in found if name not in _NOT_DRAWN and not name.startswith("min_")]
    return sorted((name for name in names if _points(run, name).x), key=lambda name: (name != "loss", name))


def _points(run: RunRecord, name: str) -> Curve:
    """An epoch's values, or those of steps where there are fewer than three epochs."""
    x, y = series([*run.epochs, *run.evaluations], name)
    if len(x) < 3:
        steps = series([record for record in run.stats if record.get("_type") == "train_iter"], name)
        x, y = max((x, y), steps, key=lambda each: len(each[0]))
    return Curve(name, x, y)


def _plots(run: RunRecord) -> list[Plot]:
    names = signals(run)
    plots = []
    similar = [name for name in names if name in _SIMILARITIES]
    if similar:
        curves = [_points(run, name)._replace(name=name.partition("_")[0] + " pairs") for name in similar]
        meaning = _MEANINGS["similarity"]
        plots.append(_plot(run, "similarity", "Cosine similarity", curves, meaning))
    for name in names:
        if name not in _SIMILARITIES:
            plots.append(_plot(run, name, title_of(name), [_points(run, name)], _MEANINGS.get(name, "")))
    times = [_points(run, "dt")._replace(name="whole step"), _points(run, "dt_data")._replace(name="waiting for data")]
    if all(curve.x for curve in times):
        plots.append(_plot(run, "time", "Time of a step (s)", times, _MEANINGS["time"], from_zero=True))
    first = ["loss", "similarity", "embedding_std", "knn_top1", "top1", "top1_err", "map", "lr", "time"]
    order = {f"{run.name}-{name}": place for place, name in enumerate(first)}
    return sorted(plots, key=lambda plot: order.get(plot.name, len(order)))


def title_of(name: str) -> str:
    """The title of a signal's figure."""
    return _TITLES.get(name, name.replace("_", " ").capitalize())


def _plot(
    run: RunRecord, name: str, title: str, curves: Sequence[Curve], meaning: str, from_zero: bool = False
) -> Plot:
    ends = "; ".join(f"{curve.name} from {curve.y[0]:.4g} to {curve.y[-1]:.4g}" for curve in curves)
    draw = partial(draw_curves, title, curves, from_zero=from_zero)
    return Plot(f"{run.name}-{name}", draw, f"{title} against epochs: {ends}", meaning)


def draw_curves(
    title: str, curves: Sequence[Curve], palette: Palette, *, from_zero: bool = False, size: tuple[float, float] = _SIZE
) -> Figure:
    """Lines over epochs.

    Args:
        title: of the figure.
        curves: one or several.
        palette: the colours.
        from_zero: begin the axis at zero.
        size: inches.
    """
    figure, axes = new_figure(size[0], size[1], palette)
    alone = len(curves) == 1
    for number, curve in enumerate(curves):
        look = number if curve.look is None else curve.look
        colour = palette.accent if alone and curve.look is None else palette.colour(look)
        marker = "o" if len(curve.x) < 12 else None
        axes.plot(curve.x, curve.y, color=colour, linewidth=1.8, marker=marker, markersize=3.5, label=curve.name)
    if from_zero:
        axes.set_ylim(bottom=0)
    epochs = {epoch for curve in curves for epoch in curve.x}
    if len(epochs) == 1:
        axes.set_xlim(min(epochs) - 1, max(epochs) + 1)
    axes.set_xlabel("epoch")
    axes.locator_params(axis="y", nbins=6)
    whole_numbers(axes)
    heading(axes, title, palette)
    if not alone:
        legend_below(figure, axes, palette)
    return figure
