"""Scanning: every video of a list is decoded once, to find the broken ones."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path

import av
from tqdm import tqdm

from rhovideo.atomic_files import written_whole
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.loading.workers import cores, describe_exit, initialise_worker, worker_context
from rhovideo.data.video.reader import Video, VideoReadError

_BLOCK_BYTES = 128 * 2**20


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
    """

    total: int
    broken: list[BrokenVideo]
    broken_file: Path
    clean_csv: Path
    csv: Path

    def __str__(self) -> str:
        if not self.broken:
            return f"all {self.total} videos can be decoded to their end; {self.clean_csv} equals the list"
        return (
            f"{len(self.broken)} of {self.total} videos are broken, see {self.broken_file}; "
            f"{self.clean_csv} lists the other {self.total - len(self.broken)}\n"
            f"to use it: {shlex.join(['mv', str(self.clean_csv), str(self.csv)])}"
        )


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
        The broken videos, and the files that were written.

    Raises:
        ManifestError: the list cannot be used.
        FileNotFoundError: there is no such list.
    """
    csv = Path(csv)
    manifest = Manifest.open(csv, separator=separator, prefix=prefix, skip_rows=skip_rows, cache_dir=cache_dir)
    workers = min(workers or cores(), len(manifest))
    show = sys.stderr.isatty() if progress is None else progress
    broken: list[BrokenVideo] = []
    with tqdm(total=len(manifest), desc=f"scan {csv.name}", unit="video", disable=not show) as bar:
        for index, reason in _check_all(manifest, workers):
            bar.update()
            if reason is not None:
                broken.append(BrokenVideo(manifest.path(index), manifest.line(index), reason))
                bar.set_postfix(broken=len(broken))
    broken.sort(key=lambda video: video.line)
    broken_file, clean_csv = csv.with_name(f"{csv.stem}.broken.jsonl"), csv.with_name(f"{csv.stem}.clean.csv")
    _write_broken(broken_file, broken)
    _write_clean(csv, clean_csv, {video.line for video in broken})
    return ScanReport(len(manifest), broken, broken_file, clean_csv, csv)


def check_video(path: str) -> str | None:
    """Read every frame of a video as training would.

    Args:
        path: of the file.

    Returns:
        What is wrong with the video; None if nothing is.
    """
    try:
        with Video(path) as video:
            # Long ranges, since decoding of each starts at a key frame, but short enough to need little memory.
            step = max(_BLOCK_BYTES // (video.height * video.width * 3), 1)
            for first in range(0, video.num_frames, step):
                video.frames(range(first, min(first + step, video.num_frames)))
            return video.defect or None
    except VideoReadError as error:
        return error.reason
    except (OSError, av.FFmpegError) as error:
        return str(error)


class _Worker:
    """A process that checks one video at a time."""

    def __init__(self, manifest: Manifest) -> None:
        context = worker_context()
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, manifest), daemon=True)
        self.process.start()
        theirs.close()
        self.index = -1

    def give(self, index: int) -> None:
        self.index = index
        with contextlib.suppress(OSError):  # if it is dead, answer() raises
            self.connection.send(index)

    def answer(self) -> str | None:
        """The defect of the latest video; None if it has none.

        Raises:
            EOFError: the process died.
        """
        try:
            reason: str | None = self.connection.recv()
        except OSError as error:
            raise EOFError from error
        return reason

    def end(self) -> int | None:
        """Stop the process; its exit code."""
        self.connection.close()
        self.process.join(timeout=1)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return self.process.exitcode


def _serve(connection: Connection, manifest: Manifest) -> None:
    initialise_worker()
    while True:
        try:
            index = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(check_video(manifest.path(index)))


def _check_all(manifest: Manifest, workers: int) -> Iterator[tuple[int, str | None]]:
    """Index and defect of every video, in the order in which they are finished; each is tried exactly once."""
    todo = iter(range(len(manifest)))
    idle: list[_Worker] = []
    busy: list[_Worker] = []
    try:
        while True:
            for index in islice(todo, workers - len(busy)):
                worker = idle.pop() if idle else _Worker(manifest)
                busy.append(worker)
                worker.give(index)
            if not busy:
                return
            ready = wait([worker.connection for worker in busy])
            for worker in [worker for worker in busy if worker.connection in ready]:
                busy.remove(worker)
                try:
                    reason = worker.answer()
                    idle.append(worker)
                except EOFError:
                    reason = f"the process that decoded it died ({describe_exit(worker.end())})"
                yield worker.index, reason
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
