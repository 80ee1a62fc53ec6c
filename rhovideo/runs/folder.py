"""The names of files in a run folder (OUTPUT_DIR).

Imports no torch, so that a submission and a batch script can look into a run without torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rhovideo.atomic_files import append_line

# The resolved configuration, written when an attempt begins.
CONFIG_FILE = "config.yaml"
# Rank 0's log; its numbers, a line for each step and epoch.
LOG_FILE = "stdout.log"
STATS_FILE = "json_stats.log"
# The task's final numbers, written last.
RESULTS_FILE = "results.json"
# Parameters and multiply-adds of a training's encoder and heads.
SIZE_FILE = "model_size.json"
# The files that the result depends on, by the hash of their content; written before config.yaml.
INPUTS_FILE = "inputs.json"
# The sizes of the videos that its lists name.
VIDEO_SIZES_FILE = "video_sizes.npz"
# The features of TASK extract, once all are made.
FEATURES_FILE = "features.npy"
# The report of the last failure, the first rank's traceback on top.
FAILURE_FILE = "failure.txt"
_CHECKPOINT = re.compile(r"checkpoint_epoch_(\d{5,})(?:_step_(\d{7,}))?\.pyth")


def checkpoint_folder(output_dir: str | Path) -> Path:
    """The folder of a run's checkpoints."""
    return Path(output_dir) / "checkpoints"


def checkpoint_path(output_dir: str | Path, epoch: int, step: int) -> Path:
    """The file for ``epoch`` complete epochs and ``step`` complete steps of the next one."""
    within = f"_step_{step:07d}" if step else ""
    return checkpoint_folder(output_dir) / f"checkpoint_epoch_{epoch:05d}{within}.pyth"


def list_checkpoints(output_dir: str | Path) -> list[Path]:
    """All checkpoints of a run, the furthest first, verified or not."""
    return [path for _, _, path in _positions(output_dir)]


def progress(output_dir: str | Path) -> tuple[int, int]:
    """The furthest checkpoint's number of complete epochs, and of complete steps of the next one; (0, 0) if none."""
    positions = _positions(output_dir)
    return positions[0][:2] if positions else (0, 0)


def _positions(output_dir: str | Path) -> list[tuple[int, int, Path]]:
    try:
        paths = list(checkpoint_folder(output_dir).glob("checkpoint_epoch_*.pyth"))
    except OSError:
        # A name that no folder can have; the error comes when the folder is to be made.
        return []
    matches = [(_CHECKPOINT.fullmatch(path.name), path) for path in paths]
    return sorted(((int(match[1]), int(match[2] or 0), path) for match, path in matches if match), reverse=True)


def read_results(output_dir: str | Path) -> Mapping[str, Any]:
    """The final numbers of a run, with its task; empty as long as there are none, or where the file is damaged."""
    try:
        found = json.loads((Path(output_dir) / RESULTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_finished(output_dir: str | Path) -> bool:
    """True if the last attempt has finished: it takes an earlier results.json away first, and writes its own last.

    A folder without inputs.json is of an earlier version, which left results.json there and wrote config.yaml anew.
    """
    results = Path(output_dir) / RESULTS_FILE
    # os.path: a name that no folder can have is found by its own check.
    if not os.path.exists(results):
        return False
    recorded = os.path.exists(Path(output_dir) / INPUTS_FILE)
    return recorded or changed(results) >= changed(Path(output_dir) / CONFIG_FILE)


def changed(path: Path) -> float:
    """The time at which a file was written last, in seconds since 1970; 0 if there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def append_to_log(output_dir: str | Path, text: str) -> None:
    """Add ``text`` to the run's log, from outside of its processes; does nothing if the log cannot be written."""
    with contextlib.suppress(OSError):
        append_line(Path(output_dir) / LOG_FILE, text)
