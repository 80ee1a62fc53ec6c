"""A lock on OUTPUT_DIR for one running job: two jobs would mix their logs and remove each other's checkpoints.

It is a file lock, which ends with its process, even if that is killed. Without torch.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from rhovideo.errors import FolderNotOursError

logger = logging.getLogger(__name__)

# Processes of a killed job may need a moment to end; the same command started again at once waits for them.
PATIENCE = 15.0
# A submission asks SLURM a few questions for each of its stages.
_SUBMISSION_PATIENCE = 60.0
# Lists of a million videos, or a miniature's videos on a slow machine.
_WRITING_PATIENCE = 600.0
_LOCK = ".lock"
_SUBMISSION_LOCK = ".submission.lock"
_WRITING_LOCK = ".writing.lock"


@contextlib.contextmanager
def held(output_dir: str | Path, patience: float = PATIENCE) -> Iterator[None]:
    """Make OUTPUT_DIR and hold it for this job; call it on rank 0. The hold ends with the process at the latest.

    Args:
        output_dir: the folder.
        patience: seconds to wait for another job that holds it.

    Raises:
        FolderNotOursError: nothing can be written there, or another job is running in it.
    """
    busy = f"another job is running in OUTPUT_DIR {output_dir}: wait for its end, or write another OUTPUT_DIR"
    with _locked(Path(output_dir), _LOCK, patience, busy, "OUTPUT_DIR "):
        yield


def is_held(output_dir: str | Path) -> bool:
    """True if a running job holds the folder, on any machine; False if the file system has no locks."""
    try:
        with (Path(output_dir) / _LOCK).open("rb") as file:
            # Shared, so that two calls at the same time do not take each other for a job.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextlib.contextmanager
def held_to_submit(folder: str | Path, patience: float = _SUBMISSION_PATIENCE) -> Iterator[None]:
    """Make a run folder or a study, and let no other command submit into it meanwhile. Jobs may run there.

    Args:
        folder: the folder.
        patience: seconds to wait for another submission.

    Raises:
        FolderNotOursError: nothing can be written there, or the other submission does not end.
    """
    busy = f"another submission into {folder} is under way: wait for its end, or end it"
    with _locked(Path(folder), _SUBMISSION_LOCK, patience, busy):
        yield


@contextlib.contextmanager
def held_to_write(folder: str | Path, patience: float = _WRITING_PATIENCE) -> Iterator[None]:
    """Make a folder that several commands fill with the same files, and let no other one write into it meanwhile.

    Args:
        folder: the folder.
        patience: seconds to wait for another command that writes.

    Raises:
        FolderNotOursError: nothing can be written there, or the other command does not end.
    """
    busy = f"another command is writing into {folder}: wait for its end, or end it"
    with _locked(Path(folder), _WRITING_LOCK, patience, busy):
        yield


@contextlib.contextmanager
def _locked(folder: Path, name: str, patience: float, busy: str, key: str = "") -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / name).open("a")
    except OSError as error:
        raise FolderNotOursError(
            f"{key}{folder} cannot be written to ({error.strerror}): write another folder, or mend this one"
        ) from error
    with file:
        _lock(file, busy, time.monotonic() + patience)
        yield


def _lock(file: IO[str], busy: str, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise FolderNotOursError(busy) from None
            time.sleep(0.1)
        except OSError as error:
            # Some network file systems have none.
            logger.warning(
                "%s: no file locks here (%s), so a second job is not kept out of this folder: start one at a time",
                *(file.name, error.strerror),
            )
            return
