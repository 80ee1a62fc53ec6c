"""Writing a file as a whole or not at all, and adding lines to one. Without torch."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rhovideo.errors import WriteError


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Name ``path`` and what to do in the error of a block that writes to it.

    Raises:
        WriteError: in the place of an OSError of this file or of its folder.
    """
    path = Path(path)
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        # An error of a write names no file. The block may also read another file, whose error is left as it is.
        name = error.filename
        ours = name is None or Path(os.fsdecode(name)) in (path, *path.parents)
        if ours or str(name).startswith(str(path.with_name(f".{path.name}."))):
            raise WriteError(path, error) from error
        raise


def try_to_write(path: str | Path) -> None:
    """Add to a file that a library could not write to, to find out why: it may hide the system's error.

    Args:
        path: a file that is thrown away.

    Raises:
        OSError: it cannot be written to now either.
    """
    with open(path, "ab") as file:
        file.write(bytes(2**20))
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write bytes to, which replaces ``path`` at the end of the block, if no error was raised in it.

    Until then it is ``.NAME.RANDOM.tmp`` next to ``path``. It is synced to the disk before it is renamed. So after a
    crash, or on a full disk, ``path`` holds what it held before. The folder must exist.

    Raises:
        WriteError: the disk is full, the folder is read-only, or the like.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with writing(path):
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
    """Add a line (or several) in one write, on a new line if the file's last one was cut off, as on a full disk.

    Raises:
        WriteError: the disk is full, the folder is read-only, or the like.
    """
    with writing(path), open(path, "ab+") as file:
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
