"""The parts of a logger, and the run that it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class LoggedRun:
    """The run that a logger writes about.

    Attributes:
        folder: OUTPUT_DIR, absolute.
        project: LOGGERS.PROJECT, under which a server shows the run.
        name: the run's name for people.
        group: the name of its study; empty without one.
        tags: LOGGERS.TAGS, and the cell of its study.
        first_step: steps that were complete when this launch began; 0 in a new run.
        settings: the configuration: dotted keys and their values.
        tensorboard_folder: TENSORBOARD.LOG_DIR in OUTPUT_DIR.
    """

    folder: Path
    project: str
    name: str
    group: str = ""
    tags: tuple[str, ...] = ()
    first_step: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)
    tensorboard_folder: Path = Path("tensorboard")


class RunLogger(Protocol):
    """A logger. It is made, called and closed in a thread of rank 0.

    It may be slow and may raise: :class:`rhovideo.engine.loggers.guarded.Guarded` keeps that from the training.
    A logger that has no use for pictures or embeddings does nothing with them.
    """

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Take in finite numbers of one step.

        Args:
            values: by names such as ``train/loss`` or ``val_epoch/knn_top1``.
            step: complete steps of the training, over all epochs.
        """

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Take in a picture.

        Args:
            name: such as ``clips``.
            pixels: uint8 [H, W, 3], RGB.
            step: as for :meth:`numbers`.
        """

    def embeddings(self, rows: np.ndarray, labels: np.ndarray, step: int) -> None:
        """Take in embeddings of training videos.

        Args:
            rows: float32 [N, D].
            labels: int64 [N], their classes.
            step: as for :meth:`numbers`.
        """

    def close(self) -> None:
        """Finish, when the training ends or stops."""
