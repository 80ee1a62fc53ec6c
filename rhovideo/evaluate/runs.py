"""Whether a folder is free for a run, has finished just this one, or holds another. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.loading import load
from rhovideo.config.problems import ConfigError
from rhovideo.errors import JobError
from rhovideo.evaluate.report import differences
from rhovideo.lineage import read_config
from rhovideo.run_folder import is_finished


def is_to_run(config: Path, cfg: CfgNode) -> bool:
    """Whether a run is to be started, or to go on, in the folder of its configuration's file.

    Args:
        config: where the configuration is written, or was by an earlier call.
        cfg: what it is to be.

    Returns:
        False where just this run has finished, on whatever machines.

    Raises:
        JobError: the folder holds another run, which a start would go on with.
    """
    folder = config.parent
    before = read_config(folder) or _written_before(config)
    if not before:
        return True
    changed = differences(before, cfg)
    if changed:
        raise JobError(
            f"{folder} holds another run, which differs in {', '.join(changed[:4])}: write another --out, or remove it"
        )
    return not is_finished(folder)


def _written_before(config: Path) -> Mapping[str, Any]:
    """The configuration of a run that waits in a queue, or was ended before it began."""
    try:
        return load(config).cfg if config.exists() else {}
    except ConfigError:
        return {}
