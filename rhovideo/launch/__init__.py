"""Starting ``run(cfg)`` on N processes. A launcher gets a plan of jobs or one function, and knows nothing of video."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Run = Callable[[Any], Any]


class RankFailed(RuntimeError):
    """A process of the job failed; the message is the traceback of the rank that failed first."""


__all__ = ["RankFailed", "Run"]
