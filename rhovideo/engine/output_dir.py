"""OUTPUT_DIR belongs to one running job: two in one folder would mix their logs and remove each other's checkpoints."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator
from pathlib import Path

from rhovideo.errors import FolderNotOursError

logger = logging.getLogger(__name__)

# Processes of a killed job may need a moment to end; the same command started again at once waits for them.
PATIENCE = 15.0


@contextlib.contextmanager
def held(output_dir: str | Path, patience: float = PATIENCE) -> Iterator[None]:
    """Make OUTPUT_DIR and hold it for this job; call on rank 0. The hold ends with the process, however that ends.

    Args:
        output_dir: the folder.
        patience: seconds to wait for another job that holds it.

    Raises:
        FolderNotOursError: nothing can be written there, or another job is running in it.
    """
    folder = Path(output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError as error:
        raise FolderNotOursError(
            f"OUTPUT_DIR {folder} cannot be written to ({error.strerror}): write another folder, or mend this one"
        ) from error
    with file:
        _lock(file, folder, time.monotonic() + patience)
        yield


def _lock(file, folder: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise FolderNotOursError(
                    f"another job is running in OUTPUT_DIR {folder}: wait for its end, or write another OUTPUT_DIR"
                ) from None
            time.sleep(0.1)
        except OSError as error:
            logger.debug("%s: no file locks here (%s)", folder, error)
            return
