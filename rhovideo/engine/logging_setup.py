"""Where log messages go: the console and OUTPUT_DIR/stdout.log, by rank."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from rhovideo.run_folder import LOG_FILE

# PySlowFast's line, which its users' scripts read.
_FORMAT = "[%(asctime)s][%(levelname)s] %(filename)s: %(lineno)4d: %(message)s"
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
    handlers: list[logging.Handler] = [_ConsoleHandler()]
    if on_terminal():
        handlers[0].addFilter(lambda record: not getattr(record, "for_files", False))
    if rank == 0:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        handlers.append(_LogFile(Path(output_dir) / LOG_FILE, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter(prefix + _FORMAT, _DATES))
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
