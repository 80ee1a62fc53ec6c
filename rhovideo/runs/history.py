"""OUTPUT_DIR/history.jsonl: what has changed in a run's life, one event a line; lines are only ever added.

``training_list``  the training list that the run goes on with from the checkpoint at ``from`` ([epoch, step]; [0, 0] at
                   the start): ``csv``, ``videos``, ``base`` (the folder that all videos are in), ``fingerprint``,
                   ``rows``, the file of OUTPUT_DIR with one digest a video (uint64, .npy), and ``mixture``, name and
                   weight of each part of a list that has parts, else None
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rhovideo.atomic_files import append_line

FILE_NAME = "history.jsonl"
TRAINING_LIST = "training_list"


def append_event(output_dir: str | Path, event: str, values: Mapping[str, Any]) -> None:
    """Add an event to a run's history, as a line.

    Args:
        output_dir: the run's folder, which must exist.
        event: its kind.
        values: what JSON can hold.
    """
    append_line(Path(output_dir) / FILE_NAME, json.dumps({"event": event, **values}))


def read_events(output_dir: str | Path, event: str) -> list[dict[str, Any]]:
    """The events of a kind, the oldest first; a line that was cut off is left out."""
    try:
        lines = (Path(output_dir) / FILE_NAME).read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, ValueError):
        return []
    events = []
    for line in lines:
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and values.get("event") == event:
            events.append(values)
    return events


def list_of_checkpoint(output_dir: str | Path, position: tuple[int, int]) -> dict[str, Any] | None:
    """The event of the training list that a checkpoint was trained on; None where an earlier version wrote it.

    Args:
        output_dir: the run's folder.
        position: complete epochs, and complete steps of the next one, of the checkpoint.
    """
    # A run that goes on from a checkpoint only writes later ones.
    events = [event for event in read_events(output_dir, TRAINING_LIST) if tuple(event["from"]) < position]
    return events[-1] if events and os.path.exists(Path(output_dir) / events[-1]["rows"]) else None
