"""Videos that cannot be read: they are counted, logged once and listed in a file, and their share is limited."""

from __future__ import annotations

import fcntl
import json
import logging
from pathlib import Path
from typing import NamedTuple, Protocol

import torch

logger = logging.getLogger(__name__)

FILE_NAME = "bad_videos.jsonl"
# The share of bad videos means little among fewer distinct videos.
_MIN_TRIED = 100
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


class Reading(NamedTuple):
    """Rows of the list that a batch tried.

    Attributes:
        tried: videos that are shown, and those that could not be read.
        bad: videos that could not be read.
        exhausted: samples for which no readable video was found.
    """

    tried: list[int]
    bad: list[int]
    exhausted: int


class BadVideoLedger:
    """The list and the log of the videos that could not be read, and the limit of their share.

    Args:
        output_dir: folder of ``bad_videos.jsonl``, to which all processes of a job append (OUTPUT_DIR).
        max_share: training stops above this share of unreadable videos (DATA.MAX_BAD_VIDEO_SHARE).
        rank: of this process, for the log.
    """

    def __init__(self, output_dir: str | Path, max_share: float, rank: int = 0) -> None:
        self.file = Path(output_dir) / FILE_NAME
        self.max_share = max_share
        self.rank = rank
        self._seen: set[int] = set()
        self._examples: list[str] = []
        self._failed = False

    def record(self, batch: ReadVideos) -> Reading:
        """List and log the batch's videos that failed for the first time.

        Returns:
            What was tried, to be counted with what the other processes tried.
        """
        new = [failure for failure in batch.failures if failure.index not in self._seen]
        self._seen.update(failure.index for failure in new)
        for failure in self._listed(new):
            logger.warning(
                "rank %d: cannot read %s (%s, line %d): %s",
                *(self.rank, failure.path, failure.csv, failure.line, failure.reason),
            )
        room = _SHOWN_EXAMPLES - len(self._examples)
        self._examples += [f"{failure.path}: {failure.reason}" for failure in new[: max(room, 0)]]
        bad = [failure.index for failure in batch.failures]
        return Reading([*map(int, batch.index), *bad], bad, int((~batch.valid).sum()))

    def _listed(self, new: list[Failure]) -> list[Failure]:
        """The failures that were not in the file before; a disk that is full for a while must not end a training."""
        try:
            return append_failures(self.file, new)
        except OSError as error:
            if not self._failed:
                logger.warning("%s: videos are missing in it, writing failed (%s)", self.file, error.strerror)
            self._failed = True
            return new

    def verdict(self, tried: int, bad: int, exhausted: int = 0) -> str | None:
        """Decide if training has to stop.

        Args:
            tried: distinct videos tried, by all processes since the run began.
            bad: how many of them could not be read.
            exhausted: samples of the step without any readable video, of all processes.

        Returns:
            The message to stop with, or None.
        """
        if exhausted:
            problem = f"no readable video was found for {exhausted} samples, in ten draws for each"
        elif tried >= _MIN_TRIED and bad > self.max_share * tried:
            problem = f"more than DATA.MAX_BAD_VIDEO_SHARE ({self.max_share:.0%}) of the videos cannot be read"
        else:
            return None
        examples = "".join(f"\n  {example}" for example in self._examples)
        return (
            f"{problem}: {bad} of {tried} tried ({bad / max(tried, 1):.1%}). {self.file} lists them all; "
            "`rhovideo scan CSV` finds every broken video of a list and writes a list without them. With that list in "
            "the place of the old one, the same command goes on" + (f". Among them:{examples}" if examples else "")
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
