"""Starting ``run(cfg)`` on N processes. A launcher is a function ``launch(run, cfg)``; it knows nothing of video."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

# Name on the command line: the module whose ``launch`` and ``check_machine`` it is. Imported when asked for.
LAUNCHERS = {"local": "rhovideo.launch.local"}


def get_launcher(name: str) -> Any:
    """The module of a launcher, with ``launch(run, cfg)`` and ``check_machine(cfg) -> list[Finding]``."""
    return importlib.import_module(LAUNCHERS[name])


Run = Callable[[Any], Any]


class RankFailed(RuntimeError):
    """A process of the job failed, whichever launcher started it; the message is the first failing rank's traceback."""


__all__ = ["LAUNCHERS", "RankFailed", "Run", "get_launcher"]
