"""Which runs a run's weights come from, as their config.yaml files tell. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from rhovideo.runs.folder import CONFIG_FILE

_LONGEST = 10


def read_config(run: Path) -> Mapping[str, Any]:
    """The resolved configuration that a run has written; empty before it has begun, and where it is damaged."""
    try:
        values = yaml.load((run / CONFIG_FILE).read_text(encoding="utf-8"), _Loader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return {}
    return values if isinstance(values, dict) else {}


# Several times faster, where PyYAML was built with it.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def lineage(run: Path) -> list[Path]:
    """The runs whose checkpoints lead to this one, the first one first, this one last.

    A run that took its weights from somewhere else than a run folder that is still there begins the list.
    """
    runs = [run]
    while len(runs) < _LONGEST:
        source = _source(runs[-1])
        if source is None or source in runs:
            break
        runs.append(source)
    return runs[::-1]


def _source(run: Path) -> Path | None:
    """The run folder of the checkpoint that a run starts from or measures."""
    cfg = read_config(run)
    written = (cfg.get("TRAIN") or {}).get("CHECKPOINT_FILE_PATH") or ""
    if cfg.get("TASK") in ("test", "knn", "extract"):
        written = (cfg.get("TEST") or {}).get("CHECKPOINT_FILE_PATH") or written
    if not written:
        return None
    start = _start(run, cfg)
    files = [Path(written), *([start / written] if start else [])]
    # RUN/checkpoints/checkpoint_....pyth
    folders = [file.parent.parent for file in files]
    return next((folder for folder in folders if (folder / CONFIG_FILE).exists()), None)


def _start(run: Path, cfg: Mapping[str, Any]) -> Path | None:
    """The folder in which the run was started, to which its relative paths belong; None where nothing tells."""
    output = Path(cfg.get("OUTPUT_DIR") or "")
    parts = output.parts
    here = run.resolve()
    if output.is_absolute() or not parts or here.parts[-len(parts) :] != parts:
        return None
    return Path(*here.parts[: -len(parts)])
