"""Ctrl-C and SIGTERM of a local run: the first lets it save and stop, the second ends it at once.

Python calls a signal's handler in the main thread, and only between two lines of Python. A step of a large network on a
CPU is minutes in one call of torch. So a thread hears the signals too, answers them, and ends the process where the
main thread does not.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

from rhovideo import stopping
from rhovideo.launch.failures import leave_at_once

# Seconds from the first signal until the run is ended whatever it does. A step and its checkpoint may take a minute on
# a slow disk or a CPU. A person need not wait so long, but can send a second signal; docker, systemd and schedulers
# send SIGKILL themselves after a while.
PATIENCE = 120.0
# Seconds after that, and after a second signal, until the process ends without the main thread, which may hang in a
# system call or be in the middle of a long step.
_LAST = 10.0
_AT_ONCE = 3.0
# A signal this soon after the first is the same one: `timeout` sends it to the group and to the process.
_SAME = 1.0

# The argument of a KeyboardInterrupt that has been reported already.
REPORTED = "reported"

# The handlers that Python starts with.
_UNTOUCHED = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
_NAMES = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}
# Stands in the pipe for the end of the run; no signal has this number.
_ENDED = 0


@contextlib.contextmanager
def saving_on_signals(patience: float = PATIENCE) -> Iterator[None]:
    """Let SIGTERM and SIGINT ask the run inside to stop (:mod:`rhovideo.stopping`), then end as after such a signal.

    That is ``SystemExit(143)`` for SIGTERM and ``KeyboardInterrupt`` for SIGINT (with :data:`REPORTED` where a line has
    been printed already). It is raised once the run has stopped or ended, at the second signal, or after ``patience``
    seconds; where the main thread does not come back to Python, the process ends some seconds later. A handler that the
    caller has set before stays, and then :class:`rhovideo.stopping.Stopped` reaches the caller.
    """
    in_main = threading.current_thread() is threading.main_thread()
    ours = [number for number, untouched in _UNTOUCHED.items() if in_main and signal.getsignal(number) is untouched]
    if not ours:
        yield
        return
    ear = _Ear(ours, patience)
    reported = False
    try:
        yield
    except stopping.Stopped as stopped:
        ear.close()
        if ear.first is None:
            raise
        _say(str(stopped))
        reported = True
    finally:
        ear.close()
        if ear.first is not None:
            stopping.reset()
    if ear.first is not None:
        _leave(ear.first, reported)


class _Ear:
    """Hears signals in a thread of this process, and answers them.

    Args:
        numbers: the signals.
        patience: seconds from the first one until the process is ended.

    Attributes:
        first: the signal that came first; None before it.
    """

    def __init__(self, numbers: list[signal.Signals], patience: float) -> None:
        self.first: int | None = None
        self._patience = patience
        self._numbers = frozenset(map(int, numbers))
        self._main = threading.get_ident()
        # The signal by which the main thread is to leave, and whether it does so.
        self._last: int | None = None
        self._leaves = False
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before = {number: signal.signal(number, self._in_main) for number in numbers}
        # Python's C code writes each signal's number there, whatever the main thread does.
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._thread: threading.Thread | None = threading.Thread(target=self._listen, name="signals", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear no more signals; those that came before are answered."""
        if self._thread is None:
            return
        thread, self._thread = self._thread, None
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.write(self._writer, bytes([_ENDED]))
        thread.join()
        os.close(self._writer)
        os.close(self._reader)

    def _in_main(self, number: int, frame: FrameType | None) -> None:
        """The handler: runs in the main thread, where it is in Python."""
        self._ask(number)
        if self._last is not None and not self._leaves:
            self._leaves = True
            _leave(self._last, reported=True)

    def _ask(self, number: int) -> None:
        if self.first is None:
            self.first = number
            stopping.request(_NAMES[signal.Signals(number)])

    def _listen(self) -> None:
        first = self._heard(None)
        if first == _ENDED or first is None:
            return
        self._ask(first)
        name = _NAMES[signal.Signals(first)]
        limit = f"{self._patience:g} s at most, then it ends unsaved"
        _say(f"{name}: saving after this step or the next one ({limit}); a second one ends it at once")
        asked = time.monotonic()
        number = self._heard(self._patience)
        while number is not None and time.monotonic() - asked < _SAME:
            if number == _ENDED:
                return
            number = self._heard(asked + self._patience - time.monotonic())
        if number == _ENDED:
            return
        if number is None:
            _say(f"the run has not stopped within {self._patience:g} s and is ended unsaved. Earlier checkpoints stay")
            self._end(signal.SIGTERM, _LAST)
        else:
            _say(f"a second {_NAMES[signal.Signals(number)]}: ended at once, unsaved. Earlier checkpoints stay")
            self._end(number, _AT_ONCE)

    def _end(self, number: int, seconds: float) -> None:
        """Let the main thread leave; after some seconds end the process without it."""
        self._last = number
        signal.pthread_kill(self._main, number)
        until = time.monotonic() + seconds
        while (heard := self._heard(until - time.monotonic())) is not None:
            if heard == _ENDED:
                return
        leave_at_once(128 + number)

    def _heard(self, seconds: float | None) -> int | None:
        """The next of the signals, or _ENDED; None if there is none within these seconds."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            if not select.select([self._reader], [], [], left)[0]:
                return None
            number = os.read(self._reader, 1)[0]
            # Other signals that have a handler are written there too.
            if number == _ENDED or number in self._numbers:
                return number


def _forget_pipe() -> None:
    """In a forked child: its signals are not those of this process."""
    with contextlib.suppress(ValueError):
        signal.set_wakeup_fd(-1)


os.register_at_fork(after_in_child=_forget_pipe)


def _leave(number: int, reported: bool = False) -> None:
    if number == signal.SIGINT:
        raise KeyboardInterrupt(*([REPORTED] if reported else []))
    if not reported:
        _say("ended by SIGTERM")
    sys.exit(128 + number)


def _say(text: str) -> None:
    # Not through a stream: the main thread may be in the middle of a write to it.
    if os.environ.get("RANK", "0") == "0":
        os.write(2, f"rhovideo: {text}\n".encode())
