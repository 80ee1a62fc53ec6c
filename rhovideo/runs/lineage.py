"""The runs that a run's weights come from, according to their config.yaml files. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rhovideo.config.task_defaults import MEASURES
from rhovideo.runs.folder import CONFIG_FILE

_LONGEST = 10


def read_config(run: Path) -> Mapping[str, Any]:
    """The resolved configuration that a run has written; empty if it has not begun, or if the file is damaged."""
    try:
        values = yaml.load((run / CONFIG_FILE).read_text(encoding="utf-8"), _Loader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return values if isinstance(values, dict) else {}


# Several times faster, if PyYAML was built with it.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def lineage(run: Path) -> list[Path]:
    """The chain of runs that ends with this one: each took its weights from the one before.

    The chain begins with a run that took its weights from elsewhere, or from a run folder that is no longer there.
    """
    runs = [run]
    while len(runs) < _LONGEST:
        source = _source(runs[-1])
        if source is None or source in runs:
            break
        runs.append(source)
    return runs[::-1]


def _source(run: Path) -> Path | None:
    """The run folder of the checkpoint that a run starts from or measures; None if it is not in one."""
    cfg = read_config(run)
    written = (cfg.get("TRAIN") or {}).get("CHECKPOINT_FILE_PATH") or ""
    if cfg.get("TASK") in MEASURES:
        written = (cfg.get("TEST") or {}).get("CHECKPOINT_FILE_PATH") or written
    if not written:
        return None
    start = started_in(run, cfg)
    files = [Path(written), *([start / written] if start else [])]
    # RUN/checkpoints/checkpoint_....pyth
    folders = [file.parent.parent for file in files]
    return next((folder for folder in folders if (folder / CONFIG_FILE).exists()), None)


def started_in(run: Path, cfg: Mapping[str, Any]) -> Path | None:
    """The folder in which the run was started, where its relative paths begin; None if that cannot be known."""
    output = Path(cfg.get("OUTPUT_DIR") or "")
    parts = output.parts
    here = run.resolve()
    if output.is_absolute() or not parts or here.parts[-len(parts) :] != parts:
        return None
    return Path(*here.parts[: -len(parts)])
