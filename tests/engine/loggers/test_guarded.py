"""A logger that fails or hangs costs one warning and some seconds, and never the run."""

import threading
import time

import pytest

from rhovideo.engine.loggers import guarded as module
from rhovideo.engine.loggers.guarded import Guarded
from rhovideo.engine.loggers.protocol import ServerAwayError


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


def test_a_logger_that_is_slow_is_left_alone_after_the_most_seconds(monkeypatch):
    monkeypatch.setattr(module, "_MOST_CLOSE_SECONDS", 1.0)

    class Slow:
        def numbers(self, values, step):
            time.sleep(0.05)

    guarded = Guarded("lab", Slow, close_seconds=0.9)
    for step in range(200):
        guarded.numbers({"train/loss": 1.0}, step)
    started = time.monotonic()
    guarded.close()
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("where", ["start", "numbers"])
def test_a_server_that_is_away_is_asked_again_and_loses_nothing(where, caplog, monkeypatch):
    monkeypatch.setattr(module, "_FIRST_PAUSE", 0.02)
    caplog.set_level("INFO", "rhovideo")
    away, got = [3], []

    class Remote:
        def __init__(self):
            self._ask("start")

        def _ask(self, what):
            if what == where and away[0]:
                away[0] -= 1
                raise ServerAwayError("timed out after 120 s")

        def numbers(self, values, step):
            self._ask("numbers")
            got.append(step)

    guarded = Guarded("lab", Remote)
    for step in range(5):
        guarded.numbers({"train/loss": 1.0}, step)
    deadline = time.monotonic() + 10
    while len(got) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    guarded.close()
    assert got == [0, 1, 2, 3, 4]
    said = [message for message in caplog.messages if "lab" in message]
    assert said == [
        "The logger lab: its server does not answer (timed out after 120 s). It is asked again; the run goes on",
        "The logger lab: its server answers again",
    ]


def test_a_server_that_stays_away_costs_no_time_at_the_end(caplog):
    def make():
        raise ServerAwayError("no route to the laboratory")

    guarded = Guarded("lab", make)
    guarded.numbers({"train/loss": 1.0}, 0)
    time.sleep(0.1)
    started = time.monotonic()
    guarded.close()
    assert time.monotonic() - started < 2
    assert "failed at its start: no route to the laboratory. It writes nothing more" in caplog.messages[-1]
