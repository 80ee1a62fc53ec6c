"""Lines for the person who started a command, and beats: lines that show that a silent command still works."""

from __future__ import annotations

import os
import sys
import threading
import time

# Seconds from the start of a command to its first words.
_FIRST = 0.8
# Seconds of silence until a beat; after some beats of one stage fewer of them do.
_SILENCE = 4.0
_LONG_SILENCE = 9.0
_FREQUENT_BEATS = 5
_LOOK = 0.1


def print_line(text: str) -> None:
    """Print a line on stderr, once a job: the other ranks that torchrun has started print nothing."""
    note_output()
    if _is_first_rank():
        print(f"rhovideo: {text}", file=sys.stderr, flush=True)


def note_output() -> None:
    """Note that something was printed: the next beat waits."""
    _beats.last = time.monotonic()
    _beats.spoken = True


def stage(name: str) -> None:
    """Name what the process does from now on, for the beats.

    Args:
        name: such as ``importing torch``.
    """
    _beats.name, _beats.since, _beats.count = name, time.monotonic(), 0


def start_beats(name: str, first: float = _FIRST) -> None:
    """Print a line on stderr whenever the process has been silent for some seconds, until :func:`stop_beats`.

    A progress bar is no silence. A library that keeps the interpreter's lock while it loads delays a beat.

    Args:
        name: the first stage.
        first: seconds until the first words.
    """
    stop_beats()
    if not _is_first_rank():
        return
    stage(name)
    _beats.last = time.monotonic()
    _beats.first, _beats.spoken = first, False
    _beats.ended = threading.Event()
    threading.Thread(target=_watch, args=(_beats.ended,), name="beats", daemon=True).start()


def stop_beats() -> None:
    """Print no more beats."""
    _beats.ended.set()


class _Beats:
    """The state of the beats of this process."""

    def __init__(self) -> None:
        self.name, self.since, self.last, self.count = "", 0.0, 0.0, 0
        self.first, self.spoken = _FIRST, False
        self.ended = threading.Event()

    def wait(self) -> float:
        """The seconds of silence after which a beat is due."""
        if not self.spoken:
            return self.first
        return _SILENCE if self.count < _FREQUENT_BEATS else _LONG_SILENCE


_beats = _Beats()


def _bar_is_shown() -> bool:
    """True while a progress bar of tqdm is on the terminal."""
    # The other thread may be in the middle of importing tqdm, or of making a bar, which is listed before it is whole.
    bars = getattr(getattr(sys.modules.get("tqdm"), "tqdm", None), "_instances", ())
    try:
        return any(not getattr(bar, "disable", True) for bar in list(bars))
    except RuntimeError:  # a bar came or went meanwhile: one is in use
        return True


def _watch(ended: threading.Event) -> None:
    while not ended.wait(_LOOK):
        now = time.monotonic()
        if now - _beats.last < _beats.wait() or _bar_is_shown():
            continue
        seconds = round(now - _beats.since)
        note_output()
        _beats.count += 1
        try:
            print(f"rhovideo: {_beats.name} ..." + (f" ({seconds} s)" if seconds else ""), file=sys.stderr, flush=True)
        except (OSError, ValueError):  # the reader has left, or the stream is closed
            return


def _is_first_rank() -> bool:
    return os.environ.get("RANK", "0") == "0"
