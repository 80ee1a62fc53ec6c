"""How much memory a piece of work takes at its peak, as the kernel counts it: whatever allocator a peer uses."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path


def peak_memory(work: Callable[[], object]) -> float:
    """MiB that resident memory of this process grows by while ``work`` runs, at most. Linux only.

    The work is done once before, so that what it loads or keeps for ever does not count. Accurate to some 0.2 MiB, in
    which the kernel updates its counters.
    """
    work()
    gc.collect()
    # What was freed and not given back would be used again without being seen.
    ctypes.CDLL(None).malloc_trim(0)
    # Resets the peak to what is resident now.
    Path("/proc/self/clear_refs").write_text("5")
    before = _resident("VmRSS")
    work()
    return (_resident("VmHWM") - before) / 1024


def _resident(field: str) -> int:
    """A field of the process's status, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
