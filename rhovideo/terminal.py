"""Lines for the person who started a command."""

from __future__ import annotations

import os
import sys


def print_line(text: str) -> None:
    """Print a line on stderr, once a job: the other ranks that torchrun has started print nothing."""
    if os.environ.get("RANK", "0") == "0":
        print(f"rhovideo: {text}", file=sys.stderr, flush=True)
