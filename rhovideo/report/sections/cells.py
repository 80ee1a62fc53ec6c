"""The comparison of a study's cells: curves over each other, a table, and the numbers against what was swept."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from rhovideo.report.blocks import Plot, Plots, Rows, Section, Text
from rhovideo.report.drawing import Palette, heading, legend_below, new_figure
from rhovideo.report.run_record import RunRecord, series
from rhovideo.report.sections.signal_curves import Curve, draw_curves, signals, title_of
from rhovideo.report.sections.what_was_run import cost_text
from rhovideo.report.sections.wording import percent
from rhovideo.report.subjects import SEED, Chain, Subject, groups, labels_of, mean_of_chains

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More curves over each other cannot be told apart; the best groups are drawn.
_MOST_CURVES = 8
_SIGNALS = (
    "loss",
    "embedding_std",
    "positive_similarity",
    "knn_top1",
    "top1",
    "top1_err",
    "map",
    "lr",
    "dt",
    "dt_data",
)
_EXTRA_TITLES = {
    "dt": "Time of a step (s)",
    "dt_data": "Waiting for data in a step (s)",
    "positive_similarity": "Cosine similarity of positive pairs",
}


def comparison_sections(subject: Subject) -> list[Section]:
    """The table of all cells, the numbers against the swept keys, and curves over each other."""
    return [_table(subject), _against_swept(subject), _curves(subject)]


def _table(subject: Subject) -> Section:
    chains = subject.chains
    keys = list(chains[0].values) if all(chain.values for chain in chains) else []
    short = labels_of(keys)
    # As in the longest chain, which has them in their order.
    longest = sorted(chains, key=lambda chain: -len(chain.runs))
    tasks = list(dict.fromkeys(run.task for chain in longest for run in chain.runs if run.task))
    columns = [*(short[key] for key in keys)] if keys else ["run"]
    first_number = len(columns)
    columns += [f"{task} ({_score_names(chains, task)})" for task in tasks] + ["cost"]
    order = sorted(chains, key=lambda chain: -(chain.score if chain.score is not None else -1))
    rows = [
        [
            *([chain.values.get(key, "") for key in keys] or [chain.name]),
            *(_number(chain, task) for task in tasks),
            cost_text(chain.runs),
        ]
        for chain in order
    ]
    strong = [0] if order and order[0].score is not None else []
    numbers = range(first_number, len(columns))
    caption = (
        "The highest number comes first. Each row is a chain of runs, such as a pre-training and the classifier on it."
    )
    return Section("cells", "All runs", [Rows(columns, rows, list(numbers), caption, strong)])


def _score_names(chains: Sequence[Chain], task: str) -> str:
    names = [
        Chain("", [run]).score_name for chain in chains for run in chain.runs if run.task == task and run.score_name
    ]
    return names[0] if names else "no number"


def _number(chain: Chain, task: str) -> str:
    run = next((run for run in chain.runs if run.task == task), None)
    if run is None:
        return ""
    return percent(run.score) if run.score is not None else "failed" if run.failure else "not finished"


def _against_swept(subject: Subject) -> Section:
    section = Section("swept", "Accuracy against what was changed")
    scored = [chain for chain in subject.chains if chain.score is not None]
    if not scored:
        text = "No run has a number yet, so there is nothing to draw; rhovideo status shows how they are doing."
        section.blocks.append(Text(text, "missing"))
        return section
    seeds = max(len(chains) for chains in groups(scored).values())
    looks = looks_of(subject)
    bars = (
        "Points are single seeds; the mark and the bar are their mean and standard deviation."
        if seeds > 1
        else "One seed each: how much is luck is not known. Sweep RNG_SEED=1,2,3 too."
    )
    keys = [key for key in subject.chains[0].values if key != SEED]
    varied = [key for key in keys if len({chain.values.get(key) for chain in scored}) > 1]
    plots = [
        Plot(
            f"against-{short}",
            partial(_draw_against, scored, key, varied, looks),
            f"accuracy against {key}",
            bars,
            len(varied) == 1,
        )
        for key, short in labels_of(varied).items()
    ]
    if not plots:
        plots = [
            Plot("against-runs", partial(_draw_against, scored, "", [], looks), "accuracy of each run", bars, True)
        ]
    section.blocks.append(Plots(plots))
    return section


def looks_of(subject: Subject) -> dict[str, int]:
    """The number of each group's colour, the same in all figures; the best group has the first."""
    grouped = groups(subject.chains)
    best = sorted(grouped, key=lambda name: -mean_of_chains(grouped[name]))
    return {name: number for number, name in enumerate(best)}


def _shortened(text: str) -> str:
    return text if len(text) < 28 else f"{text[:27]}…"


def _as_numbers(values: Sequence[str]) -> list[float] | None:
    try:
        return [float(value) for value in values]
    except ValueError:
        return None


def _draw_against(
    chains: Sequence[Chain], key: str, varied: Sequence[str], looks: Mapping[str, int], palette: Palette
) -> Figure:
    """The score against the values of one key, a line for each combination of the other ones.

    Where one key alone was changed, each of its values is a group, and has the group's colour.
    """
    values: dict[str, str] = {}
    for chain in chains:
        values.setdefault(chain.values.get(key, chain.name) if key else chain.group, chain.group)
    numeric = _as_numbers(list(values))
    if numeric:
        values = dict(sorted(values.items(), key=lambda each: float(each[0])))
    places = {value: place for place, value in enumerate(values)}
    others = [other for other in varied if other != key]
    lines: dict[str, dict[str, list[float]]] = {}
    names = labels_of(others)
    for chain in chains:
        line = ", ".join(f"{names[other]} = {chain.values.get(other)}" for other in others)
        value = chain.values.get(key, chain.name) if key else chain.group
        lines.setdefault(line, {}).setdefault(value, []).append(chain.score or 0.0)
    figure, axes = new_figure(9.6 if len(varied) < 2 else 4.7, 3.1, palette)
    for number, (name, found) in enumerate(lines.items()):
        alone = len(lines) == 1
        colour = palette.faint if alone else palette.colour(number)
        shift = (number - (len(lines) - 1) / 2) * min(0.12, 0.5 / len(lines))
        at = [value for value in values if value in found]
        axes.plot(
            [places[value] + shift for value in at], [statistics.fmean(found[value]) for value in at], color=colour,
            linewidth=1.6 if numeric else 0, label=name, marker="" if alone else "o",
        )  # fmt: skip
        for value in at:
            own = palette.colour(looks[values[value]]) if alone else colour
            _draw_scores(axes, places[value] + shift, found[value], own)
    axes.set_xticks(range(len(values)), [_shortened(value) for value in values])
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.grid(False, axis="x")
    axes.set_xlabel(labels_of([key])[key] if key else "run")
    heading(axes, f"{chains[0].score_name} (%)", palette)
    if len(lines) > 1:
        legend_below(figure, axes, palette)
    return figure


def _draw_scores(axes: Axes, place: float, scores: Sequence[float], colour: str) -> None:
    """Points for single seeds, and a mark with a bar for their mean and standard deviation."""
    axes.scatter([place] * len(scores), scores, s=14, color=colour, alpha=0.45, linewidths=0)
    spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
    mean = statistics.fmean(scores)
    axes.errorbar(place, mean, spread, color=colour, marker="o", markersize=6, capsize=4, elinewidth=1.4)


def _curves(subject: Subject) -> Section:
    section = Section("together", "Curves over each other")
    grouped = groups(subject.chains)
    looks = looks_of(subject)
    best = sorted(grouped.values(), key=lambda chains: looks[chains[0].group])
    plots = []
    for task in dict.fromkeys(run.task for chain in subject.chains for run in chain.runs):
        drawn = [
            (chains[0].group, [run for chain in chains for run in chain.runs if run.task == task])
            for chains in best[:_MOST_CURVES]
        ]
        drawn = [(name, runs) for name, runs in drawn if runs]
        available = {
            name
            for _, runs in drawn
            for run in runs
            for name in [*signals(run), *(["dt", "dt_data"] if run.epochs else [])]
        }
        for signal in [name for name in _SIGNALS if name in available]:
            curves = [curve for name, runs in drawn if (curve := _mean_curve(name, runs, signal, looks[name]))]
            if curves:
                title = f"{_EXTRA_TITLES.get(signal) or title_of(signal)}, {task}"
                draw = partial(draw_curves, title, curves)
                plots.append(Plot(f"together-{task}-{signal}", draw, title))
    if not plots:
        text = "No run has logged an epoch yet; rhovideo status shows how they are doing."
        section.blocks.append(Text(text, "missing"))
        return section
    left_out = len(best) - _MOST_CURVES
    more = f" The best {_MOST_CURVES} of {len(best)} are drawn." if left_out > 0 else ""
    mean = (
        "Each line is the mean over its seeds." if any(len(chains) > 1 for chains in best) else "A line for each run."
    )
    section.blocks += [Text(mean + more, "note"), Plots(plots)]
    return section


def _mean_curve(name: str, runs: Sequence[RunRecord], signal: str, look: int) -> Curve | None:
    """The mean of a signal over the runs, at each epoch that has it."""
    values: dict[float, list[float]] = {}
    for run in runs:
        for epoch, value in zip(*series([*run.epochs, *run.evaluations], signal), strict=True):
            values.setdefault(epoch, []).append(value)
    epochs = sorted(values)
    return Curve(name, epochs, [statistics.fmean(values[epoch]) for epoch in epochs], look) if epochs else None
