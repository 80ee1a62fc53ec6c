"""Where log messages go: the console and OUTPUT_DIR/stdout.log, by rank.

Two marks keep a message from the console: ``extra={"for_files": True}`` where a person watches, who is told in another
way, and ``extra={"for_programs": True}`` everywhere.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from rhovideo.runs.folder import LOG_FILE

# PySlowFast's line, which its users' scripts read, in the file; who reads the console needs no line of code.
_FILE_FORMAT = "[%(asctime)s][%(levelname)s] %(filename)s: %(lineno)4d: %(message)s"
_CONSOLE_FORMAT = "[%(asctime)s] %(message)s"
_CONSOLE_WARNING = "[%(asctime)s] %(levelname)s: %(message)s"
_DATES = "%m/%d %H:%M:%S"
_PACKAGE = "rhovideo"


class _ConsoleHandler(logging.Handler):
    """Writes above a progress bar, if one is shown, not through it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            tqdm.write(self.format(record), file=sys.stdout)
            sys.stdout.flush()
        except Exception:  # a log line must never end a training
            self.handleError(record)


class _ConsoleFormatter(logging.Formatter):
    """The time and the message; what is no mere information says so."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix + _CONSOLE_FORMAT, _DATES)
        self._warning = logging.Formatter(prefix + _CONSOLE_WARNING, _DATES)

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record) if record.levelno <= logging.INFO else self._warning.format(record)


class _LogFile(logging.FileHandler):
    """``stdout.log``; where it cannot be written, as on a full disk, one line says so instead of a stack for each."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not getattr(self, "failed", False):
            self.failed = True
            print(
                f"rhovideo: {self.baseFilename}: lines are missing, writing failed ({sys.exc_info()[1]})",
                file=sys.stderr,
            )


def set_up_logging(output_dir: str | os.PathLike, rank: int = 0) -> None:
    """Send the package's messages to the console and, on rank 0, to ``output_dir/stdout.log`` (appended).

    Rank 0 says everything from INFO on, the others warnings and errors only, with their rank in front; they open
    no file. Calling again (the next job of this process) replaces what the last call set up.
    """
    logger = logging.getLogger(_PACKAGE)
    shut_down_logging()
    logger.setLevel(logging.INFO if rank == 0 else logging.WARNING)
    prefix = "" if rank == 0 else f"[rank {rank}]"
    # tqdm's own lock is one between processes, whose semaphore a process that fails would leave behind.
    tqdm.set_lock(threading.RLock())
    handlers: list[logging.Handler] = [_ConsoleHandler()]
    marks = ("for_programs", "for_files") if on_terminal() else ("for_programs",)
    handlers[0].addFilter(lambda record: not any(getattr(record, mark, False) for mark in marks))
    handlers[0].setFormatter(_ConsoleFormatter(prefix))
    if rank == 0:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        handlers.append(_LogFile(Path(output_dir) / LOG_FILE, encoding="utf-8"))
        handlers[1].setFormatter(logging.Formatter(_FILE_FORMAT, _DATES))
    for handler in handlers:
        handler.set_name(f"{_PACKAGE} run")
        logger.addHandler(handler)


def shut_down_logging() -> None:
    """Take away what :func:`set_up_logging` added."""
    logger = logging.getLogger(_PACKAGE)
    for handler in list(logger.handlers):
        if handler.get_name() == f"{_PACKAGE} run":
            logger.removeHandler(handler)
            with contextlib.suppress(OSError):  # a full disk, which has been told already
                handler.close()


def on_terminal() -> bool:
    """Whether a person watches: progress is drawn as a bar then, and as plain lines elsewhere."""
    return sys.stderr is not None and sys.stderr.isatty()


def progress(iterable: Iterable, total: int, description: str, rank: int = 0) -> Iterator:
    """``iterable`` with a progress bar on rank 0's terminal; elsewhere as it is."""
    return iter(tqdm(iterable, total=total, desc=description, disable=rank != 0 or not on_terminal(), leave=False))
