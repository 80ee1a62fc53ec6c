"""Label maps: the numbers and names of the classes of boxes. Without torch.

AVA's are text files of blocks, ``item { name: "stand" id: 12 }``; in some of them a block is ``label`` and the
number ``label_id``. One's own may also be a line ``12,stand`` for each class.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from rhovideo.data.lists.csv_parsing import ManifestError

_FIELD = re.compile(r"(name|id|label_id)\s*:\s*(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\S+)")
_ROW = re.compile(r"(\d+)\s*,\s*(\S.*)")
_LARGEST = 10**6


def read_label_map(path: str | os.PathLike[str]) -> dict[int, str]:
    """Read the classes of a label map.

    Args:
        path: of the file.

    Returns:
        Name by number, in the order of the numbers.

    Raises:
        ManifestError: it holds no class, one without a number or a name, or one number twice; the message names the
            line.
        FileNotFoundError: there is no such file.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or device"
        raise ManifestError(f"{path} is {what}: write the classes into a file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError(f"{path}: is not UTF-8 text ({error.reason}): give a label map") from error
    found = _blocks(path, text) if "{" in text else _lines(path, text)
    names: dict[int, str] = {}
    for line, number, name in found:
        if not 0 < number <= _LARGEST:
            raise ManifestError(f"{path}, line {line}: the number is {number}: write one from 1 to {_LARGEST}")
        if number in names:
            raise ManifestError(f"{path}, line {line}: the number {number} is there twice: write another one")
        names[number] = name
    if not names:
        raise ManifestError(f"{path}: names no class: write `item {{ name: ... id: ... }}` or `1,name` for each")
    return dict(sorted(names.items()))


def _blocks(path: Path, text: str) -> list[tuple[int, int, str]]:
    found = []
    for block in re.finditer(r"\{([^{}]*)\}", text):
        line = text.count("\n", 0, block.start()) + 1
        fields = {match[1].removeprefix("label_"): match[2].strip("\"'") for match in _FIELD.finditer(block[1])}
        if not fields.get("id", "")[:20].isdecimal() or "name" not in fields:
            raise ManifestError(f"{path}, line {line}: a class without number or name: write `name: ...` and `id: 12`")
        found.append((line, int(fields["id"]), fields["name"]))
    # A block that is cut off would be a class that nobody misses.
    rest = re.sub(r"\{[^{}]*\}", lambda block: "\n" * block[0].count("\n"), text)
    for sign in re.finditer(r"[{}]", rest):
        line = rest.count("\n", 0, sign.start()) + 1
        raise ManifestError(f"{path}, line {line}: a `{sign[0]}` without its other end: write `item {{ ... }}`")
    return found


def _lines(path: Path, text: str) -> list[tuple[int, int, str]]:
    found = []
    for line, row in enumerate(text.splitlines(), 1):
        if not row.strip():
            continue
        match = _ROW.fullmatch(row.strip())
        if match is None:
            raise ManifestError(
                f"{path}, line {line}: {row.strip()[:60]!r}: write a number and a name, as in `12,stand`"
            )
        found.append((line, int(match[1]), match[2].strip()))
    return found
