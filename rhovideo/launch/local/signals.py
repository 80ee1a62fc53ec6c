"""Ctrl-C and SIGTERM of a local run: the first lets it save and stop, the second ends it at once."""

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
# a slow disk or a CPU. A person need not wait so long, but can send a second signal; docker, systemd and schedulers
# send SIGKILL themselves after a while.
PATIENCE = 120.0
# Seconds after that until the process ends without the main thread, which may hang in a system call.
_LAST = 10.0
# A signal this soon after the first is the same one: `timeout` sends it to the group and to the process.
_SAME = 1.0

# The argument of a KeyboardInterrupt that has been reported already.
REPORTED = "reported"

# The handlers that Python starts with.
_UNTOUCHED = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
_NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}


@contextlib.contextmanager
def saving_on_signals(patience: float = PATIENCE) -> Iterator[None]:
    """Let SIGTERM and SIGINT ask the run inside to stop (:mod:`rhovideo.stopping`), then end as after such a signal.

    That is ``SystemExit(143)`` for SIGTERM and ``KeyboardInterrupt`` for SIGINT (with :data:`REPORTED` where a line has
    been printed already). It is raised once the run has stopped or ended, at the second signal, or after ``patience``
    seconds. A handler that the caller has set before stays, and then :class:`rhovideo.stopping.Stopped` reaches the
    caller.
    """
    in_main = threading.current_thread() is threading.main_thread()
    ours = [number for number, untouched in _UNTOUCHED.items() if in_main and signal.getsignal(number) is untouched]
    if not ours:
        yield
        return
    first: list[tuple[int, float]] = []
    reported = False
    alarm: queue.SimpleQueue[bool] = queue.SimpleQueue()  # its put() may be called in a handler that interrupts put()

    def note(number: int, frame: object) -> None:
        if not first:
            first.append((number, time.monotonic()))
            stopping.request(_NAMES[signal.Signals(number)])
            alarm.put(True)
            limit = f"{patience:g} s at most, then it ends unsaved"
            _say(
                f"{_NAMES[signal.Signals(number)]}: saving after this step or the next one ({limit}); "
                "a second one ends it at once"
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
        reported = True
    finally:
        alarm.put(False)
        for number, handler in before.items():
            signal.signal(number, handler)
        if first:
            stopping.reset()
    if first:
        _leave(first[0][0], reported)


def _leave(number: int, reported: bool = False) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt(*([REPORTED] if reported else []))
    if not reported:
        _say("ended by SIGTERM")
    sys.exit(128 + number)


def _watch(alarm: queue.SimpleQueue[bool], patience: float) -> None:
    """End the process if it does not stop in time once it was asked to; works while the main thread hangs."""
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
    _say(f"the run has not stopped within {patience:g} s and is ended unsaved. Earlier checkpoints stay")
    os.kill(os.getpid(), signal.SIGTERM)


def _exit() -> None:
    os._exit(128 + signal.SIGTERM)


def _say(text: str) -> None:
    # Not through a stream: the signal handler may have interrupted a write to it.
    if os.environ.get("RANK", "0") == "0":
        os.write(2, f"rhovideo: {text}\n".encode())
