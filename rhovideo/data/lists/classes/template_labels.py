"""Something-Something's labels: a JSON list of videos with their templates, and the templates' numbers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rhovideo.data.lists.csv_parsing import NO_LABEL, ManifestError

_VIDEO_EXAMPLE = '{"id": "78687", "template": "Holding [something] next to [something]"}'
_MOST_CLASSES = 10**6
_LABEL_EXAMPLE = '{"Holding something next to something": "16"}'


def read_labels(videos: str | os.PathLike[str], labels: str | os.PathLike[str]) -> dict[str, int]:
    """Read the label of every video, in the order of the file.

    Args:
        videos: ``something-something-v2-{train,validation}.json``: a list of objects with ``id`` and ``template``.
        labels: ``something-something-v2-labels.json``: numbers by template, without brackets.

    Returns:
        Labels by video id; -1 where the second file lacks the video's template.

    Raises:
        ManifestError: a file is not JSON, or an entry is wrong; the message names it.
        FileNotFoundError: there is no such file.
    """
    numbers = _numbers(Path(labels))
    found = {}
    for place, video in enumerate(_videos(Path(videos))):
        name, template = _name_and_template(Path(videos), place, video)
        found[name] = numbers.get(template.replace("[", "").replace("]", ""), NO_LABEL)
    if found and max(found.values()) == NO_LABEL:
        raise ManifestError(f"{labels} has none of the templates of {videos}: give files of one release")
    return found


def read_templates(labels: str | os.PathLike[str]) -> list[str]:
    """Read the templates of ``something-something-v2-labels.json`` by number; a number without one has an empty name.

    Raises:
        ManifestError: the file is not JSON, or an entry is wrong.
        FileNotFoundError: there is no such file.
    """
    numbers = _numbers(Path(labels))
    highest = max(numbers.values())
    if highest > _MOST_CLASSES:
        raise ManifestError(f"{labels}: has the number {highest}, which cannot be that of a class")
    names = [""] * (highest + 1)
    for template, number in numbers.items():
        names[number] = template
    return names


def _numbers(file: Path) -> dict[str, int]:
    table = _read(file)
    if not isinstance(table, dict) or not table:
        raise ManifestError(f"{file}: is not an object of templates and numbers, such as {_LABEL_EXAMPLE}")
    numbers = {}
    for template, number in table.items():
        try:
            # int() also takes 1.5 and true, and raises another error for infinity.
            numbers[template] = int(number if isinstance(number, str) or type(number) is int else "")
        except ValueError:
            numbers[template] = NO_LABEL
        if not 0 <= numbers[template] < 2**31:
            raise ManifestError(
                f"{file}: {template!r} has the number {number!r}; write a whole number, such as {_LABEL_EXAMPLE}"
            )
    return numbers


def _videos(file: Path) -> list[Any]:
    videos = _read(file)
    if not isinstance(videos, list) or not videos:
        raise ManifestError(f"{file}: is not a list of videos such as [{_VIDEO_EXAMPLE}]")
    return videos


def _name_and_template(file: Path, place: int, video: Any) -> tuple[str, str]:
    if not isinstance(video, dict) or not isinstance(video.get("template"), str) or video.get("id") in (None, ""):
        shown = json.dumps(video)
        shown = shown if len(shown) <= 120 else shown[:117] + "..."
        raise ManifestError(
            f"{file}: video {place} of the list is {shown}; write `id` and `template`: {_VIDEO_EXAMPLE}"
        )
    return str(video["id"]), video["template"]


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise
    except (ValueError, OSError, RecursionError) as error:
        raise ManifestError(f"{file}: cannot be read as JSON ({error}): download it again") from error
