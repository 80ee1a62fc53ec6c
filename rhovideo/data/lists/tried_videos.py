"""The videos of a list that were tried, and those that could not be read: each counts once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

_TRIED, _BAD = 1, 2


class TriedVideos:
    """One byte for each video of a list; the same on every process that marks the same videos.

    Args:
        count: videos of the list.

    Attributes:
        tried: distinct videos tried.
        bad: how many of them could not be read.
    """

    def __init__(self, count: int) -> None:
        self._state = np.zeros(count, np.uint8)
        self.tried = self.bad = 0

    def mark(self, tried: Iterable[int] | np.ndarray = (), bad: Iterable[int] | np.ndarray = ()) -> None:
        """Mark videos as tried, and those in ``bad`` as unreadable too."""
        for rows, value in ((_rows(tried), _TRIED), (_rows(bad), _TRIED | _BAD)):
            before = self._state[rows]
            self.tried += int((before == 0).sum())
            self._state[rows] = before | value
            if value & _BAD:
                self.bad += int((before & _BAD == 0).sum())

    def new(self, tried: Iterable[int], bad: Iterable[int]) -> tuple[list[int], list[int]]:
        """Those of the videos that are not marked yet: as tried, and as unreadable."""
        return [row for row in tried if not self._state[row]], [row for row in bad if not self._state[row] & _BAD]

    def state_dict(self) -> dict[str, Any]:
        """The counts, and the rows behind them: ``tried_rows`` uint8 [N / 8], a bit a video; ``bad_rows`` int64."""
        return {
            "tried": self.tried,
            "bad": self.bad,
            "tried_rows": torch.from_numpy(np.packbits(self._state != 0)),
            "bad_rows": torch.from_numpy(np.flatnonzero(self._state & _BAD)),
        }

    def load_state_dict(self, state: dict[str, Any], origin: np.ndarray | None = None) -> None:
        """Take over what :meth:`state_dict` gave.

        A checkpoint of an earlier version has the counts alone. It counted a video once for each process and attempt,
        so the count begins again.

        Args:
            state: of this list, or of a longer one that rows were taken out of.
            origin: int64 [N], the row of each video in that longer list; None: it is this list.
        """
        if "tried_rows" not in state:
            return
        before = np.unpackbits(state["tried_rows"].numpy())
        before[state["bad_rows"].numpy()] |= _BAD
        self._state = before[: len(self._state)] if origin is None else before[origin]
        self.tried = int((self._state != 0).sum())
        self.bad = int((self._state & _BAD != 0).sum())


def _rows(rows: Iterable[int] | np.ndarray) -> np.ndarray:
    return np.unique(np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), np.int64))
