"""The run's id on a server, kept in the run folder, so that a resume goes on in the same run there."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from rhovideo.atomic_files import write_text

REMOTE_RUNS_FILE = "loggers.json"
# Each logger has a thread, and two may start at once.
_LOCK = threading.Lock()


def read_id(folder: Path, logger: str) -> str | None:
    """The id that this logger has written; None if there is none.

    Args:
        folder: OUTPUT_DIR.
        logger: its name.
    """
    try:
        ids = json.loads((folder / REMOTE_RUNS_FILE).read_text(encoding="utf-8"))
        found = ids.get(logger)
    except (FileNotFoundError, ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def write_id(folder: Path, logger: str, run_id: str) -> None:
    """Write the id of this logger; those of the others stay.

    Args:
        folder: OUTPUT_DIR.
        logger: its name.
        run_id: the server's.
    """
    with _LOCK:
        path = folder / REMOTE_RUNS_FILE
        try:
            ids = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            ids = {}
        ids = ids if isinstance(ids, dict) else {}
        write_text(path, json.dumps({**ids, logger: run_id}, indent=2) + "\n")
