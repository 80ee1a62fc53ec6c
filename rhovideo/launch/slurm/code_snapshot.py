"""A copy of the code in the run folder, so that edits after a submission do not change a job that waits."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rhovideo.errors import JobError

PACKAGE = Path(__file__).resolve().parents[2]
# More than the code of a plugin: its package then holds data too, which every submission would copy.
_MOST_BYTES = 100 * 2**20


def snapshot(folder: Path, plugins: Sequence[Path] = ()) -> Path:
    """Copy this package to ``folder/HASH``, where the same code is copied once.

    Args:
        folder: for the copies.
        plugins: modules and packages to copy next to it (:func:`rhovideo.config.extension.plugins.local_sources`).

    Returns:
        ``folder/HASH``, for PYTHONPATH.

    Raises:
        JobError: the folder cannot be written to, or a plugin is too large to be copied.
    """
    target = snapshot_folder(folder, plugins)
    if target.is_dir():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
        try:
            _copy(unfinished, plugins)
            # mkdtemp's folder is closed to others; the rest of the run folder follows the umask.
            unfinished.chmod(folder.stat().st_mode)
            os.replace(unfinished, target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        # Another submission may have copied the same code meanwhile.
        if not target.is_dir():
            raise JobError(
                f"{folder}: the code could not be copied there ({error}): free space on the disk, or write "
                "another OUTPUT_DIR"
            ) from error
    return target


def snapshot_folder(folder: Path, plugins: Sequence[Path] = ()) -> Path:
    """The folder where :func:`snapshot` puts the code as it is now."""
    return folder / _digest(plugins)


def _files(plugins: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """Every file to copy, by its path in the copy."""
    for top in (PACKAGE, *plugins):
        found = [top] if top.is_file() else sorted(path for path in top.rglob("*") if _is_code(path, top))
        size = sum(path.stat().st_size for path in found)
        if top != PACKAGE and size > _MOST_BYTES:
            raise JobError(
                f"PLUGINS: the package {top} has {size / 2**20:.0f} MB, and every submission copies it: take data out "
                f"of it, or install it (`pip install -e`), which copies nothing"
            )
        yield from ((str(path.relative_to(top.parent)), path) for path in found)


def _is_code(path: Path, top: Path) -> bool:
    hidden = any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(top).parts)
    return path.is_file() and not hidden


def _copy(folder: Path, plugins: Sequence[Path]) -> None:
    for name, path in _files(plugins):
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _digest(plugins: Sequence[Path]) -> str:
    whole = hashlib.sha256()
    for name, path in _files(plugins):
        whole.update(f"{name}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:12]
