"""Decode every video of a list once and tell which ones are broken."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

import av
from tqdm import tqdm

from rhovideo.atomic_files import written_whole
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.loading.workers import cores, initialise_worker, worker_context
from rhovideo.data.video.reader import Video, VideoReadError

_BLOCK_BYTES = 128 * 2**20


@dataclass(frozen=True)
class BrokenVideo:
    """A video that cannot be decoded to its end: its path, its line of the CSV, and why."""

    path: str
    line: int
    reason: str


@dataclass(frozen=True)
class ScanReport:
    """What a scan found.

    Attributes:
        total: videos of the list.
        broken: those that are, in the list's order.
        broken_file: the same as JSON, one object (path, line, reason) a line.
        clean_csv: the list without them, beside the list.
        csv: the list.
    """

    total: int
    broken: list[BrokenVideo]
    broken_file: Path
    clean_csv: Path
    csv: Path

    def __str__(self) -> str:
        if not self.broken:
            return f"all {self.total} videos decode to their end; {self.clean_csv} equals the list"
        return (
            f"{len(self.broken)} of {self.total} videos are broken, see {self.broken_file}; "
            f"{self.clean_csv} lists the other {self.total - len(self.broken)}\n"
            f"to use it: {shlex.join(['mv', str(self.clean_csv), str(self.csv)])}"
        )


def scan(
    csv: str | os.PathLike,
    *,
    separator: str = " ",
    prefix: str = "",
    skip_rows: int = 0,
    cache_dir: str | os.PathLike = "",
    workers: int | None = None,
    progress: bool | None = None,
) -> ScanReport:
    """Decode all videos of ``csv`` once, each frame of them.

    Writes ``NAME.broken.jsonl`` and ``NAME.clean.csv`` beside ``NAME.csv``, replacing those of an earlier scan. A video
    on which the decoding process dies counts as broken.

    Args:
        csv: the list, as for :meth:`Manifest.open`.
        separator: as for :meth:`Manifest.open`.
        prefix: as for :meth:`Manifest.open`.
        skip_rows: as for :meth:`Manifest.open`.
        cache_dir: as for :meth:`Manifest.open`.
        workers: processes; None: one a CPU that this process may use.
        progress: show a progress bar; None: on a terminal only.
    """
    csv = Path(csv)
    manifest = Manifest.open(csv, separator=separator, prefix=prefix, skip_rows=skip_rows, cache_dir=cache_dir)
    workers = min(workers or cores(), len(manifest))
    show = sys.stderr.isatty() if progress is None else progress
    broken = []
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
    """Read every frame of ``path`` as training would; None, or what is wrong with it."""
    try:
        with Video(path) as video:
            # Long stretches, for each starts decoding at a key frame; short enough to keep memory small.
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
        self.index: int | None = None

    def give(self, index: int) -> None:
        self.index = index
        with contextlib.suppress(OSError):  # dead: its answer will say so
            self.connection.send(index)

    def answer(self) -> str | None:
        """What is wrong with the video given last.

        Raises:
            EOFError: the process died on it.
        """
        try:
            return self.connection.recv()
        except OSError as error:
            raise EOFError from error

    def end(self) -> int | None:
        """Stop the process; how it ended."""
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
    """(index, what is wrong) of every video, in the order in which they are done; each is tried exactly once."""
    todo = iter(range(len(manifest)))
    busy: dict[Connection, _Worker] = {}
    try:
        for index in _first(todo, workers):
            worker = _Worker(manifest)
            busy[worker.connection] = worker
            worker.give(index)
        while busy:
            for connection in wait(list(busy)):
                worker = busy.pop(connection)
                index = worker.index
                try:
                    reason = worker.answer()
                except EOFError:
                    reason = f"the process that decoded it died ({_how(worker.end())})"
                    worker = None
                yield index, reason
                following = next(todo, None)
                if following is None:
                    if worker is not None:
                        worker.end()
                    continue
                worker = worker or _Worker(manifest)
                busy[worker.connection] = worker
                worker.give(following)
    finally:
        for worker in busy.values():
            worker.process.kill()
            worker.end()


def _first(items: Iterator[int], count: int) -> Iterator[int]:
    for _ in range(count):
        yield next(items)


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}" + (", maybe out of memory" if exit_code == -9 else "")
    return f"exit code {exit_code}"


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
