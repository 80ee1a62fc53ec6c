"""What is in a list: the durations, rates, sizes, codecs and classes of its videos (table 1 of the paper)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rhovideo.data.curation.looking import SeenVideo, look_at
from rhovideo.data.curation.source_list import ListFormat, SourceList
from rhovideo.data.lists.csv_parsing import NO_LABEL
from rhovideo.runs.official_counts import OfficialCount, read_official_count

_SHOWN = 5
_PLAIN = ListFormat()


@dataclass(frozen=True)
class Durations:
    """Durations in seconds, of the videos that can be opened and say theirs.

    Attributes:
        count: of these videos.
        mean, std, min, median, max: of the durations; ``std`` is that of the videos themselves (divided by N).
        hours: all together.
    """

    count: int
    mean: float
    std: float
    min: float
    median: float
    max: float
    hours: float

    @classmethod
    def of(cls, seconds: np.ndarray) -> Durations | None:
        """The numbers of some durations; None of none."""
        if not len(seconds):
            return None
        spread = float(seconds.mean()), float(seconds.std()), float(seconds.min())
        return cls(len(seconds), *spread, float(np.median(seconds)), float(seconds.max()), float(seconds.sum()) / 3600)


@dataclass(frozen=True)
class ListStatistics:
    """The statistics of a list.

    Attributes:
        csv: the list.
        videos: its rows.
        missing: videos that are not there.
        unreadable: others that cannot be opened.
        bytes: of all files.
        durations: None where no video says its own.
        seconds: float64, the durations.
        frame_rates: videos by frames a second, as text with two places at most; "unknown" where a file has none.
        sizes: videos by ``width x height``.
        codecs: videos by codec.
        hdr: videos by kind of HDR; without SDR.
        labels: videos by label; empty for a list without labels.
        official: how many of a data set's official videos it has; None where that is not known.
        mixture: a line on each part; empty for a list without parts.
    """

    csv: str
    videos: int
    missing: int
    unreadable: int
    bytes: int
    durations: Durations | None
    seconds: np.ndarray
    frame_rates: dict[str, int]
    sizes: dict[str, int]
    codecs: dict[str, int]
    hdr: dict[str, int]
    labels: dict[int, int]
    official: OfficialCount | None = None
    mixture: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The numbers as JSON holds them; without ``seconds``."""
        values = asdict(self)
        del values["seconds"]
        return values

    def __str__(self) -> str:
        return "\n".join([self.csv, *(f"  {line}" for line in self._lines())])

    def _lines(self) -> Iterator[str]:
        gone = [f"{self.missing:,} not there"] if self.missing else []
        gone += [f"{self.unreadable:,} cannot be opened"] if self.unreadable else []
        yield f"videos       {', '.join([f'{self.videos:,}', *gone])}; {self.bytes / 1e9:,.2f} GB"
        if self.durations is not None:
            d = self.durations
            yield (
                f"duration     {d.mean:.1f} ± {d.std:.1f} s, {d.min:.3g} to {d.max:.4g} s, half of them over "
                f"{d.median:.3g} s; {d.hours:,.1f} hours"
            )
        known = 0 if self.durations is None else self.durations.count
        if silent := self.videos - self.missing - self.unreadable - known:
            yield f"             {silent:,} videos do not say their duration"
        for name, counted in (("frames/s", self.frame_rates), ("size", self.sizes), ("codec", self.codecs)):
            if counted:
                yield f"{name:<12} {_largest(counted)}"
        if self.hdr:
            yield f"HDR          {_largest(self.hdr)}"
        if self.labels:
            counts = np.array(list(self.labels.values()))
            yield (
                f"classes      {len(counts):,}, of {counts.min():,} to {counts.max():,} videos, half of them over "
                f"{np.median(counts):,.4g}"
            )
        if self.official is not None:
            yield f"official     {self.official}"
        for part in self.mixture:
            yield f"mixture      {part}"


def list_statistics(
    csv: str | os.PathLike[str],
    how: ListFormat = _PLAIN,
    *,
    workers: int | None = None,
    progress: bool | None = None,
) -> ListStatistics:
    """Read what the videos of a list say of themselves, and count it.

    Args:
        csv: the list.
        how: it is written.
        workers: as of :func:`rhovideo.data.curation.looking.look_at`.
        progress: as of :func:`rhovideo.data.curation.looking.look_at`.

    Returns:
        The statistics.

    Raises:
        ManifestError: the list cannot be used.
        FileNotFoundError: there is no such list.
    """
    source = SourceList(csv, how)
    return _count(source, look_at(source, workers=workers, progress=progress))


def _count(source: SourceList, seen: Sequence[SeenVideo]) -> ListStatistics:
    footage = [one.footage for one in seen if one.footage is not None]
    missing = sum(one.bytes < 0 for one in seen)
    seconds = np.array([one.seconds for one in footage if one.seconds > 0])
    labels = source.manifest.labels
    mixture = source.manifest.mixture
    return ListStatistics(
        csv=str(source.csv),
        videos=len(seen),
        missing=missing,
        unreadable=len(seen) - len(footage) - missing,
        bytes=sum(max(one.bytes, 0) for one in seen),
        durations=Durations.of(seconds),
        seconds=seconds,
        frame_rates=_counted(f"{one.fps:.2f}".rstrip("0").rstrip(".") if one.fps else "unknown" for one in footage),
        sizes=_counted(f"{one.width}x{one.height}" for one in footage),
        codecs=_counted(one.codec or "unknown" for one in footage),
        hdr=_counted(one.hdr for one in footage if one.hdr),
        labels=dict(sorted(Counter(labels[labels != NO_LABEL].tolist()).items())),
        official=read_official_count(source.csv),
        mixture=tuple(mixture.lines()) if mixture else (),
    )


def _counted(values: Iterable[str]) -> dict[str, int]:
    """How often each value comes, the most frequent first; equal counts by name."""
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _largest(counted: dict[str, int]) -> str:
    total = sum(counted.values())
    shown = [f"{name} {count / total:.1%}" for name, count in list(counted.items())[:_SHOWN]]
    more = len(counted) - _SHOWN
    return ", ".join([*shown, *([f"{more} more"] if more > 0 else [])])
