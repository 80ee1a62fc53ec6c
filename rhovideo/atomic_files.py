"""Writing a file as a whole or not at all, and adding lines to one. Imports nothing but the standard library."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write bytes to, which replaces ``path`` at the end of the block, if no error was raised in it.

    Until then it is ``.NAME.RANDOM.tmp`` next to ``path``. It is synced to the disk before it is renamed. So after a
    crash, or on a full disk, ``path`` holds what it held before. The folder must exist.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path``, as a whole or not at all; the folder must exist."""
    with written_whole(path) as file:
        file.write(text.encode())


def append_line(path: str | Path, text: str) -> None:
    """Add a line (or several) in one write, on a new line if the file's last one was cut off, as on a full disk."""
    with open(path, "ab+") as file:
        empty = file.seek(0, os.SEEK_END) == 0
        if not empty:
            file.seek(-1, os.SEEK_END)
        cut_off = not empty and file.read(1) != b"\n"
        file.write(("\n" if cut_off else "").encode() + text.rstrip("\n").encode() + b"\n")


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, if the file system can sync folders."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
