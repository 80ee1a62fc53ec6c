"""Files that are given as a list of videos and are something else, or are written in another way.

Without these checks, many of them would be read as paths that are not there. Each mistake has a sentence of its own,
which says what the file is and what to write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from rhovideo.config.list_names import MIXTURE_MARK

VIDEO_ENDINGS = (
    *(".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".m2ts", ".mts"),
    *(".3gp", ".ogv", ".vob", ".asf"),
)
SEPARATOR_KEY = "DATA.PATH_LABEL_SEPARATOR"
_SKIP_KEY = "DATA.SKIP_ROWS"
PREFIX_KEY = "DATA.PATH_PREFIX"

# The first word of PySlowFast's lists of frames.
_FRAMES = "original_vido_id"
_LOOKED_AT = 5
_LOOKED_AT_BYTES = 2**16
_JSON = re.compile(r"""\{\s*($|["'}])|\[\s*($|[\[{"'\]])""")
_MARKUP = re.compile(r"<[?!/a-zA-Z]")
# A video of YouTube, and the seconds where a clip starts and ends.
_KINETICS_ROW = re.compile(r"(^|,)[\w-]{11},\d+(\.\d+)?,\d+(\.\d+)?(,|$)")
# A film, a second, and the corners of a box.
_AVA_ROW = re.compile(r"[\w-]+,\d{3,4}(\.\d+)?(,[01]?\.\d+){4},\d+")
_ANNOTATIONS = "the file is an annotation list of {}, not a list of video files: `rhovideo index FOLDER {}` makes one"
_PATH_WORDS = {
    *("path", "paths", "video", "videos", "video_path", "videopath", "video_name", "file", "files", "filename"),
    *("file_name", "filepath", "file_path", "clip", "clips", "name", "id", "video_id", "vid"),
}
_HEADER_WORDS = {
    *_PATH_WORDS,
    *("label", "labels", "class", "classes", "class_id", "classid", "class_name", "label_id", "target", "targets"),
    *("category", "action", "split", "index"),
}
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")
_QUOTED = re.compile(r"""("(?P<double>([^"]|"")*)"|'(?P<single>[^']*)')(?P<rest>\s*([,;|\t ]\s*\S*)?)""")
_NUMBER = r"-?\d+(?:\.\d+)?"
# A number after another separator; after a space only if a file's ending is before it.
_NUMBERED = re.compile(rf".*?([,;|\t])\s*{_NUMBER}$")
_ENDED_AND_NUMBERED = re.compile(rf".*\.\w{{2,4}}\s*([,;|\t ])\s*{_NUMBER}$")
_ENDING = "|".join(re.escape(ending) for ending in VIDEO_ENDINGS)
_MORE_COLUMNS = re.compile(rf".*?(?:{_ENDING})\s*([,;|\t ])\s*([^/]+)$", re.IGNORECASE)
_SEVERAL = re.compile(r"\d+(,\d+)+")
_LABEL_FIRST = re.compile(rf"\d+\s*[,;|\t].*(?:{_ENDING})$", re.IGNORECASE)


class Line(NamedTuple):
    """A line of a file, from 1, and its text without blanks around it."""

    number: int
    text: str


class Mistake(NamedTuple):
    """What is wrong with a list.

    Attributes:
        line: where it is, from 1.
        message: what the file is, and what to write.
        keys: of the configuration, if one has to be put right.
    """

    line: int
    message: str
    keys: tuple[str, ...] = ()


def find_mistake(csv: Path, separator: str, skip_rows: int) -> Mistake | None:
    """Look at the first rows of a list with one label a video, or none.

    Args:
        csv: the file.
        separator: between path and label (DATA.PATH_LABEL_SEPARATOR).
        skip_rows: lines to leave out at the top (DATA.SKIP_ROWS).

    Returns:
        The first mistake; None if there is none.
    """
    lines = first_lines(csv, skip_rows)
    return find_other_kind(lines, separator) or (_find_columns(lines, separator) if lines else None)


def first_lines(csv: Path, skip_rows: int) -> list[Line]:
    """The first rows of a text file, blank lines and the marks of a mixture left out; none if it is no UTF-8 text."""
    with csv.open("rb") as file:
        start = file.read(_LOOKED_AT_BYTES)
    if b"\0" in start:
        return []
    texts = start.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").split("\n")
    mark = MIXTURE_MARK.decode()
    rows = (Line(number, text.strip()) for number, text in enumerate(texts, 1) if number > skip_rows)
    return list(islice((row for row in rows if row.text and not row.text.startswith(mark)), _LOOKED_AT))


def find_other_kind(lines: Sequence[Line], separator: str) -> Mistake | None:
    """Find out if a file is no list of videos at all, or begins with a header.

    Args:
        lines: the first rows.
        separator: between path and labels.
    """
    if not lines:
        return None
    return (
        _find_markup(lines) or _find_json(lines) or _find_annotations(lines) or _find_header(lines, separator.strip())
    )


def _find_markup(lines: Sequence[Line]) -> Mistake | None:
    if not _MARKUP.match(lines[0].text):
        return None
    wrong = "the file is an HTML or XML page, maybe of a download that failed: give a text file with `path label` lines"
    return Mistake(lines[0].number, wrong)


def _find_json(lines: Sequence[Line]) -> Mistake | None:
    if not _JSON.match(lines[0].text):
        return None
    wrong = (
        "the file is JSON: give a text file with `path label` on each line; `rhovideo index FOLDER` writes one, also "
        "from the JSON annotations of Something-Something V2 (--ssv2 LABELS) and Diving48 (--diving48 FOLDER)"
    )
    return Mistake(lines[0].number, wrong)


def _find_annotations(lines: Sequence[Line]) -> Mistake | None:
    columns = set(_columns(lines[0].text))
    for name, flag, found in (
        ("Kinetics", "--kinetics CSV", "youtube_id" in columns or columns >= {"time_start", "time_end"}),
        ("Charades", "--charades FOLDER", columns >= {"subject", "scene", "actions"}),
        ("AVA", "--ava FOLDER", _AVA_ROW.match(lines[0].text)),
        ("Kinetics", "--kinetics CSV", _KINETICS_ROW.search(lines[0].text)),
    ):
        if found:
            return Mistake(lines[0].number, _ANNOTATIONS.format(name, flag))
    return None


def _columns(text: str) -> list[str]:
    """The fields of a header, plain: in small letters, without quotes."""
    text = text.lstrip("# ")
    parts = re.split(r"[,;|\t]" if re.search(r"[,;|\t]", text) else r"\s+", text)
    return [re.sub(r"[\s-]+", "_", part.strip(" \"'").lower()) for part in parts]


def _find_header(lines: Sequence[Line], separator: str) -> Mistake | None:
    number, text = lines[0]
    if text.startswith(_FRAMES):
        return None  # the reader of the list knows which key to write
    columns = _columns(text)
    known = [name for name in columns if name in _HEADER_WORDS]
    alone = len(columns) == 1 and len(lines) > 1 and bool(re.search(r"[./]", lines[1].text))
    if re.search(r"[\d./\\]", text) or not _PATH_WORDS.intersection(known) or not (len(known) > 1 or alone):
        return None
    shown = show(text)
    if len(columns) > 2:
        wrong = f"{shown} is a header of {len(columns)} columns: write a list of two, path and label, without a header"
        return Mistake(number, wrong)
    wrong = f"{shown} is a header, not a video: write {_SKIP_KEY} {number}"
    found = re.search(r"[,;|\t]", text)
    if found is None or found[0].strip() == separator:
        return Mistake(number, wrong, (_SKIP_KEY,))
    return Mistake(number, f"{wrong} and {SEPARATOR_KEY} {found[0]!r}", (_SKIP_KEY, SEPARATOR_KEY))


def of_windows(path: str) -> str:
    """What is wrong with a path that has a drive or a server of Windows; empty if it has none."""
    if not _WINDOWS.match(path):
        return ""
    return (
        f"{show(path)} is a path of Windows: write the part below the folder of the videos, with / instead of \\, and "
        f"that folder as it is called here in {PREFIX_KEY}"
    )


def of_quotes(text: str, separator: str) -> str:
    """What is wrong with a row whose path is in quotes; empty if it is not.

    Args:
        text: the row.
        separator: between path and label.
    """
    found = _QUOTED.fullmatch(text)
    if found is None:
        return ""
    path = found["single"] if found["double"] is None else found["double"].replace('""', '"')
    wrong = (
        f"{show(text)} has its path in quotes, which would be a part of the name: write {show(path + found['rest'])}"
    )
    other = found["rest"].strip()[:1]
    differs = other in tuple(",;|") and other != separator.strip()
    return wrong + (f", and {SEPARATOR_KEY} {other!r}" if differs else "")


def _find_columns(lines: Sequence[Line], separator: str) -> Mistake | None:
    """Find another separator, or more columns than path and label, in the first row."""
    number, text = lines[0]
    if _QUOTED.fullmatch(text) or not separator or _WINDOWS.match(text) or "\r" in text:
        return None  # found by the parser
    path, found, label = text.rpartition(separator)
    if found and _SEVERAL.fullmatch(label):
        return None
    if found and re.fullmatch(r"-?\d+", label.strip()):
        sign = re.search(rf"(?:{_ENDING})\s*([,;|])$", path.rstrip(), re.IGNORECASE)
        if sign and not separator.strip():
            return _other_separator(number, text, sign[1], separator)
        more = _MORE_COLUMNS.match(path.strip())
        return _more_columns(number, text, separator) if more and more[1].strip() == separator.strip() else None
    if all(_LABEL_FIRST.match(line.text) for line in lines):
        return Mistake(number, f"{show(text)} has its label before the path: write the path first, then the label")
    match = _ENDED_AND_NUMBERED.match(text) or _separator_of_all(lines)
    if match is None or match[1] in (separator, separator.strip()):
        return None
    if match[1] != " " and text.count(match[1]) > 1:
        return _more_columns(number, text, match[1])
    return _other_separator(number, text, match[1], separator)


def _separator_of_all(lines: Sequence[Line]) -> re.Match[str] | None:
    """The match of the first row, if all rows end with a number after the same separator."""
    matches = [_NUMBERED.match(line.text) for line in lines]
    found = {match[1] if match else "" for match in matches}
    return matches[0] if len(found) == 1 else None


def _other_separator(number: int, text: str, found: str, separator: str) -> Mistake:
    wrong = f"no {separator!r} between path and label in {show(text)}: set {SEPARATOR_KEY} to {found!r}"
    return Mistake(number, wrong, (SEPARATOR_KEY,))


def _more_columns(number: int, text: str, separator: str) -> Mistake:
    columns = text.split() if separator == " " else text.split(separator)
    sign = separator.encode("unicode_escape").decode()
    both = "" if separator == " " else f"-F '{sign}' -v OFS='{sign}' "
    wrong = (
        f"{show(text)} has {len(columns)} columns: write two, path and label, such as with "
        f"`awk {both}'{{print $1, $NF}}' OLD.csv > NEW.csv` where these are the first and the last"
    )
    return Mistake(number, wrong)


def label_mistake(text: str, separator: str) -> tuple[str, tuple[str, ...]]:
    """What is wrong with a row whose last field is no label.

    Args:
        text: the row.
        separator: between path and label.

    Returns:
        What is wrong and what to write, and the keys to put right.
    """
    label = text.rpartition(separator)[2].strip()
    shown, several = show(text), "DATA.MULTI_LABEL"
    if text.startswith(_FRAMES):
        return "the file lists frames, not videos: write TRAIN.DATASET ssv2, or charades, to read it", (
            "TRAIN.DATASET",
        )
    if text.endswith(('"', "'")):
        return f"{shown} has labels in quotes: write {several} True for several labels a video", (several,)
    if _SEVERAL.fullmatch(label):
        return f'{shown} has several labels: put them in quotes, as "{label}", and write {several} True', (several,)
    if what := next((what for is_so, what in _label_kinds(text, label, separator) if is_so), ""):
        return f"{shown}: {what}", ()
    wrong = (
        f"{shown} does not end with a label: write a whole number from 0 to 2147483647 after the last {separator!r}, "
        f"or set {SEPARATOR_KEY} to the text between path and label"
    )
    return wrong, (SEPARATOR_KEY,)


def _label_kinds(text: str, label: str, separator: str) -> Iterator[tuple[object, str]]:
    """Whether a label is of a kind, and what to write then."""
    missing = "give every line a label, or none"
    yield not label, f"the label after the last {separator!r} is missing: {missing}"
    yield label.lower() in ("nan", "none", "null", "na", "n/a"), f"{label!r} means that the label is missing: {missing}"
    whole = f"the label {label} is not written as a whole number: write {label.partition('.')[0]}"
    yield re.fullmatch(r"\d+\.0*", label), whole
    yield (
        re.fullmatch(r"-?\d*\.\d+", label),
        f"the label {label} is no whole number: write the number of a class, from 0",
    )
    yield re.fullmatch(r"-[\d.]+", label), f"the label {label} is negative: write the number of a class, from 0"
    yield label.isascii() and label.isdigit(), f"the label {label} is too large: write one from 0 to 2147483647"
    after = _MORE_COLUMNS.match(text)
    if after:
        named = after[2][0].isalpha()
        numbered = "`rhovideo index FOLDER` numbers the classes by their folders"
        yield (
            named,
            f"{after[2]!r} is not the number of a class: write this whole number, from 0 ({numbered}), or set "
            f"{SEPARATOR_KEY} to the text between path and label",
        )
        yield True, "there is more than a label after the path: write two columns, path and label"


def show(text: str) -> str:
    """The text in quotes, cut if it is long."""
    return repr(text if len(text) <= 120 else text[:117] + "...")
