"""Scanning: every video of a list is decoded once, to find the broken ones, and short and HDR ones are counted."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple

import av
from tqdm import tqdm

from rhovideo.atomic_files import written_whole
from rhovideo.data.lists.any_list import open_any_list
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.loading.workers import cores, describe_exit, initialise_worker, worker_context
from rhovideo.data.video.footage import Footage, describe
from rhovideo.data.video.picture.frame import Picture, RgbPicture
from rhovideo.data.video.reader import Video, VideoReadError
from rhovideo.errors import JobError
from rhovideo.runs.official_counts import add_official_counts, read_official_count

# Two clips of 8 frames, τ 8, at 30 frames a second: what most recipes take of a video.
_TWO_CLIPS = 2 * 8 * 8 / 30


@dataclass(frozen=True)
class BrokenVideo:
    """A video that cannot be decoded to its end.

    Attributes:
        path: of the file.
        line: of the list, from 1.
        reason: what is wrong with it.
    """

    path: str
    line: int
    reason: str


@dataclass(frozen=True)
class ScanReport:
    """The result of a scan.

    Attributes:
        total: videos of the list.
        broken: the broken videos, in the order of the list.
        broken_file: lists them as JSON, one object (path, line, reason) per line.
        clean_csv: the list without them, in the same folder.
        csv: the list.
        footage: what the files say of themselves, of all that can be opened, in no order.
        notes: how many videos are unusual in a way that costs no frame, by what it is; they stay in ``clean_csv``.
    """

    total: int
    broken: list[BrokenVideo]
    broken_file: Path
    clean_csv: Path
    csv: Path
    footage: Sequence[Footage] = ()
    notes: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return "\n".join([*self._about_footage(), *self._about_notes(), self._about_broken()])

    def _about_notes(self) -> Iterator[str]:
        for note, count in sorted(self.notes.items(), key=_largest_first):
            yield f"note, of {count} of {self.total} videos: {note}; all frames are there, so it stays in the list"

    def _about_broken(self) -> str:
        if not self.broken:
            return f"all {self.total} videos can be decoded to their end; {self.clean_csv} equals the list"
        if len(self.broken) == self.total:
            return f"all {self.total} videos are broken, see {self.broken_file}: the list is of no use as it is"
        return (
            f"{len(self.broken)} of {self.total} videos are broken, see {self.broken_file}; "
            f"{self.clean_csv} lists the other {self.total - len(self.broken)}\n"
            f"to use it: {shlex.join(['mv', str(self.clean_csv), str(self.csv)])}"
        )

    def _about_footage(self) -> Iterator[str]:
        """Lines on the length of the videos, and on HDR where there is some."""
        lengths = [footage.seconds for footage in self.footage if footage.seconds > 0]
        if lengths:
            short = sum(seconds < _TWO_CLIPS for seconds in lengths)
            half, count = statistics.median(lengths), f"{short} of {len(lengths)}"
            yield (
                f"length: {min(lengths):.3g} to {max(lengths):.3g} s, half of them over {half:.3g} s; {count} are "
                f"shorter than {_TWO_CLIPS:.3g} s (two clips of 8 frames, τ 8, at 30 frames a second)"
            )
        kinds = Counter(footage.hdr for footage in self.footage if footage.hdr)
        if kinds:
            which = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items(), key=_largest_first))
            yield (
                f"HDR: {kinds.total()} of {len(self.footage)} videos ({which}); training turns them into SDR, unless "
                "DATA.TONE_MAP is False"
            )


def _largest_first(counted: tuple[str, int]) -> tuple[int, str]:
    """Equal counts by name: videos come in the order in which they are finished."""
    name, count = counted
    return -count, name


def scan(
    csv: str | os.PathLike[str],
    *,
    separator: str = " ",
    prefix: str = "",
    skip_rows: int = 0,
    cache_dir: str | os.PathLike[str] = "",
    workers: int | None = None,
    progress: bool | None = None,
) -> ScanReport:
    """Decode all frames of all videos of a list once.

    Writes ``NAME.broken.jsonl`` and ``NAME.clean.csv`` next to ``NAME.csv``, in place of those of an earlier scan. A
    video is also broken if it crashes the process that decodes it.

    Args:
        csv: the list, as for :meth:`Manifest.open`.
        separator: as for :meth:`Manifest.open`.
        prefix: as for :meth:`Manifest.open`.
        skip_rows: as for :meth:`Manifest.open`.
        cache_dir: as for :meth:`Manifest.open`.
        workers: processes; None: one for each CPU that this process may use.
        progress: show a progress bar; None: only on a terminal.

    Returns:
        The broken videos, the files that were written, and what all videos say of themselves.

    Raises:
        ManifestError: the list cannot be used.
        FileNotFoundError: there is no such list.
        JobError: the processes end before they open a video, so nothing is known of the videos.
    """
    csv = Path(csv)
    manifest = open_any_list(csv, separator=separator, prefix=prefix, skip_rows=skip_rows, cache_dir=cache_dir)
    workers = min(workers or cores(), len(manifest))
    show = sys.stderr.isatty() if progress is None else progress
    broken: list[BrokenVideo] = []
    footage: list[Footage] = []
    notes: Counter[str] = Counter()
    with tqdm(total=len(manifest), desc=f"scan {csv.name}", unit="video", disable=not show) as bar:
        for index, (reason, described, note) in look_at_all(manifest, range(len(manifest)), workers, _decode):
            bar.update()
            footage += [] if described is None else [described]
            notes.update([note] if note and reason is None else [])
            if reason is not None:
                broken.append(BrokenVideo(manifest.path(index), manifest.line(index), reason))
                bar.set_postfix(broken=len(broken))
    broken.sort(key=lambda video: video.line)
    broken_file, clean_csv = csv.with_name(f"{csv.stem}.broken.jsonl"), csv.with_name(f"{csv.stem}.clean.csv")
    _write_broken(broken_file, broken)
    _write_clean(csv, clean_csv, {video.line for video in broken})
    if (official := read_official_count(csv)) is not None and len(broken) < len(manifest):
        add_official_counts({clean_csv: replace(official, listed=len(manifest) - len(broken))})
    return ScanReport(len(manifest), broken, broken_file, clean_csv, csv, footage, notes)


def check_video(path: str) -> str | None:
    """Read every frame of a video as training would.

    Args:
        path: of the file.

    Returns:
        What is wrong with the video; None if nothing is.
    """
    return _read_through(path)[0]


def _read_through(path: str) -> tuple[str | None, str]:
    """What is wrong with a video, None if nothing is, and what is unusual about it, which costs no frame."""
    try:
        with Video(path) as video:
            try:
                # One pass, whatever the length of its groups of pictures; each frame is forgotten after it.
                video.each(range(video.num_frames), lambda picture, places: _convert(picture))
            except VideoReadError as error:
                return video.defect or error.reason, ""
            return video.defect or None, video.note
    except VideoReadError as error:
        return error.reason, ""
    except (OSError, av.FFmpegError) as error:
        return str(error), ""


def _convert(picture: Picture | RgbPicture) -> None:
    picture.rgb()


class Look(NamedTuple):
    """What was seen of a video.

    Attributes:
        reason: its defect; None if it has none.
        footage: its description; None where it cannot be opened.
        note: what is unusual about it, though no frame is lost; "" if nothing is.
    """

    reason: str | None
    footage: Footage | None
    note: str = ""


# What a process does with the file at a path; a function of a module.
Looking = Callable[[str], Look]


def _decode(path: str) -> Look:
    reason, note = _read_through(path)
    return Look(reason, describe(path), note)


class _Worker:
    """A process that looks at one video at a time.

    Attributes:
        started: it has told that it runs, so a later death is that of its video.
    """

    def __init__(self, manifest: Manifest, looking: Looking) -> None:
        context = worker_context()
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, manifest, looking), daemon=True)
        self.process.start()
        theirs.close()
        self.index = -1
        self.started = False

    def give(self, index: int) -> None:
        self.index = index
        with contextlib.suppress(OSError):  # if it is dead, answer() raises
            self.connection.send(index)

    def answer(self) -> Look | None:
        """The answer about the latest video; None: the process has started, and has no answer yet.

        Raises:
            EOFError: the process died at its video.
            JobError: it died before it opened one.
        """
        try:
            answer: Look | None = self.connection.recv()
        except (EOFError, OSError) as error:
            if self.started:
                raise EOFError from error
            raise JobError(
                f"a process that decodes videos ended before it opened one ({describe_exit(self.end())}), so no video "
                'was looked at. In a Python file, call it under `if __name__ == "__main__":`; else try fewer processes '
                "(--workers 1), which need less memory"
            ) from None
        self.started = True
        return answer

    def end(self) -> int | None:
        """Stop the process; its exit code."""
        self.connection.close()
        self.process.join(timeout=1)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return self.process.exitcode


def _serve(connection: Connection, manifest: Manifest, looking: Looking) -> None:
    initialise_worker()
    connection.send(None)
    while True:
        try:
            index = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(looking(manifest.path(index)))


def look_at_all(manifest: Manifest, rows: Iterable[int], workers: int, looking: Looking) -> Iterator[tuple[int, Look]]:
    """Look at videos in processes of their own, each once; one that crashes its process has that for a defect.

    Args:
        manifest: the list.
        rows: of the videos.
        workers: processes.
        looking: what is done with a file.

    Yields:
        The row and what was found, in the order in which the videos are finished.

    Raises:
        JobError: the processes end before they open a video.
    """
    todo = iter(rows)
    idle: list[_Worker] = []
    busy: list[_Worker] = []
    try:
        while True:
            for index in islice(todo, workers - len(busy)):
                worker = idle.pop() if idle else _Worker(manifest, looking)
                busy.append(worker)
                worker.give(index)
            if not busy:
                return
            ready = wait([worker.connection for worker in busy])
            for worker in [worker for worker in busy if worker.connection in ready]:
                try:
                    answer = worker.answer()
                    if answer is None:
                        continue
                    idle.append(worker)
                except EOFError:
                    answer = Look(f"the process that decoded it died ({describe_exit(worker.end())})", None)
                busy.remove(worker)
                yield worker.index, answer
    finally:
        for worker in busy:
            worker.process.kill()
        for worker in [*busy, *idle]:
            worker.end()


def _write_broken(path: Path, broken: list[BrokenVideo]) -> None:
    lines = [json.dumps({"path": video.path, "line": video.line, "reason": video.reason}) + "\n" for video in broken]
    _replace(path, [line.encode() for line in lines])


def _write_clean(csv: Path, clean: Path, without: set[int]) -> None:
    """Copy the lines of ``csv`` as they stand, except those numbered in ``without``."""
    with csv.open("rb") as source:
        _replace(clean, (line for number, line in enumerate(source, 1) if number not in without))


def _replace(path: Path, lines: Iterable[bytes]) -> None:
    with written_whole(path) as out:
        out.writelines(lines)
