"""The parts of a logger, and the run that it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


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
        evaluated: whether the launch before has logged the evaluation after that step, which a resume makes again.
        settings: the configuration: dotted keys and their values.
        tensorboard_folder: TENSORBOARD.LOG_DIR in OUTPUT_DIR.
    """

    folder: Path
    project: str
    name: str
    group: str = ""
    tags: tuple[str, ...] = ()
    first_step: int = 0
    evaluated: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    tensorboard_folder: Path = Path("tensorboard")

    def is_repeated(self, name: str, step: int) -> bool:
        """True for a number of that evaluation, which a server has already."""
        return self.evaluated and step == self.first_step and name.startswith("val_")


class ServerAwayError(Exception):
    """A server does not answer now, and the same call may be made again later."""


class RunLogger(Protocol):
    """A logger. It is made, called and closed in a thread of rank 0.

    It may be slow and may raise: :class:`rhovideo.engine.loggers.guarded.Guarded` keeps that from the training. After
    :class:`ServerAwayError` the call is made again in a while; any other error ends the logger.
    It may have three more methods, which are called where they are there:

    - ``picture(name, pixels, step)``: an image, uint8 [H, W, 3], RGB, with a name such as ``clips``;
    - ``embeddings(rows, labels, step)``: those of training videos, float32 [N, D], and their classes, int64 [N];
    - ``close()``: the training has ended or was stopped.
    """

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Take in finite numbers of one step.

        Args:
            values: by names such as ``train/loss`` or ``val_epoch/knn_top1``.
            step: complete steps of the training, over all epochs.
        """
