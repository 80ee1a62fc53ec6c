"""Everything that the next step of a training depends on: saved after a step, and found again by a resume."""

from __future__ import annotations

import copy
import logging
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml
from fvcore.common.config import CfgNode
from torch import nn
from torch.optim import Optimizer

from rhovideo import distributed
from rhovideo.checks.lists.class_agreement import names_of_lists
from rhovideo.checks.lists.training_list import Judged, TrainingList
from rhovideo.config.extension.registries import lists_itself
from rhovideo.config.task_defaults import CLASSIFIES
from rhovideo.data.lists.kept_rows import KeptRows
from rhovideo.data.lists.tried_videos import TriedVideos
from rhovideo.data.loading.loader import Loader
from rhovideo.data.loading.shuffling import is_keyed
from rhovideo.engine.checkpoints.checkpoint import (
    FORMAT,
    CheckpointError,
    newest_checkpoint_of_all,
    save_checkpoint,
)
from rhovideo.engine.checkpoints.resuming import other_settings
from rhovideo.engine.timetable import Position
from rhovideo.runs.folder import checkpoint_path, list_checkpoints

logger = logging.getLogger(__name__)


class SavedTask(Protocol):
    """The part of a training task that checkpoints need."""

    @property
    def model(self) -> nn.Module:
        """The trained module."""

    def state_dict(self) -> dict[str, Any]:
        """State of the task, without that of the model."""

    def load_state_dict(self, state: dict[str, Any], rows: KeptRows | None = None) -> None:
        """Take over what :meth:`state_dict` gave; ``rows``: since then others were taken out of the training list."""


class TrainingState:
    """Model, optimizer, scaler and task of a training, and how far it is.

    Args:
        cfg: the job's; a checkpoint holds it.
        task: with the model.
        optimizer: of the model's parameters.
        scaler: of float16 gradients, which may be off.
        loader: of the training videos.

    Attributes:
        position: how far the training is, moved on by the loop.
        videos: those that all processes have tried up to this position.
        last_checkpoint: that of this training, which others may have left in the folder too; on rank 0 once it saved.
    """

    def __init__(
        self, cfg: CfgNode, task: SavedTask, optimizer: Optimizer, scaler: torch.amp.GradScaler, loader: Loader
    ) -> None:
        self._cfg = cfg
        self._task = task
        self._optimizer = optimizer
        self._scaler = scaler
        self._loader = loader
        self.position = Position()
        self.last_checkpoint: Path | None = None
        self._resumed_at = (0, 0)
        self.videos = TriedVideos(len(loader.dataset))

    def save(self) -> None:
        """Write a checkpoint on rank 0 while the others wait; every process must call it.

        Raises:
            CheckpointError: it could not be written.
        """
        if distributed.is_main():
            path = checkpoint_path(self._cfg.OUTPUT_DIR, self.position.epoch, self.position.step)
            save_checkpoint(self._content(), path, self._cfg.TRAIN.CHECKPOINT_KEEP)
            self.last_checkpoint = path
            logger.info("Checkpoint: %s", path)
        distributed.barrier()

    def resume(self) -> Path | None:
        """Go on from the newest checkpoint in OUTPUT_DIR that can be read; every process must call it.

        Returns:
            Its path; None where there is no checkpoint.

        Raises:
            CheckpointError: none of those there can be read, or the newest is of another model or list of videos.
        """
        found = newest_checkpoint_of_all(self._cfg.OUTPUT_DIR)
        if found is None:
            if list_checkpoints(self._cfg.OUTPUT_DIR):
                raise CheckpointError(
                    f"{self._cfg.OUTPUT_DIR}/checkpoints: no checkpoint in it can be read. "
                    "Remove them to start again, or set TRAIN.AUTO_RESUME False."
                )
            return None
        path, content = found
        self.last_checkpoint = path
        rows = self._rows_kept(content)
        self._load(path, content, rows)
        if rows is None:
            self._check_epoch(path, content)
        self.position = self._position(content)
        self.videos.load_state_dict(content.get("videos", {}), None if rows is None else rows.origin)
        changed = other_settings(yaml.safe_load(content["cfg"]), self._cfg)
        if changed and distributed.is_main():
            logger.warning(
                "Some settings have changed since the run began, and are used from here on: %s. To train with them "
                "from the start, write another OUTPUT_DIR",
                "; ".join(changed),
            )
        return path

    def record_list(self) -> None:
        """Write the training list into the run's history on rank 0, with the checkpoint that the run goes on from."""
        if distributed.is_main():
            TrainingList(self._cfg, self._loader.dataset.manifest).record(self._resumed_at)

    def _rows_kept(self, content: dict[str, Any]) -> KeptRows | None:
        """The rows of the training list in that of the checkpoint, where some were taken out; None where none was.

        Raises:
            CheckpointError: rows were added or changed.
        """
        self._resumed_at = content["epoch"], content["step"]
        # Rank 0 reads for all: on a network file system the others may still see an older history.
        judged = None
        if distributed.is_main():
            judged = TrainingList(self._cfg, self._loader.dataset.manifest).judge(self._resumed_at)
        judged = distributed.gather_objects(judged)[0] or Judged()
        if judged.finding is not None and judged.rows is None:
            raise CheckpointError(str(judged.finding), keys=judged.finding.keys)
        if judged.finding is not None and distributed.is_main():
            # Of a list of videos, the start has shown it on the terminal.
            logger.warning(judged.finding, extra={"for_files": not lists_itself(self._cfg)})
        return judged.rows

    def _position(self, content: dict[str, Any]) -> Position:
        """The position of a checkpoint; the end of its epoch, where a shorter list has no such step."""
        if content["step"] < self._loader.steps_per_epoch:
            return Position(content["epoch"], content["step"], content["global_step"])
        return Position(content["epoch"] + 1, 0, content["global_step"])

    def _content(self) -> dict[str, Any]:
        """The entries that :mod:`rhovideo.engine.checkpoints.checkpoint` lists."""
        return {
            "format": FORMAT,
            "task": self._cfg.TASK,
            "cfg": self._cfg.dump(),
            "epoch": self.position.epoch,
            "step": self.position.step,
            "global_step": self.position.global_step,
            "epoch_layout": self._epoch_layout(),
            "model_state": self._task.model.state_dict(),
            "optimizer_state": self._optimizer.state_dict(),
            "scaler_state": self._scaler.state_dict(),
            "task_state": self._task.state_dict(),
            "videos": self.videos.state_dict(),
            **self._class_names(),
        }

    def _class_names(self) -> dict[str, list[str]]:
        """The names of a classifier's classes, where its lists have names."""
        names = names_of_lists(self._cfg) if self._cfg.TASK in CLASSIFIES else []
        return {"class_names": names} if names else {}

    def _load(self, path: Path, content: dict[str, Any], rows: KeptRows | None) -> None:
        try:
            self._task.model.load_state_dict(content["model_state"])
            # These may keep the tensors that they are given, which belong to the file.
            self._optimizer.load_state_dict(copy.deepcopy(content["optimizer_state"]))
            if content["scaler_state"]:  # empty where it was off, as float16 is on a CPU
                self._scaler.load_state_dict(copy.deepcopy(content["scaler_state"]))
            self._task.load_state_dict(copy.deepcopy(content["task_state"]), rows)
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{path}: belongs to a run of TASK {content['task']} with another model, optimizer or list of videos "
                f"({textwrap.shorten(f'{type(error).__name__}: {error}', 300)}). "
                "Write another OUTPUT_DIR, or set TRAIN.AUTO_RESUME False to start again in this one."
            ) from error

    def _check_epoch(self, path: Path, content: dict[str, Any]) -> None:
        """Raise an error where the rest of the epoch would not be the videos that the checkpoint's run had left."""
        before, now = content["epoch_layout"], self._epoch_layout()
        if content["step"] and before != now:
            raise CheckpointError(
                f"{path}: is from the middle of an epoch of {_layout_text(before)}, and there are "
                f"{_layout_text(now)} now, so what is left of it is not known. Go back to that "
                "run's TRAIN.BATCH_SIZE, list of videos or rhovideo, or remove this file to go on from an earlier one."
            )

    def _epoch_layout(self) -> dict[str, int | str]:
        """The numbers that decide which videos come after a step of an epoch."""
        videos = len(self._loader.dataset)
        layout: dict[str, int | str] = {"videos": videos, "global_batch": self._loader.global_batch}
        if is_keyed(videos):
            # The other order, drawn as a whole, was once the only one, and has no name in a checkpoint.
            layout["order"] = "keyed"
        return layout


def _layout_text(layout: Mapping[str, int | str]) -> str:
    order = f", in {layout['order']} order" if "order" in layout else ""
    return f"{layout['videos']} videos in steps of {layout['global_batch']}{order}"
