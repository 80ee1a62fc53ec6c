"""What srun says of tasks that ended badly."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rhovideo.launch.failures import KILLED

# srun's own words when a task has ended badly.
_TASK_ENDED = re.compile(r"^srun: error: (\S+): tasks? ([\d,-]+): (.+)$", re.MULTILINE)
# As srun names SIGTERM and the signals that submitit may be set to.
_STOP_SIGNALS = ("Terminated", "User defined signal")


@dataclass(frozen=True)
class End:
    """How tasks of a node ended.

    Attributes:
        node: its name.
        ranks: the tasks.
        how: srun's words: ``Killed``, ``Exited with exit code 1``.
    """

    node: str
    ranks: list[int]
    how: str

    @property
    def by_signal_to_stop(self) -> bool:
        return self.how.startswith(_STOP_SIGNALS)

    def explained(self) -> str:
        """``how`` in lower case, with what to do about it where that is known."""
        return KILLED if self.how.startswith("Killed") else self.how[:1].lower() + self.how[1:]


def bad_ends(text: str) -> list[End]:
    """What srun's stderr tells, in no reliable order; of tasks that srun itself has killed too."""
    return [End(node, _ranks(tasks), how) for node, tasks, how in _TASK_ENDED.findall(text)]


def _ranks(text: str) -> list[int]:
    """The numbers of ``"0,2-3"``."""
    ranges = [part.partition("-") for part in text.split(",")]
    return [rank for first, _, last in ranges for rank in range(int(first), int(last or first) + 1)]
