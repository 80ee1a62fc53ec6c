"""Reading files from their end, since logs grow large and their last lines are wanted. Without torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 1 << 16


def lines_backwards(path: str | Path, limit: int | None = None) -> Iterator[bytes]:
    """The lines of a file, the last one first, without their line ends.

    Args:
        path: the file.
        limit: bytes to read at most; the line that the limit cuts is left out. None: no limit.
    """
    with Path(path).open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        stop = 0 if limit is None else max(0, position - limit)
        rest: list[bytes] = []
        # The file's last line end ends a line and begins none.
        at_end = True
        while position > stop:
            start = max(stop, position - _BLOCK)
            file.seek(start)
            block = file.read(position - start)
            position = start
            if at_end:
                block = block.removesuffix(b"\n")
                at_end = False
            first, *others = block.split(b"\n")
            if others:
                yield others.pop() + b"".join(reversed(rest))
                yield from reversed(others)
                rest = []
            rest.append(first)
        if stop == 0 and not at_end:
            yield b"".join(reversed(rest))
