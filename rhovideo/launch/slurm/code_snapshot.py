"""A copy of the code in the run folder, so that edits after a submission do not change a job that waits."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from rhovideo.errors import JobError

PACKAGE = Path(__file__).resolve().parents[2]


def snapshot(folder: Path) -> Path:
    """Copy this package to ``folder/HASH`` and return that, for PYTHONPATH; the same code is copied once.

    Raises:
        JobError: nothing can be written there.
    """
    target = snapshot_folder(folder)
    if target.is_dir():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
        try:
            _copy(unfinished)
            # mkdtemp's folder is its owner's alone; the rest of the run folder is as the umask says.
            unfinished.chmod(folder.stat().st_mode)
            os.replace(unfinished, target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        # Another submission may have copied the same meanwhile.
        if not target.is_dir():
            raise JobError(f"{folder}: the code could not be copied there ({error}): free space, or mend it") from error
    return target


def snapshot_folder(folder: Path) -> Path:
    """Where :func:`snapshot` puts the code as it is now."""
    return folder / _digest(_files())


def _files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _copy(folder: Path) -> None:
    for path in _files():
        copy = folder / PACKAGE.name / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


def _digest(files: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.relative_to(PACKAGE)}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:12]
