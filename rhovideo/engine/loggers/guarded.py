"""A logger that cannot stop or delay a training.

Loggers talk to disks and servers that fail and hang. So each works in a thread: the training puts its numbers into a
queue and goes on. A call to a server that is away is made again until it answers. Any other error ends the logger, with
one warning. At the end the training waits a few seconds, and leaves the thread alone after that.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np

from rhovideo.engine.loggers.protocol import RunLogger, ServerAwayError
from rhovideo.errors import SettingError

logger = logging.getLogger(__name__)

# Seconds at the end of a training until a logger is left alone that has got nothing done in them, and in all.
CLOSE_SECONDS = 10.0
_MOST_CLOSE_SECONDS = 30.0
# Calls that may wait. At a line in ten steps these are days of a server that does not answer.
_MOST_WAITING = 10_000
# Seconds until a server that is away is asked again, and then twice as many each time up to the last.
_FIRST_PAUSE, _LAST_PAUSE = 2.0, 120.0

T = TypeVar("T")


class Guarded:
    """Makes, calls and closes a logger in a thread, and has its methods.

    Args:
        name: the logger's, for the warning.
        make: makes the logger. It may raise and take any time.
        close_seconds: that :meth:`close` waits for a logger that gets nothing done.
    """

    def __init__(self, name: str, make: Callable[[], RunLogger], close_seconds: float = CLOSE_SECONDS) -> None:
        self._name = name
        self._make = make
        self._close_seconds = close_seconds
        self._calls: queue.Queue[tuple[str, tuple[Any, ...]]] = queue.Queue(_MOST_WAITING)
        self._ended = threading.Event()
        self._closing = threading.Event()
        self._warned = self._away = False
        self._doing = "at its start"
        # Calls that have come back.
        self._done = 0
        # A daemon: Python does not wait for it when the process ends.
        self._thread = threading.Thread(target=self._work, name=f"logger {name}", daemon=True)
        self._thread.start()

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """As of :class:`RunLogger`; comes back at once."""
        self._put("numbers", dict(values), step)

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """As of :class:`RunLogger`; comes back at once."""
        self._put("picture", name, pixels, step)

    def embeddings(self, rows: np.ndarray, labels: np.ndarray, step: int) -> None:
        """As of :class:`RunLogger`; comes back at once."""
        self._put("embeddings", rows, labels, step)

    def close(self) -> None:
        """Let the logger finish; after ``close_seconds`` leave it alone."""
        self._put("close")
        self._closing.set()
        started = time.monotonic()
        until = started + _MOST_CLOSE_SECONDS
        done = -1
        while self._thread.is_alive() and self._done > done and (left := until - time.monotonic()) > 0:
            done = self._done
            self._thread.join(min(self._close_seconds, left))
        if self._thread.is_alive():
            seconds = time.monotonic() - started
            self._warn(f"did not finish within {seconds:.0f} s ({self._doing}): lines may be missing")

    def _put(self, method: str, *arguments: Any) -> None:
        if self._ended.is_set():
            return
        try:
            self._calls.put_nowait((method, arguments))
        except queue.Full:
            self._warn(f"does not keep up ({self._doing}): lines are missing")

    def _work(self) -> None:
        try:
            made = self._patiently(self._make)
            method = ""
            while method != "close":
                method, arguments = self._calls.get()
                self._doing = f"in {method}"
                if method == "numbers" or hasattr(made, method):
                    self._patiently(partial(getattr(made, method), *arguments))
                self._done += 1
        # Whatever a logger raises, SystemExit too, is no reason for a training to stop.
        except BaseException as error:
            self._warn(f"failed {self._doing}: {_in_words(error)}. It writes nothing more")
        finally:
            self._ended.set()

    def _patiently(self, call: Callable[[], T]) -> T:
        """Make a call, again and again while the server is away; once the training ends, one last time."""
        pause = _FIRST_PAUSE
        while True:
            last = self._closing.is_set()
            try:
                result = call()
            except ServerAwayError as error:
                if last:
                    raise
                if not self._away:
                    self._away = True
                    words = "The logger %s: its server does not answer (%s). It is asked again; the run goes on"
                    logger.warning(words, self._name, _in_words(error))
                self._closing.wait(pause)
                pause = min(2 * pause, _LAST_PAUSE)
            else:
                if self._away:
                    self._away = False
                    logger.info("The logger %s: its server answers again", self._name)
                return result

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("The logger %s %s; the run goes on", self._name, what)


def _in_words(error: BaseException) -> str:
    """The first line of an error's message; that of another package has its type in front."""
    lines = str(error).strip().splitlines() or ["no message"]
    kind = "" if isinstance(error, (SettingError, ServerAwayError)) else f"{type(error).__name__}: "
    return kind + lines[0].rstrip(".")
