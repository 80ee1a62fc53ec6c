"""A logger that fails or hangs costs one warning and some seconds, and never the run."""

import threading
import time

import pytest

from rhovideo.engine.loggers.guarded import Guarded


class Failing:
    """Raises in one of its methods."""

    def __init__(self, where, error):
        self.where, self.error = where, error
        self.calls = []
        self._reached("start")

    def _reached(self, what):
        self.calls.append(what)
        if what == self.where:
            raise self.error

    def numbers(self, values, step):
        self._reached("numbers")

    def close(self):
        self._reached("close")


@pytest.mark.parametrize("error", [RuntimeError("the server is down.\nmore"), SystemExit(1)])
@pytest.mark.parametrize("where", ["start", "numbers", "close"])
def test_a_logger_that_raises_gives_one_warning_and_then_nothing(where, error, caplog):
    made = []

    def make():
        made.append(Failing.__new__(Failing))
        made[0].__init__(where, error)
        return made[0]

    guarded = Guarded("lab", make)
    for step in range(3):
        guarded.numbers({"train/loss": 1.0}, step)
        time.sleep(0.02)
    guarded.close()
    guarded.numbers({"train/loss": 1.0}, 3)
    warnings = [message for message in caplog.messages if "lab" in message]
    assert len(warnings) == 1
    assert type(error).__name__ in warnings[0]
    assert "the run goes on" in warnings[0]
    assert made[0].calls.count(where) == 1


@pytest.mark.parametrize("where", ["start", "numbers", "close"])
def test_a_logger_that_hangs_is_left_alone_after_some_seconds(where, caplog):
    release = threading.Event()

    class Hanging:
        def __init__(self):
            self._reached("start")

        def _reached(self, what):
            if what == where:
                release.wait(30)

        def numbers(self, values, step):
            self._reached("numbers")

        def close(self):
            self._reached("close")

    started = time.monotonic()
    guarded = Guarded("lab", Hanging, close_seconds=0.3)
    for step in range(20_000):
        guarded.numbers({"train/loss": 1.0}, step)
    guarded.close()
    seconds = time.monotonic() - started
    release.set()
    assert seconds < 5
    assert len([message for message in caplog.messages if "lab" in message]) == 1
