"""The training loop that pre-training, the linear protocol and fine-tuning share.

It knows neither methods nor classifiers: a :class:`TrainingTask` yields losses, the loop does the rest: gradients
over processes, mixed precision, the step, checkpoints, the log, and stopping on every process at the same step.
"""

from __future__ import annotations

import itertools
import logging
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
import yaml
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo import distributed, stopping
from rhovideo.data.lists.bad_videos import BadVideoLedger
from rhovideo.data.loading.loader import Batch, Loader
from rhovideo.data.loading.shuffling import is_keyed
from rhovideo.engine.checkpoint import (
    FORMAT,
    CheckpointError,
    newest_checkpoint,
    save_checkpoint,
)
from rhovideo.engine.device_inputs import autocast, job_device, mixed_precision
from rhovideo.engine.gradients import GradientAverager
from rhovideo.engine.resuming import other_settings
from rhovideo.engine.step_logger import StepLogger
from rhovideo.errors import JobError
from rhovideo.optim import build_optimizer, describe_learning_rate, learning_rate, rate_factor, set_learning_rate
from rhovideo.randomness import Stream
from rhovideo.runs.folder import checkpoint_path, list_checkpoints
from rhovideo.seeding import seed_everything

logger = logging.getLogger(__name__)


class TrainingStopped(JobError):
    """Training cannot go on; the message says why and what to do. Raised on all processes at the same step."""


class TrainingTask(Protocol):
    """What the loop trains."""

    model: nn.Module

    def losses(self, batch: Batch, progress: float) -> Iterator[Tensor]:
        """Scalar sub-losses whose sum is stepped on; each is back-propagated before the next is asked for."""

    def num_losses(self, batch: Batch) -> int:
        """How many ``losses`` will yield."""

    def after_backward(self, progress: float, step: int) -> bool:
        """Called after the backward passes; False vetoes the optimizer's step."""

    def after_batch(self, batch: Batch) -> None:
        """Called once the batch's losses are back-propagated, for bookkeeping such as the k-NN bank."""

    def signals(self) -> dict[str, float | Tensor]:
        """Numbers of the last step for the log, beside the loss."""

    def evaluate(self) -> dict[str, float]:
        """Numbers on the validation set, the same on every process; empty where there is nothing to evaluate."""

    def state_dict(self) -> dict: ...

    def load_state_dict(self, state: dict) -> None: ...


@dataclass
class Position:
    """How far training is: complete epochs, complete steps of the next one, steps in all."""

    epoch: int = 0
    step: int = 0
    global_step: int = 0


class Trainer:
    """Trains a task to MAX_EPOCH, from the newest checkpoint in OUTPUT_DIR where there is one.

    Args:
        cfg: as :func:`rhovideo.engine.resuming.settle` leaves it.
        task: what is trained.
        loader: of the training videos.
        factor: of the learning rates, as at the run's first launch; None: as configured.
    """

    def __init__(self, cfg: CfgNode, task: TrainingTask, loader: Loader, factor: float | None = None) -> None:
        self.cfg = cfg
        self.task = task
        self.loader = loader
        self.device = job_device(cfg)
        self.optimizer = build_optimizer(cfg, task.model)
        self.parameters = [p for p in task.model.parameters() if p.requires_grad]
        self.gradients = GradientAverager(self.parameters)
        fp16 = mixed_precision(cfg, self.device) and cfg.TRAIN.AMP_DTYPE == "float16"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=fp16)
        self.rate_factor = rate_factor(cfg, loader.global_batch) if factor is None else factor
        self.position = Position()
        self.ledger = BadVideoLedger(cfg.OUTPUT_DIR, cfg.DATA.MAX_BAD_VIDEO_SHARE, distributed.rank())
        self.last_checkpoint = time.monotonic()
        self.videos = {"tried": 0, "bad": 0}
        self.stop_agreed = False

    def train(self) -> dict[str, float]:
        """Run all remaining epochs and return the last evaluation's numbers; where none remain, evaluate only.

        Raises:
            Stopped: a process was asked to stop. All raise it at the same step, and the checkpoint of it is written.
        """
        logger.info(describe_learning_rate(self.cfg, self.loader.global_batch, self.rate_factor))
        if self.cfg.TRAIN.ACCUMULATE_STEPS > 1 and self.cfg.TASK != "linear":
            logger.warning("Batch norm takes its statistics from each of the micro-batches of TRAIN.ACCUMULATE_STEPS")
        distributed.broadcast_module(self.task.model)
        if self.cfg.TRAIN.AUTO_RESUME:
            self._resume()
        self.log = StepLogger(self.cfg, self.loader.steps_per_epoch, self.device, self.position.global_step)
        try:
            return self._train()
        except stopping.Stopped as stopped:
            # On a terminal the launcher says it.
            logger.info("%s", stopped, extra={"for_files": True})
            raise
        finally:
            self.log.close()

    def _train(self) -> dict[str, float]:
        results: dict[str, float] = {}
        if self.position.epoch >= self.cfg.SOLVER.MAX_EPOCH:
            logger.info("Trained to SOLVER.MAX_EPOCH %d already", self.cfg.SOLVER.MAX_EPOCH)
        if self.position.epoch and not self.position.step:
            self.log.start_epoch(self.position.epoch - 1, self.loader.steps_per_epoch)
        while True:
            # Also right after a resume: that evaluation may be what the run was stopped in.
            if self._evaluation_due():
                results = self._evaluate() or results
            if self.position.epoch >= self.cfg.SOLVER.MAX_EPOCH:
                return results
            self._train_epoch()
            self._finish_epoch()

    def _train_epoch(self) -> None:
        self.task.model.train()
        self.log.start_epoch(self.position.epoch, self.position.step)
        batches = iter(self.loader.epoch(self.position.epoch, self.position.step))
        while self.position.step < self.loader.steps_per_epoch:
            micro_batches = [next(batches) for _ in range(self.cfg.TRAIN.ACCUMULATE_STEPS)]
            self.log.data_arrived()
            rate, values, checkpoint_due = self._train_step(micro_batches)
            self.log.step(self.position.step, rate, values)
            self.position.step += 1
            self.position.global_step += 1
            if checkpoint_due and self.position.step < self.loader.steps_per_epoch:
                self._save()
                self._leave_if_agreed()
                self.log.pause()

    def _train_step(self, micro_batches: list[Batch]) -> tuple[float, dict, bool]:
        """One optimizer step; its learning rate, the log's values, and whether a checkpoint inside the epoch is due."""
        cfg, at = self.cfg, self.position
        seed_everything(Stream.STEP, cfg.RNG_SEED, at.global_step, distributed.rank())
        epoch = at.epoch + at.step / self.loader.steps_per_epoch
        progress = epoch / cfg.SOLVER.MAX_EPOCH
        rate = learning_rate(cfg, epoch, self.rate_factor)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        weight = 1 / len(micro_batches)
        loss = sum(self._accumulate(batch, progress, weight, batch is micro_batches[-1]) for batch in micro_batches)
        self.gradients.finish()
        loss, checkpoint_due = self._agree(loss, micro_batches)
        # Averaged before unscaling: an overflow on one rank then makes every rank skip the step.
        self.scaler.unscale_(self.optimizer)
        step_allowed = self.task.after_backward(progress, at.global_step)
        gradient_norm = self._clip_gradients()
        if step_allowed:
            self.scaler.step(self.optimizer)
        self.scaler.update()
        return rate, {"loss": loss, "grad_norm": gradient_norm, **self.task.signals()}, checkpoint_due

    def _accumulate(self, batch: Batch, progress: float, weight: float, last: bool) -> Tensor:
        """Back-propagate the losses of a batch, maybe the step's last, one by one and return their weighted sum."""
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        losses = iter(self.task.losses(batch, progress))
        for number in itertools.count(1):
            with autocast(self.cfg, self.device):
                loss = next(losses, None)
            if loss is None:
                self.task.after_batch(batch)
                return total
            if last and number == self.task.num_losses(batch):
                self.gradients.begin()
            self.scaler.scale(loss * weight).backward()
            total += loss.detach() * weight

    def _agree(self, loss: Tensor, batches: list[Batch]) -> tuple[float, bool]:
        """Average the loss over processes and decide on all of them alike whether to stop or to save.

        Raises:
            TrainingStopped: a loss is not finite, or too many videos cannot be read.
        """
        for batch in batches:
            self.ledger.record(batch)
        minutes = self.cfg.TRAIN.CHECKPOINT_MINUTES
        due = distributed.is_main() and 0 < minutes * 60 <= time.monotonic() - self.last_checkpoint
        asked = stopping.requested() is not None
        not_finite = ~torch.isfinite(loss)
        mine = torch.stack(
            [
                torch.where(not_finite, torch.zeros_like(loss), loss),
                not_finite.double(),
                *torch.tensor([due, asked, *self.ledger.counts()], dtype=torch.float64, device=self.device),
            ]
        )
        total, not_finite_ranks, due_ranks, asked_ranks, *videos = distributed.sum_over_ranks(mine).tolist()
        if not_finite_ranks:
            self._stop_on_loss(bool(not_finite), batches)
        verdict = self.ledger.verdict(torch.tensor(videos, dtype=torch.int64))
        if verdict is not None:
            raise TrainingStopped(verdict)
        self.videos = {"tried": int(videos[0]), "bad": int(videos[1])}
        self.stop_agreed = asked_ranks > 0
        return total / distributed.world_size(), bool(due_ranks or asked_ranks)

    def _stop_on_loss(self, mine: bool, batches: list[Batch]) -> None:
        names = [self.loader.dataset.manifest.path(int(i)) for batch in batches for i in batch.index] if mine else []
        names = [name for part in distributed.gather_objects(names) for name in part]
        at = self.position
        raise TrainingStopped(
            f"The loss is not finite at epoch {at.epoch + 1}, step {at.step + 1}. The videos of the batch:\n  "
            + "\n  ".join(names)
            + "\nLower SOLVER.BASE_LR, lengthen SOLVER.WARMUP_EPOCHS, set SOLVER.CLIP_GRAD_L2NORM or, if it was "
            "float16, TRAIN.AMP_DTYPE bfloat16; the last checkpoint is from before this step."
        )

    def _clip_gradients(self) -> Tensor:
        """Clip as the configuration says; the norm before clipping."""
        if self.cfg.SOLVER.CLIP_GRAD_VAL:
            nn.utils.clip_grad_value_(self.parameters, self.cfg.SOLVER.CLIP_GRAD_VAL)
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        if self.cfg.SOLVER.CLIP_GRAD_L2NORM:
            nn.utils.clip_grads_with_norm_(self.parameters, self.cfg.SOLVER.CLIP_GRAD_L2NORM, norm)
        return norm

    def _leave_if_agreed(self) -> None:
        """Raise Stopped on all processes where one was asked to stop during the last step, which is saved by now."""
        if self.stop_agreed:
            reason = stopping.requested() or "another process was asked to"
            raise stopping.Stopped(
                reason, f"stopped ({reason}) {self._where()}, which is saved; the same command goes on there"
            )

    def _where(self) -> str:
        """How far training is, in the words of the lines of its log, which count from 1."""
        at, epochs = self.position, self.cfg.SOLVER.MAX_EPOCH
        if not at.step:
            return f"after epoch {at.epoch}/{epochs}"
        return f"in epoch {at.epoch + 1}/{epochs} after iter {at.step}/{self.loader.steps_per_epoch}"

    def _finish_epoch(self) -> None:
        """Save where it is due: before an evaluation too, so that a stop in it loses no step."""
        self.log.end_epoch()
        self.position.epoch += 1
        self.position.step = 0
        last = self.position.epoch == self.cfg.SOLVER.MAX_EPOCH
        periodic = self.position.epoch % self.cfg.TRAIN.CHECKPOINT_PERIOD == 0
        if last or periodic or self.stop_agreed or self._evaluation_due():
            self._save()
        self._leave_if_agreed()

    def _evaluation_due(self) -> bool:
        """Whether training is at the end of an epoch that is evaluated."""
        at, period = self.position, self.cfg.TRAIN.EVAL_PERIOD
        if not period or at.step or not at.epoch:
            return False
        return at.epoch >= self.cfg.SOLVER.MAX_EPOCH or at.epoch % period == 0

    def _evaluate(self) -> dict[str, float]:
        # Batch-norm statistics differ between processes that do not share them: rank 0's are those of the checkpoint.
        distributed.broadcast_module(self.task.model)
        self.task.model.eval()
        with autocast(self.cfg, self.device):
            results = self.task.evaluate()
        self.log.evaluation(results)
        return results

    def _save(self) -> None:
        self.last_checkpoint = time.monotonic()
        if distributed.is_main():
            state = {
                "format": FORMAT,
                "task": self.cfg.TASK,
                "cfg": self.cfg.dump(),
                "epoch": self.position.epoch,
                "step": self.position.step,
                "global_step": self.position.global_step,
                "epoch_layout": self._epoch_layout(),
                "model_state": self.task.model.state_dict(),
                "optimizer_state": self.optimizer.state_dict(),
                "scaler_state": self.scaler.state_dict(),
                "task_state": self.task.state_dict(),
                "videos": self.videos,
            }
            path = checkpoint_path(self.cfg.OUTPUT_DIR, self.position.epoch, self.position.step)
            save_checkpoint(state, path, self.cfg.TRAIN.CHECKPOINT_KEEP)
            logger.info("Checkpoint: %s", path)
        distributed.barrier()

    def _epoch_layout(self) -> dict[str, int | str]:
        """What decides which videos come after a step of an epoch."""
        videos = len(self.loader.dataset)
        layout = {"videos": videos, "global_batch": self.loader.global_batch}
        # Orders that are drawn as a whole were the only ones once, and are not named.
        return {**layout, "order": "keyed"} if is_keyed(videos) else layout

    def _resume(self) -> None:
        found = newest_checkpoint(self.cfg.OUTPUT_DIR)
        if found is None:
            if list_checkpoints(self.cfg.OUTPUT_DIR):
                raise CheckpointError(
                    f"{self.cfg.OUTPUT_DIR}/checkpoints: no checkpoint in it can be read. "
                    "Remove them to start again, or set TRAIN.AUTO_RESUME False."
                )
            return
        path, state = found
        try:
            self.task.model.load_state_dict(state["model_state"])
            self.optimizer.load_state_dict(state["optimizer_state"])
            if state["scaler_state"]:  # empty where it was off, as float16 is on a CPU
                self.scaler.load_state_dict(state["scaler_state"])
            self.task.load_state_dict(state["task_state"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(
                f"{path}: belongs to a run of TASK {state['task']} with another model, optimizer or list of videos "
                f"({textwrap.shorten(f'{type(error).__name__}: {error}', 300)}). "
                "Write another OUTPUT_DIR, or set TRAIN.AUTO_RESUME False to start again in this one."
            ) from error
        if state["step"] and state["epoch_layout"] != self._epoch_layout():
            raise CheckpointError(
                f"{path}: is from the middle of an epoch of {_layout_text(state['epoch_layout'])}, and there are "
                f"{_layout_text(self._epoch_layout())} now, so what is left of it is not known. Go back to that "
                "run's TRAIN.BATCH_SIZE, list of videos or rhovideo, or remove this file to go on from an earlier one."
            )
        self.position = Position(state["epoch"], state["step"], state["global_step"])
        self.ledger.resume(**state.get("videos", {}))
        logger.info("Resuming from %s: %s", path, self._where())
        changed = other_settings(yaml.safe_load(state["cfg"]), self.cfg)
        if changed and distributed.is_main():
            logger.warning(
                "From here on other settings count than until now: %s. Write another OUTPUT_DIR to train with them "
                "from the start",
                "; ".join(changed),
            )


def _layout_text(layout: dict[str, int | str]) -> str:
    order = f", in {layout['order']} order" if "order" in layout else ""
    return f"{layout['videos']} videos in steps of {layout['global_batch']}{order}"
