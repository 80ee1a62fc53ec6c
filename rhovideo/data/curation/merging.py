"""Several lists as one: one after the other, or as a mixture that training samples in stated proportions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path

from rhovideo.data.curation.source_list import ListFormat, SourceList, check_output, write_list
from rhovideo.data.lists.classes.class_names import as_table, other_names, read_class_names
from rhovideo.data.lists.mixtures import check_weights, mark_line, parse_weight
from rhovideo.errors import JobError

_PLAIN = ListFormat()


def merge_lists(
    lists: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    how: ListFormat = _PLAIN,
    *,
    weights: Sequence[str] = (),
    labels: bool = True,
    force: bool = False,
) -> str:
    """Write one list with the videos of several.

    Without weights, a video that is in several lists is taken once. With weights, each list becomes a part of a
    mixture: a training takes so many of its samples from it (:mod:`rhovideo.data.loading.mixing`).

    Args:
        lists: at least two.
        out: the new list.
        how: all lists are written.
        weights: one for each list, such as "3" and "0.5"; empty: no mixture.
        labels: False leaves them out.
        force: replace ``out`` if it exists.

    Returns:
        A line on the new list, and one on each part of a mixture.

    Raises:
        JobError: the lists do not go together, or ``out`` may not be written.
        ManifestError: a list cannot be used.
        FileNotFoundError: there is no such list.
    """
    if len(lists) < 2:
        raise JobError("one list was given: write two or more")
    numbers = _weights(weights, len(lists))
    sources = [SourceList(csv, how) for csv in lists]
    path = check_output(out, [source.csv for source in sources], force=force)
    if numbers and (mixed := [source.csv for source in sources if source.manifest.mixture]):
        raise JobError(
            f"{mixed[0]} is a mixture already: merge the lists that it was made of, with all weights at once"
        )
    names = _checked_names(sources) if labels else []
    taken, repeated = _distinct(sources, count_once=not numbers, labels=labels)
    titles = _titles([source.csv for source in sources])

    def lines() -> Iterator[bytes]:
        for place, (source, rows) in enumerate(zip(sources, taken, strict=True)):
            own = source.lines_for(path.parent, rows, head=place == 0, marks=False, labels=labels)
            if place == 0:
                yield from islice(own, how.skip_rows)
            if numbers:
                yield mark_line(titles[place], weights[place])
            yield from own

    write_list(path, lines(), names)
    told = [f"{path}: {sum(map(sum, taken)):,} videos of {len(sources)} lists"]
    if repeated:
        several = (
            "in several lists, and then counts in each"
            if numbers
            else "in several lists or twice in one, and once here"
        )
        told[0] += f"; {repeated:,} times a video is {several}"
    if any(source.manifest.mixture for source in sources):
        told.append("the weights of mixtures are left out")
    for title, number, rows in zip(titles, numbers, taken, strict=False):
        told.append(f"  {title}: {sum(rows):,} videos, {float(number / sum(numbers)):.2%} of the samples")
    return "\n".join(told)


def _weights(weights: Sequence[str], lists: int) -> list[Fraction]:
    """The weights as exact numbers.

    Raises:
        JobError: they are not one positive number a list.
    """
    if weights and len(weights) != lists:
        raise JobError(f"{len(weights)} weights for {lists} lists: write one for each list, in their order")
    try:
        numbers = [parse_weight(text) for text in weights]
        if numbers:
            check_weights(numbers)
        return numbers
    except ValueError as error:
        raise JobError(f"--weights: {error}") from error


def _checked_names(sources: Sequence[SourceList]) -> list[str]:
    """The names of the classes of all lists together.

    Raises:
        JobError: one list has labels and another not, or they number their classes in two ways.
    """
    labelled = [source for source in sources if source.manifest.has_labels]
    plain = [source for source in sources if not source.manifest.has_labels]
    if labelled and plain:
        raise JobError(
            f"{labelled[0].csv} has labels and {plain[0].csv} has none: write --no-labels to leave them out, which a "
            "pre-training does not need"
        )
    if not labelled:
        return []
    names: list[str] = []
    owner = labelled[0].csv
    for source in labelled:
        own = read_class_names(source.csv.parent)
        if different := other_names(names, own):
            raise JobError(
                f"{source.csv} and {owner} number their classes in two ways:\n{as_table(different, 'there', 'here')}\n"
                "    so labels do not mean the same: make the lists with the same classes (`rhovideo index FOLDER "
                "--classes classes.txt`), or write --no-labels"
            )
        names, owner = (own, source.csv) if len(own) > len(names) else (names, owner)
    return names


def _distinct(sources: Sequence[SourceList], *, count_once: bool, labels: bool) -> tuple[list[list[bool]], int]:
    """The rows of each list that are taken, and how often a video came again.

    Raises:
        JobError: a video has two labels.
    """
    known: dict[str, tuple[int, str]] = {}
    taken: list[list[bool]] = []
    repeated = 0
    for source in sources:
        rows = [True] * len(source)
        for row in range(len(source)):
            path = os.path.normpath(source.manifest.path(row))
            label, place = source.manifest.label(row), f"{source.csv}, line {source.manifest.line(row)}"
            if path not in known:
                known[path] = label, place
                continue
            repeated += 1
            rows[row] = not count_once
            if labels and known[path][0] != label:
                raise JobError(
                    f"{place}: {path} has the label {label}, and {known[path][0]} in {known[path][1]}: put one right, "
                    "or write --no-labels"
                )
        taken.append(rows)
    return taken, repeated


def _titles(files: Sequence[Path]) -> list[str]:
    """Short names of lists: their own, or with their folders where two would be called the same."""
    short = [file.stem for file in files]
    if len(set(short)) < len(short):
        short = [f"{file.parent.name}/{file.stem}" for file in files]
    return short if len(set(short)) == len(short) else [str(file) for file in files]
