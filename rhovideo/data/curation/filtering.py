"""The videos of a list with a wanted duration and size, without broken ones."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rhovideo.data.curation.looking import SeenVideo, look_at
from rhovideo.data.curation.source_list import ListFormat, SourceList, check_output, write_part
from rhovideo.errors import JobError

_PLAIN = ListFormat()


@dataclass(frozen=True)
class Wanted:
    """What a video must have; None: anything.

    Attributes:
        min_seconds, max_seconds: its duration, both ends included.
        min_side, max_side: the shorter side of its pictures in pixels, both ends included.
        min_fps: its frames a second.
        broken: a file of `rhovideo scan`, NAME.broken.jsonl, whose videos are left out.
        readable: it can be opened. Each of the limits needs that too.
    """

    min_seconds: float | None = None
    max_seconds: float | None = None
    min_side: int | None = None
    max_side: int | None = None
    min_fps: float | None = None
    broken: str | os.PathLike[str] | None = None
    readable: bool = False

    @property
    def needs_looking(self) -> bool:
        """True if the files must be opened."""
        limits = (self.min_seconds, self.max_seconds, self.min_side, self.max_side, self.min_fps)
        return self.readable or any(limit is not None for limit in limits)

    def check(self) -> None:
        """Check that something is wanted, and that a video can have it.

        Raises:
            JobError: nothing is, or none can.
        """
        if not self.needs_looking and self.broken is None:
            raise JobError(
                "nothing is asked of the videos: write --min-seconds 10, --min-side 224, --readable or the like"
            )
        for name, low, high in (
            ("seconds", self.min_seconds, self.max_seconds),
            ("side", self.min_side, self.max_side),
        ):
            if low is not None and high is not None and low > high:
                raise JobError(f"--min-{name} {low:g} is more than --max-{name} {high:g}: no video is left")

    def why_not(self, seen: SeenVideo) -> str:
        """The reason why a video is left out; empty for one that stays."""
        footage = seen.footage
        if footage is None:
            return "not there" if seen.bytes < 0 else "cannot be opened"
        if (self.min_seconds is not None or self.max_seconds is not None) and footage.seconds <= 0:
            return "no duration in the file"
        side = min(footage.width, footage.height)
        reasons = {
            "too short": self.min_seconds is not None and footage.seconds < self.min_seconds,
            "too long": self.max_seconds is not None and footage.seconds > self.max_seconds,
            "too small": self.min_side is not None and side < self.min_side,
            "too large": self.max_side is not None and side > self.max_side,
            "too few frames a second": self.min_fps is not None and footage.fps < self.min_fps,
        }
        return next((reason for reason, is_so in reasons.items() if is_so), "")


def filter_list(
    csv: str | os.PathLike[str],
    out: str | os.PathLike[str],
    wanted: Wanted,
    how: ListFormat = _PLAIN,
    *,
    force: bool = False,
    workers: int | None = None,
    progress: bool | None = None,
) -> str:
    """Write the list of the videos that have what is wanted, in their order.

    Args:
        csv: the list.
        out: the new list.
        wanted: of each video.
        how: both lists are written.
        force: replace ``out`` if it exists.
        workers: as of :func:`rhovideo.data.curation.looking.look_at`.
        progress: as of :func:`rhovideo.data.curation.looking.look_at`.

    Returns:
        A line on what was left out.

    Raises:
        JobError: no video is left, or ``out`` may not be written, or nothing is wanted.
        ManifestError: the list cannot be used.
        OSError: a file cannot be read.
    """
    wanted.check()
    source = SourceList(csv, how)
    path = check_output(out, [source.csv], force=force)
    broken = _broken(Path(wanted.broken)) if wanted.broken is not None else set()
    reasons = ["broken" if source.manifest.path(row) in broken else "" for row in range(len(source))]
    if wanted.needs_looking:
        seen = look_at(source, workers=workers, progress=progress)
        reasons = [reason or wanted.why_not(one) for reason, one in zip(reasons, seen, strict=True)]
    kept = [not reason for reason in reasons]
    left_out = Counter(reason for reason in reasons if reason)
    told = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())
    if not any(kept):
        raise JobError(f"no video of {source.csv} is left ({told}): ask for less")
    write_part(path, source, kept)
    return f"{path}: {sum(kept):,} of {len(source):,} videos" + (f"; left out: {told}" if told else "")


def _broken(file: Path) -> set[str]:
    """The paths of broken videos.

    Raises:
        JobError: it is not a file of `rhovideo scan`.
    """
    found = set()
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.add(str(json.loads(line)["path"]))
        except (ValueError, LookupError, TypeError) as error:
            raise JobError(
                f"{file}, line {number}: is not what `rhovideo scan` writes into NAME.broken.jsonl"
            ) from error
    return found
