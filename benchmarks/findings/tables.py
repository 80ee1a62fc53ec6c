"""The tables of docs/findings.md, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.findings.cells import EQUALS, METHODS
from benchmarks.findings.rows import Rows
from benchmarks.findings.spreads import Panel, kinds_shown, others, panel

_NOT_MEASURED = "not measured"


def tables(rows: Rows, recipe: str, videos: int) -> str:
    """The tables of all sets, with equal epochs and with equal compute.

    Args:
        rows: all of them.
        recipe: name of the recipes, with ``{method}``; rows of others are left out, and named at the end.
        videos: training videos of a set.
    """
    lines = [f"Recipes {recipe}, {videos} training videos a set. Mean ± standard deviation over seeds, in percent."]
    for kind in kinds_shown(rows, recipe, videos):
        lines += ["", f"## {kind.capitalize()}"]
        for equal in EQUALS:
            lines += ["", *_of_panel(panel(rows, recipe, videos, kind, equal))]
    lines += ["", _versions(rows, recipe, videos)]
    for other, size in others(rows, recipe, videos):
        lines += ["", f"The file also has rows of other runs: write --recipe '{other}' --videos {size} to see them."]
    return "\n".join(lines) + "\n"


def _of_panel(found: Panel) -> Iterator[str]:
    title = f"Equal {found.equal}{_epochs(found)}"
    if not found.rows:
        yield f"{title}: {_NOT_MEASURED}."
        return
    yield f"{title}:"
    yield ""
    yield "| method | ρ | linear top-1 % | gain over the random encoder | seeds |"
    yield "|---|---|---|---|---|"
    for method in found.methods:
        for rho in found.rhos:
            linear, gain = found.linear(method, rho), found.gain(method, rho)
            numbers = (linear.text(), gain.text(sign=True)) if linear and gain else (_NOT_MEASURED,) * 2
            yield f"| {METHODS[method]} | {rho} | {' | '.join(numbers)} | {linear.count if linear else 0} |"
    yield ""
    yield from _baselines(found)
    yield ""
    yield "| method | ρ = 2 minus ρ = 1, same seed | seeds |"
    yield "|---|---|---|"
    for method in found.methods:
        paired = found.difference(method)
        text = paired.text(sign=True) if paired else _NOT_MEASURED
        yield f"| {METHODS[method]} | {text} | {paired.count if paired else 0} |"
    for method, rho in found.mixed():
        yield ""
        yield (
            f"**{METHODS[method]}, ρ = {rho}: the seeds are of different recipes or videos.** Run the study again, and "
            "it replaces the old rows."
        )


def _epochs(found: Panel) -> str:
    """How long the trainings were: the sets' trainings are not equally long."""
    if found.equal != "epochs" or not found.rows:
        return ""
    return f" ({' or '.join(map(str, sorted({row['epochs'] for row in found.rows})))})"


def _baselines(found: Panel) -> Iterator[str]:
    random = found.random()
    yield "| baseline | top-1 % | seeds |"
    yield "|---|---|---|"
    if random:
        yield f"| random encoder, linear classifier | {random.text()} | {random.count} |"
    for name, words in (("colour_histogram_top1", "colour histogram"), ("frame_average_top1", "frame average")):
        yield f"| {words}, logistic regression | {found.of_set(name):.1f} | |"
    yield f"| chance | {100 / (found.of_set('classes') or 1):.1f} | |"


def _versions(rows: Rows, recipe: str, videos: int) -> str:
    """What the rows were measured with, and when."""
    chosen = [row for cell, row in rows.items() if (cell.recipe, cell.videos) == (recipe, videos)]
    if not chosen:
        return "No cell of these recipes has a row."
    dates = sorted(row["date"] for row in chosen)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    versions = [f"{name} {', '.join(sorted({row[name] for row in chosen}))}" for name in ("rhovideo", "torch")]
    # A copied row is of the same run.
    seconds = {(row["fingerprint"], row["seed"]): row["seconds"] for row in chosen}
    runs, hours = len(seconds), sum(seconds.values()) / 3600
    return f"Measured {when} with {' and '.join(versions)}: {len(chosen)} cells by {runs} runs, {hours:.1f} hours."
