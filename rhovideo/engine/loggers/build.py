"""The loggers that a configuration names, as one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from fvcore.common.config import CfgNode

from rhovideo.config.extension.registries import LOGGERS
from rhovideo.config.keys import leaves
from rhovideo.engine.loggers.guarded import Guarded
from rhovideo.engine.loggers.protocol import LoggedRun, RunLogger
from rhovideo.runs.records import STUDY_FILE


class Loggers:
    """All loggers of a run, on rank 0; on the other ranks there are none.

    Args:
        cfg: LOGGERS.*, TENSORBOARD.*, OUTPUT_DIR.
        rank: this process.
        first_step: the step that a resumed run goes on from, counted over all epochs.
        evaluated: as of :class:`LoggedRun`.
    """

    def __init__(self, cfg: CfgNode, rank: int = 0, first_step: int = 0, evaluated: bool = False) -> None:
        names = logger_names(cfg) if rank == 0 else []
        run = logged_run(cfg, first_step, evaluated)
        self._loggers = [Guarded(name, partial(_make, name, run)) for name in names]

    def __bool__(self) -> bool:
        return bool(self._loggers)

    def write(self, group: str, values: Mapping[str, object], step: int) -> None:
        """Pass on every finite number as ``group/name``; everything else is left out.

        Args:
            group: first part of the numbers' names.
            values: by their names.
            step: of the training, counted over all epochs.
        """
        numbers = {
            f"{group}/{name}": float(value)
            for name, value in values.items()
            if isinstance(value, (int, float)) and math.isfinite(value)
        }
        for logger in self._loggers:
            logger.numbers(numbers, step)

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Pass on a picture, uint8 [H, W, 3], RGB."""
        for logger in self._loggers:
            logger.picture(name, pixels, step)

    def embeddings(self, rows: np.ndarray, labels: np.ndarray, step: int) -> None:
        """Pass on embeddings, float32 [N, D], and their labels, int64 [N]."""
        for logger in self._loggers:
            logger.embeddings(rows, labels, step)

    def close(self) -> None:
        """Let all finish."""
        for logger in self._loggers:
            logger.close()
        self._loggers = []


def logger_names(cfg: CfgNode) -> list[str]:
    """The names in LOGGERS.USE, each once; TENSORBOARD.ENABLE adds tensorboard."""
    names = dict.fromkeys(cfg.LOGGERS.USE)
    return list(names | ({"tensorboard": None} if cfg.TENSORBOARD.ENABLE else {}))


def logged_run(cfg: CfgNode, first_step: int = 0, evaluated: bool = False) -> LoggedRun:
    """The run of a configuration, as its loggers name it.

    Args:
        cfg: LOGGERS.*, TENSORBOARD.LOG_DIR, OUTPUT_DIR and all that is shown as the run's settings.
        first_step: complete steps at this launch.
        evaluated: as of :class:`LoggedRun`.
    """
    folder = Path(cfg.OUTPUT_DIR).absolute()
    study = next((parent for parent in list(folder.parents)[:2] if (parent / STUDY_FILE).exists()), None)
    cell = folder.relative_to(study).as_posix() if study else ""
    return LoggedRun(
        folder,
        cfg.LOGGERS.PROJECT,
        cfg.LOGGERS.NAME or cell or folder.name,
        study.name if study else "",
        # W&B takes tags of at most 64 letters.
        tuple(tag[:64] for tag in (*cfg.LOGGERS.TAGS, *([Path(cell).parts[0]] if cell else []))),
        first_step,
        evaluated,
        dict(leaves(cfg)),
        folder / (cfg.TENSORBOARD.LOG_DIR or "tensorboard"),
    )


def _make(name: str, run: LoggedRun) -> RunLogger:
    made: RunLogger = LOGGERS.builder(name)(run)
    return made
