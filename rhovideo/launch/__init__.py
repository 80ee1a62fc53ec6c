"""Starting ``run(cfg)`` on N processes. A launcher gets a plan of jobs or one function; it knows nothing of video."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[[Any], Any]


class RankFailed(RuntimeError):
    """A process of the job failed, whichever launcher started it; the message is the first failing rank's traceback."""


__all__ = ["RankFailed", "Run"]
