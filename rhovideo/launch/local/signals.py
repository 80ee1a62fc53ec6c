"""Ctrl-C and SIGTERM of a local run: the first one lets it save and stop, the second one ends it at once."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

from rhovideo import stopping

# Seconds from the first signal until the run is ended whatever it does. A step and its checkpoint may take a minute on
# a slow disk or a CPU, and nobody need wait for this: a second signal is at hand, and what sends signals by itself
# (docker, systemd, a scheduler) follows them up with SIGKILL after a time of its own.
PATIENCE = 120.0
# And until that is done without the main thread's help, which may hang in a system call.
_LAST = 10.0
# A signal this soon after the first is the same one once more: to the group and to the process, as `timeout` sends it.
_SAME = 1.0

# The argument of a KeyboardInterrupt of which nothing more need be said.
REPORTED = "reported"

# What stands before us, if nobody has put a handler there.
_UNTOUCHED = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
_NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}


@contextlib.contextmanager
def saving_on_signals(patience: float = PATIENCE) -> Iterator[None]:
    """Let SIGTERM and SIGINT ask the run inside to stop (:mod:`rhovideo.stopping`), and leave in their way afterwards.

    That is ``SystemExit(143)`` for SIGTERM and ``KeyboardInterrupt`` for SIGINT (with :data:`REPORTED` where a line has
    already said how the run stopped), raised once the run has stopped or ended, at the second signal, or after
    ``patience`` seconds. A handler that somebody else has set (a scheduler's) stays, and then
    :class:`rhovideo.stopping.Stopped` reaches the caller.
    """
    in_main = threading.current_thread() is threading.main_thread()
    ours = [number for number, untouched in _UNTOUCHED.items() if in_main and signal.getsignal(number) is untouched]
    if not ours:
        yield
        return
    first: list[tuple[int, float]] = []
    told = False
    alarm: queue.SimpleQueue[bool] = queue.SimpleQueue()  # its put() may be interrupted by itself

    def note(number: int, frame: object) -> None:
        if not first:
            first.append((number, time.monotonic()))
            stopping.request(_NAMES[signal.Signals(number)])
            alarm.put(True)
            limit = f"{patience:g} s at most, then it is ended unsaved"
            _say(
                f"{_NAMES[signal.Signals(number)]}: saving, which may take a step's time ({limit}); "
                "once more ends it at once"
            )
        elif time.monotonic() - first[0][1] > _SAME:
            _leave(number)

    before = {number: signal.signal(number, note) for number in ours}
    threading.Thread(target=_watch, args=(alarm, patience), name="patience", daemon=True).start()
    try:
        yield
    except stopping.Stopped as stopped:
        if not first:
            raise
        _say(str(stopped))
        told = True
    finally:
        alarm.put(False)
        for number, handler in before.items():
            signal.signal(number, handler)
        if first:
            stopping.reset()
    if first:
        _leave(first[0][0], told)


def _leave(number: int, told: bool = False) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt(*([REPORTED] if told else []))
    if not told:
        _say("ended by SIGTERM")
    sys.exit(128 + number)


def _watch(alarm: queue.SimpleQueue[bool], patience: float) -> None:
    """Once asked to stop, end the process if it does not end in time. Works beside a main thread that hangs."""
    if not alarm.get():
        return
    for seconds, end in ((patience, partial(_terminate, patience)), (_LAST, _exit)):
        try:
            alarm.get(timeout=seconds)
        except queue.Empty:
            end()
        else:
            return


def _terminate(patience: float) -> None:
    _say(f"it does not stop: {patience:g} s have passed, ending it unsaved. Checkpoints written before stay")
    os.kill(os.getpid(), signal.SIGTERM)


def _exit() -> None:
    os._exit(128 + signal.SIGTERM)


def _say(text: str) -> None:
    # Not through a stream: a handler may have interrupted somebody who writes to it.
    if os.environ.get("RANK", "0") == "0":
        os.write(2, f"rhovideo: {text}\n".encode())
