"""Lines for the person who started a command."""

from __future__ import annotations

import os
import sys

from rhovideo.config.findings import ConfigError, told


def say(text: str) -> None:
    """A line on stderr, once a job: other ranks that torchrun started stay silent."""
    if os.environ.get("RANK", "0") == "0":
        print(f"rhovideo: {text}", file=sys.stderr, flush=True)


def complain(error: ConfigError) -> None:
    """Every problem of a configuration."""
    count = len(told(error.problems))
    say(f"the configuration cannot be used, {count} problem{'s' if count > 1 else ''}:\n{error}")
