"""Log messages of each rank: set-up of the console and of OUTPUT_DIR/stdout.log.

A message with ``extra={"for_programs": True}`` never goes to the console. One with ``extra={"for_files": True}`` does
not go to a terminal, where people see the same in another form.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from rhovideo.runs.folder import LOG_FILE
from rhovideo.terminal import note_output, print_line, stage

# In the file PySlowFast's line, which its users' scripts read; on the console no line of code.
_FILE_FORMAT = "[%(asctime)s][%(levelname)s] %(filename)s: %(lineno)4d: %(message)s"
_CONSOLE_FORMAT = "[%(asctime)s] %(message)s"
_CONSOLE_WARNING = "[%(asctime)s] %(levelname)s: %(message)s"
_DATES = "%m/%d %H:%M:%S"
_PACKAGE = "rhovideo"

# Seconds between two lines of progress where there is no terminal.
_LINE_SECONDS = 9.0

T = TypeVar("T")


class _ConsoleHandler(logging.Handler):
    """Writes above a progress bar where one is shown, not into it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            tqdm.write(self.format(record), file=sys.stdout)
            note_output()
            sys.stdout.flush()
        except Exception:  # a log line must never end a training
            self.handleError(record)


class _ConsoleFormatter(logging.Formatter):
    """The time and the message; a warning or an error has its level in front."""

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix + _CONSOLE_FORMAT, _DATES)
        self._warning = logging.Formatter(prefix + _CONSOLE_WARNING, _DATES)

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record) if record.levelno <= logging.INFO else self._warning.format(record)


class _LogFile(logging.FileHandler):
    """``stdout.log``; where it cannot be written, as on a full disk, the first failure is reported in one line."""

    _failed = False

    def handleError(self, record: logging.LogRecord) -> None:
        if not self._failed:
            self._failed = True
            print(
                f"rhovideo: {self.baseFilename}: lines are missing, writing failed ({sys.exc_info()[1]})",
                file=sys.stderr,
            )


def set_up_logging(output_dir: str | Path, rank: int = 0) -> None:
    """Send the package's messages to the console and, on rank 0, to the end of ``output_dir/stdout.log``.

    Rank 0 writes everything from INFO on. The others write warnings and errors only, with their rank in front, and open
    no file. Another call, for the next job of this process, replaces what the last one set up.

    Args:
        output_dir: of the job; rank 0 makes the folder.
        rank: this process.
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
            with contextlib.suppress(OSError):  # a full disk, which was reported before
                handler.close()


def on_terminal() -> bool:
    """True on a terminal, where progress is a bar; elsewhere it is plain lines."""
    return sys.stderr is not None and sys.stderr.isatty()


def progress(iterable: Iterable[T], total: int, description: str, rank: int = 0) -> Iterator[T]:
    """Iterate with a progress bar on rank 0's terminal, with a line every few seconds where there is none.

    Args:
        iterable: what to iterate over.
        total: how many items it has.
        description: in front of the bar.
        rank: this process.
    """
    if rank == 0 and not on_terminal():
        return _in_lines(iterable, total, description)
    return iter(tqdm(iterable, total=total, desc=description, disable=rank != 0, leave=False))


def _in_lines(iterable: Iterable[T], total: int, description: str) -> Iterator[T]:
    """Iterate with a line on stderr every few seconds, where there is no terminal for a bar."""
    last = time.monotonic()
    stage(f"{description}: 0 of {total} batches")
    for number, item in enumerate(iterable, start=1):
        yield item
        now = time.monotonic()
        stage(f"{description}: {number} of {total} batches")
        if now - last >= _LINE_SECONDS and number < total:
            last = now
            print_line(f"{description}: {number} of {total} batches")
