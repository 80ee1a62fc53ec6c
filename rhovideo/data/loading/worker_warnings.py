"""Warnings of libraries in workers. Each is shown once, and not by every worker of every loader.

The fork server imports all modules that the main process has imported, and the workers all do the same work. So the
fork server is silent, and of one warning in several workers the first is shown: it makes a file in a folder that the
workers of this process share.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import multiprocessing.util
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import TextIO

_VARIABLE = "PYTHONWARNINGS"
# What the variable adds in front of Python's own filters.
_IGNORE_ALL = ("ignore", None, Warning, None, 0)


@contextlib.contextmanager
def silent_imports() -> Iterator[None]:
    """Let a Python process that starts inside print no warnings; a user's own choice of warnings stays."""
    if _VARIABLE in os.environ or sys.warnoptions:
        yield
        return
    os.environ[_VARIABLE] = "ignore"
    try:
        yield
    finally:
        del os.environ[_VARIABLE]


@functools.cache
def shared_folder() -> str:
    """The folder by which the workers of this process know what was shown; it is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="rhovideo-warnings-")
    multiprocessing.util.Finalize(None, shutil.rmtree, args=(folder, True), exitpriority=0)
    return folder


def show_once(folder: str) -> None:
    """Let this worker show a warning only where no other worker has shown it.

    Args:
        folder: :func:`shared_folder` of the main process; empty on other ranks than 0, whose workers show none.
    """
    if not folder:
        warnings.simplefilter("ignore")
        return
    with contextlib.suppress(ValueError):
        warnings.filters.remove(_IGNORE_ALL)  # type: ignore[attr-defined]
    show = warnings.showwarning

    def show_first(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        name = hashlib.sha256(f"{category.__name__} {filename}:{lineno} {message}".encode()).hexdigest()
        try:
            os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        except OSError:
            pass  # better twice than never
        show(message, category, filename, lineno, file, line)

    warnings.showwarning = show_first
