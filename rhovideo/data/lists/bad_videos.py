"""Videos that cannot be read: they are counted, logged once and listed in a file, and their share is limited."""

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
# The share of bad videos means little among fewer distinct videos.
_MIN_TRIED = 100
_TRIED, _BAD = 1, 2
_SHOWN_EXAMPLES = 5


class Failure(NamedTuple):
    """A video that could not be read.

    Attributes:
        index: of the video in its manifest.
        path: of the file.
        reason: the decoder's message.
        line: of the list, from 1.
        epoch: in which the video was tried.
        csv: the list.
    """

    index: int  # type: ignore[assignment]  # It hides tuple.index, which has no use here.
    path: str
    reason: str
    line: int
    epoch: int
    csv: str


class ReadVideos(Protocol):
    """The videos of a batch: those that are shown, and those that could not be read.

    Attributes:
        index: int64 [B], the videos that are shown.
        valid: bool [B], False for a sample without any readable video.
        failures: the videos that could not be read.
    """

    index: torch.Tensor
    valid: torch.Tensor
    failures: list[Failure]


class BadVideoLedger:
    """The record of the training videos that this process has tried.

    Args:
        output_dir: folder of ``bad_videos.jsonl``, to which all processes of a job append (OUTPUT_DIR).
        max_share: training stops above this share of unreadable videos (DATA.MAX_BAD_VIDEO_SHARE).
        rank: of this process, for the log.
    """

    def __init__(self, output_dir: str | Path, max_share: float, rank: int = 0) -> None:
        self.file = Path(output_dir) / FILE_NAME
        self.max_share = max_share
        self.rank = rank
        self._state = np.zeros(0, np.uint8)  # one byte per video, however long the run
        self._tried = self._bad = self._exhausted = 0
        self._examples: list[str] = []

    def resume(self, tried: int = 0, bad: int = 0) -> None:
        """Go on from the counts of all processes in a checkpoint; only rank 0 takes them, the others start from 0.

        Videos that are tried again are counted again. This hardly changes the share of bad videos.

        Args:
            tried: distinct videos tried by all processes.
            bad: how many of them could not be read.
        """
        if self.rank == 0:
            self._tried, self._bad = tried, bad

    def record(self, batch: ReadVideos) -> None:
        """Count the batch's videos, and list and log those that failed for the first time."""
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
        """The counts of this process, to be summed over the ranks before :meth:`verdict`.

        A video that two ranks read in different epochs is counted twice.

        Returns:
            int64 [3]: distinct videos tried, bad ones among them, and samples without any readable video.
        """
        return torch.tensor([self._tried, self._bad, self._exhausted], dtype=torch.int64)

    def verdict(self, total_counts: torch.Tensor) -> str | None:
        """Decide if training has to stop.

        Args:
            total_counts: :meth:`counts` summed over all ranks, so that all ranks decide the same.

        Returns:
            The message to stop with, or None.
        """
        tried, bad, exhausted = (int(count) for count in total_counts)
        if exhausted:
            problem = f"no readable video was found for {exhausted} samples, in ten draws for each"
        elif tried >= _MIN_TRIED and bad > self.max_share * tried:
            problem = f"more than DATA.MAX_BAD_VIDEO_SHARE ({self.max_share:.0%}) of the videos cannot be read"
        else:
            return None
        examples = "".join(f"\n  {example}" for example in self._examples)
        return (
            f"{problem}: {bad} of {tried} tried ({bad / max(tried, 1):.1%}). {self.file} lists them all; "
            "`rhovideo scan CSV` finds every broken video of a list and writes a list without them"
            + (f". Among them:{examples}" if examples else "")
        )


def append_failures(file: Path, failures: list[Failure]) -> list[Failure]:
    """Append failures to a file, except those whose path it already has.

    Processes of several machines may do so at once: the file is locked, and each call writes whole lines.

    Args:
        file: has one JSON object per line; made if missing.
        failures: to append.

    Returns:
        The failures that were appended.
    """
    if not failures:
        return []
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:
            # This file system has no locks. Appended lines stay whole, but a video may be listed twice.
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
        path: str = json.loads(line)["path"]
    except (ValueError, KeyError, TypeError):
        return None  # cut off by a full disk, or written by another program
    return path
