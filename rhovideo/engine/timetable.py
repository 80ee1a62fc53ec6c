"""The position of a training in its epochs, and the plan of its evaluations and checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

from fvcore.common.config import CfgNode


@dataclass
class Position:
    """The epochs and steps of a training that are complete.

    Attributes:
        epoch: complete epochs.
        step: complete steps of the next epoch.
        global_step: complete steps in all.
    """

    epoch: int = 0
    step: int = 0
    global_step: int = 0


@dataclass(frozen=True)
class Timetable:
    """The length of a training, and its evaluations and checkpoints.

    Attributes:
        epochs: SOLVER.MAX_EPOCH.
        steps_per_epoch: optimizer steps of an epoch.
        evaluation_period: epochs from one evaluation to the next (TRAIN.EVAL_PERIOD); 0: no evaluation.
        checkpoint_period: epochs from one checkpoint to the next (TRAIN.CHECKPOINT_PERIOD).
    """

    epochs: int
    steps_per_epoch: int
    evaluation_period: int
    checkpoint_period: int

    @classmethod
    def from_cfg(cls, cfg: CfgNode, steps_per_epoch: int) -> Timetable:
        """The timetable of a configuration whose training list makes ``steps_per_epoch`` steps."""
        return cls(cfg.SOLVER.MAX_EPOCH, steps_per_epoch, cfg.TRAIN.EVAL_PERIOD, cfg.TRAIN.CHECKPOINT_PERIOD)

    def is_over(self, at: Position) -> bool:
        """True where all epochs are complete."""
        return at.epoch >= self.epochs

    def epochs_done(self, at: Position) -> float:
        """Epochs with the fraction of the one that is under way, on which the learning rate depends."""
        return at.epoch + at.step / self.steps_per_epoch

    def evaluation_due(self, at: Position) -> bool:
        """True at the end of an epoch that is evaluated."""
        if not self.evaluation_period or at.step or not at.epoch:
            return False
        return self.is_over(at) or at.epoch % self.evaluation_period == 0

    def checkpoint_due(self, at: Position) -> bool:
        """True at the end of an epoch that is saved: before an evaluation too, so that a stop in it loses no step."""
        return self.is_over(at) or at.epoch % self.checkpoint_period == 0 or self.evaluation_due(at)

    def describe(self, at: Position) -> str:
        """The position in the form of the log's lines, which count from 1."""
        if not at.step:
            return f"after epoch {at.epoch}/{self.epochs}"
        return f"in epoch {at.epoch + 1}/{self.epochs} after iter {at.step}/{self.steps_per_epoch}"
