"""Requests to stop: a signal handler only notes them, and the loops look at the note where nothing is lost.

A handler may run in the middle of a step, of a collective or of writing a checkpoint. So it must not do more. Imports
nothing but the standard library.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping

_reason: str | None = None


class Stopped(Exception):
    """The run was asked to stop, and has stopped; the message has the place, and that it can go on.

    While training, every process raises it at the same step, once the checkpoint of that step is written. In an
    evaluation a process raises it at its next batch, alone.

    Attributes:
        reason: the argument of :func:`request`, such as ``"SIGTERM"``.
    """

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(message or f"stopped: {reason}")
        self.reason = reason

    def __reduce__(self) -> tuple[type[Stopped], tuple[str, str]]:
        return type(self), (self.reason, str(self))


def request(reason: str) -> None:
    """Ask this process to stop when it can; may be called in a signal handler. Of several reasons the first stays."""
    global _reason
    if _reason is None:
        _reason = reason


def requested() -> str | None:
    """The reason why this process was asked to stop, or None."""
    return _reason


def reset() -> None:
    """Forget a request, before the next run of this process."""
    global _reason
    _reason = None


def leave_if_requested(where: str) -> None:
    """Raise :class:`Stopped` if this process was asked to stop.

    For places where no process waits for this one's steps, and where nothing is lost that is not in a checkpoint.

    Args:
        where: for the message: "stopped (SIGTERM) WHERE".
    """
    if _reason is not None:
        raise Stopped(_reason, f"stopped ({_reason}) {where}; the same command goes on from what is saved")


def listen(signals: Mapping[signal.Signals, str]) -> None:
    """Let each of these signals ask for a stop, with its reason, and do nothing else. In the main thread only."""

    def note(number: int, frame: object) -> None:
        request(signals[signal.Signals(number)])

    for number in signals:
        signal.signal(number, note)
