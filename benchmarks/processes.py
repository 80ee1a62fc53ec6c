"""What a process and those that it started use, from Linux's /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """Seconds that these living processes spent on cores, in steps of a hundredth."""
    total = 0
    for pid in pids:
        # The name, the second field, may hold spaces but ends with the last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def proportional_set_size(pids: Iterable[int]) -> int:
    """Bytes of memory of these processes; a page that n processes share counts 1/n for each."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += 1024 * int(line.split()[1])
    return total
