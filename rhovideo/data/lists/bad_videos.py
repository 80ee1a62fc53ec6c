"""Videos that cannot be read: counted, named in the log once, listed in a file, and a limit to their share."""

from __future__ import annotations

import fcntl
import json
import logging
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch

logger = logging.getLogger(__name__)

FILE_NAME = "bad_videos.jsonl"
# Below this many distinct videos a share says nothing.
_MIN_TRIED = 100
_TRIED, _BAD = 1, 2
_SHOWN_EXAMPLES = 5


class Failure(NamedTuple):
    """One video that could not be read: its index and path, why, and where it is listed.

    Attributes:
        index: of the video in its manifest.
        path: of the file.
        reason: the decoder's message.
        line: of the CSV, counted from 1.
        epoch: in which it was tried.
        csv: the list that names it.
    """

    index: int
    path: str
    reason: str
    line: int
    epoch: int
    csv: str


class HasFailures(Protocol):
    """What the ledger reads of a batch."""

    index: torch.Tensor
    valid: torch.Tensor
    failures: list[Failure]


class BadVideoLedger:
    """This process's account of the training videos it has tried.

    Args:
        output_dir: folder of ``bad_videos.jsonl``, which the processes of a job append to (OUTPUT_DIR).
        max_share: share of unreadable videos from which training stops (DATA.MAX_BAD_VIDEO_SHARE).
        rank: this process, for the log.
    """

    def __init__(self, output_dir: str | Path, max_share: float, rank: int = 0) -> None:
        self.file = Path(output_dir) / FILE_NAME
        self.max_share = max_share
        self.rank = rank
        self._state = np.zeros(0, np.uint8)  # a byte a video, however long the run
        self._tried = self._bad = self._exhausted = 0
        self._examples: list[str] = []

    def resume(self, tried: int = 0, bad: int = 0) -> None:
        """Go on from what all processes counted before, as a checkpoint tells; on rank 0, the others count anew.

        Videos that are tried again count again, which leaves the share of the bad ones what it is.
        """
        if self.rank == 0:
            self._tried, self._bad = tried, bad

    def record(self, batch: HasFailures) -> None:
        """Count the batch's videos; list and log those that failed for the first time."""
        self._exhausted += int((~batch.valid).sum())
        self._mark([int(index) for index in batch.index], _TRIED)
        new = [failure for failure in batch.failures if not self._is_bad(failure.index)]
        self._mark([failure.index for failure in batch.failures], _BAD)
        for failure in append_failures(self.file, new):
            logger.warning(
                "rank %d: cannot read %s (%s, line %d): %s",
                *(self.rank, failure.path, failure.csv, failure.line, failure.reason),
            )
        room = _SHOWN_EXAMPLES - len(self._examples)
        self._examples += [f"{failure.path}: {failure.reason}" for failure in new[:room]]

    def _is_bad(self, index: int) -> bool:
        return index < len(self._state) and self._state[index] == _BAD

    def _mark(self, indices: list[int], state: int) -> None:
        if not indices:
            return
        if (top := max(indices)) >= len(self._state):
            self._state = np.concatenate([self._state, np.zeros(top + 1 + top // 2 - len(self._state), np.uint8)])
        for index in set(indices):
            before = int(self._state[index])
            if before == 0:
                self._tried += 1
            if state == _BAD and before != _BAD:
                self._bad += 1
            self._state[index] = max(before, state)

    def counts(self) -> torch.Tensor:
        """int64 [3]: distinct videos tried, how many of them are bad, samples for which no video could be read.

        Sum them over the ranks before :meth:`verdict`. A video that two ranks meet in different epochs counts twice.
        """
        return torch.tensor([self._tried, self._bad, self._exhausted], dtype=torch.int64)

    def verdict(self, total_counts: torch.Tensor) -> str | None:
        """The message to stop training with, or None.

        Args:
            total_counts: :meth:`counts` summed over all ranks, so that every rank comes to the same verdict.
        """
        tried, bad, exhausted = (int(count) for count in total_counts)
        if exhausted:
            problem = f"for {exhausted} samples no readable video was found in ten draws each"
        elif tried >= _MIN_TRIED and bad > self.max_share * tried:
            problem = f"more than DATA.MAX_BAD_VIDEO_SHARE ({self.max_share:.0%}) of the videos cannot be read"
        else:
            return None
        examples = "".join(f"\n  {example}" for example in self._examples)
        return (
            f"{problem}: {bad} of {tried} tried ({bad / max(tried, 1):.1%}). All are listed in {self.file}; "
            "`rhovideo scan CSV` finds every broken video of a list and writes a list without them"
            + (f". Among them:{examples}" if examples else "")
        )


def append_failures(file: Path, failures: list[Failure]) -> list[Failure]:
    """Append ``failures`` whose path ``file`` does not list yet, one JSON object a line; return those.

    Processes of several machines may do so at once: the file is locked, and each call writes whole lines.
    """
    if not failures:
        return []
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:
            # No locks on this file system; appended lines stay whole, at worst a video is listed twice.
            logger.debug("%s: no file locks here", file)
        stream.seek(0)
        text = stream.read()
        known = {_path_of(line) for line in text.splitlines()}
        fresh = []
        for failure in failures:
            if failure.path not in known:
                known.add(failure.path)
                fresh.append(failure)
        cut_off = text and not text.endswith("\n")  # by a full disk
        stream.write("\n" * bool(cut_off) + "".join(_as_line(failure) for failure in fresh))
    return fresh


def _as_line(failure: Failure) -> str:
    fields = {"path": failure.path, "csv": failure.csv, "line": failure.line}
    return json.dumps({**fields, "reason": failure.reason, "epoch": failure.epoch}) + "\n"


def _path_of(line: str) -> str | None:
    try:
        return json.loads(line)["path"]
    except (ValueError, KeyError, TypeError):
        return None  # cut off by a full disk, or not ours
