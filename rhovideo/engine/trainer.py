"""The training loop that pre-training, the linear protocol and fine-tuning share.

It knows neither methods nor classifiers. A :class:`TrainingTask` yields losses; the loop does the rest: gradients over
processes, mixed precision, the optimizer's step, checkpoints, the log, and stopping on every process at the same step.

Inside a step the host does not wait for the device; in float16 alone, the scaler does. What processes must agree on is
read one step later (:mod:`rhovideo.engine.step.agreement`). Before a checkpoint, an evaluation or a line of the log all
steps are read, so a checkpoint never holds a step that is not known to be good.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, Protocol

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo import distributed, stopping
from rhovideo.data.lists.bad_videos import BadVideoLedger
from rhovideo.data.loading.loader import Batch, Loader
from rhovideo.engine.checkpoints.training_state import SavedTask, TrainingState
from rhovideo.engine.device_inputs import autocast, job_device, mixed_precision
from rhovideo.engine.evaluation.intervals import Numbers
from rhovideo.engine.log.step_logger import StepLogger
from rhovideo.engine.step.agreement import Agreement, Decision, StepRecord
from rhovideo.engine.step.gradients import GradientAverager
from rhovideo.engine.step.weight_guard import WeightGuard
from rhovideo.engine.timetable import Position, Timetable
from rhovideo.errors import JobError
from rhovideo.optim import build_optimizer, describe_learning_rate, learning_rate, rate_factor, set_learning_rate
from rhovideo.randomness import Stream
from rhovideo.seeding import seed_everything

logger = logging.getLogger(__name__)


class TrainingStopped(JobError):
    """Training cannot go on; the message says why and what to do. Raised on all processes at the same step."""


class TrainingTask(SavedTask, Protocol):
    """A model with its losses and its evaluation, as the loop trains it."""

    def losses(self, batch: Batch, progress: float) -> Iterator[Tensor]:
        """Yield scalar sub-losses whose sum is stepped on; each is back-propagated before the next is asked for.

        Args:
            batch: the videos of this process.
            progress: the share of the training that is done, from 0 to 1.
        """

    def num_losses(self, batch: Batch) -> int:
        """The number of sub-losses that :meth:`losses` yields for this batch."""

    def after_backward(self, progress: float, step: int) -> bool:
        """Do what comes after a step's backward passes; False vetoes the optimizer's step.

        Args:
            progress: as for :meth:`losses`.
            step: steps before this one, vetoed ones included.
        """

    def after_batch(self, batch: Batch) -> None:
        """Do the bookkeeping of a batch whose losses are back-propagated, such as that of the k-NN bank."""

    def signals(self) -> Mapping[str, Tensor]:
        """Numbers of the last step for the log, besides the loss, 0-dim; the same names in every step."""

    def after_epoch(self, number: int, means: Mapping[str, Any]) -> None:
        """Look at the means of an epoch's numbers, for instance for a collapse.

        Args:
            number: of the epoch, from 1.
            means: the epoch's line of the log, by name.
        """

    def evaluate(self) -> Numbers:
        """Numbers on the validation set, the same on every process; empty where there is nothing to evaluate."""

    def embeddings(self) -> tuple[Tensor, Tensor] | None:
        """The newest embeddings of training videos [N, D] and their labels [N]; None where none are kept."""


class Trainer:
    """Trains a task to SOLVER.MAX_EPOCH, from the newest checkpoint in OUTPUT_DIR where there is one.

    Args:
        cfg: as :func:`rhovideo.engine.checkpoints.resuming.settle` leaves it.
        task: the model and its losses.
        loader: of the training videos.
        factor: of the learning rates, as at the run's first launch; None: as configured.
    """

    def __init__(self, cfg: CfgNode, task: TrainingTask, loader: Loader, factor: float | None = None) -> None:
        self.cfg = cfg
        self.task = task
        self.loader = loader
        self.device = job_device(cfg)
        self.timetable = Timetable.from_cfg(cfg, loader.steps_per_epoch)
        self.optimizer = build_optimizer(cfg, task.model)
        self.rate_factor = rate_factor(cfg, loader.global_batch) if factor is None else factor
        self.parameters = [p for p in task.model.parameters() if p.requires_grad]
        self.gradients = GradientAverager(self.parameters)
        self.guard = WeightGuard(self.parameters)
        fp16 = mixed_precision(cfg, self.device) and cfg.TRAIN.AMP_DTYPE == "float16"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=fp16)
        self.state = TrainingState(cfg, task, self.optimizer, self.scaler, loader)
        self.ledger = BadVideoLedger(cfg.OUTPUT_DIR, cfg.DATA.MAX_BAD_VIDEO_SHARE, distributed.rank())
        self.agreement = Agreement(self.device)
        self.save_agreed = self.stop_agreed = False
        self.last_checkpoint = time.monotonic()

    @property
    def position(self) -> Position:
        """The epochs and steps that are complete."""
        return self.state.position

    def train(self) -> Numbers:
        """Train all remaining epochs; where none remain, evaluate only.

        Returns:
            The numbers of the last evaluation.

        Raises:
            Stopped: a process was asked to stop. All raise it after the same step, whose checkpoint is written.
            TrainingStopped: a loss is not finite, or too many videos cannot be read.
        """
        logger.info(describe_learning_rate(self.cfg, self.loader.global_batch, self.rate_factor))
        if self.cfg.TRAIN.ACCUMULATE_STEPS > 1 and self.cfg.TASK != "linear":
            logger.warning(
                "TRAIN.ACCUMULATE_STEPS is %d: batch norm takes its statistics from each micro-batch, not from the "
                "whole batch. To change that, write TRAIN.ACCUMULATE_STEPS 1 and a batch that fits in memory",
                self.cfg.TRAIN.ACCUMULATE_STEPS,
            )
        distributed.broadcast_module(self.task.model)
        if self.cfg.TRAIN.AUTO_RESUME:
            self._resume()
        self.state.record_list()
        at = self.position
        how = self.loader.steps_per_epoch, self.device, at.global_step
        self.log = StepLogger(self.cfg, *how, position=(at.epoch, at.step))
        try:
            return self._train()
        except stopping.Stopped as stopped:
            # On a terminal the launcher prints it.
            logger.info("%s", stopped, extra={"for_files": True})
            raise
        finally:
            self.log.close()

    def _resume(self) -> None:
        path = self.state.resume()
        if path is not None:
            logger.info("Resuming from %s: %s", path, self.timetable.describe(self.position))

    def _train(self) -> Numbers:
        results: Numbers = {}
        if self.timetable.is_over(self.position):
            logger.info("Trained to SOLVER.MAX_EPOCH %d already", self.timetable.epochs)
        if self.position.epoch and not self.position.step:
            self.log.start_epoch(self.position.epoch - 1, self.loader.steps_per_epoch)
        while True:
            # Also right after a resume: the run may have been stopped in that evaluation.
            if self.timetable.evaluation_due(self.position):
                results = self._evaluate() or results
            if self.timetable.is_over(self.position):
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
            self.log.clips(micro_batches[0])
            rate = self._train_step(micro_batches)
            step = self.position.step
            self.position.step += 1
            self.position.global_step += 1
            ends_epoch = self.position.step == self.loader.steps_per_epoch
            self._take_decisions(newest=ends_epoch or self.log.line_due(step))
            self.log.step(step, rate)
            if (self.save_agreed or self.stop_agreed) and not ends_epoch:
                self._take_decisions(newest=True)
                self._save()
                self._leave_if_agreed()
                self.log.pause()

    def _train_step(self, micro_batches: list[Batch]) -> float:
        """Make one step of the optimizer and start the agreement on it; the step's learning rate."""
        self.state.record_list()
        at = self.position
        seed_everything(Stream.STEP, self.cfg.RNG_SEED, at.global_step, distributed.rank())
        epoch = self.timetable.epochs_done(at)
        progress = epoch / self.timetable.epochs
        rate = learning_rate(self.cfg, epoch, self.rate_factor)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._back_propagate(micro_batches, progress)
        self.gradients.finish()
        # Averaged before unscaling: an overflow on one rank then makes every rank skip the step.
        self.scaler.unscale_(self.optimizer)
        step_allowed = self.task.after_backward(progress, at.global_step)
        gradient_norm = self._clip_gradients()
        self._collect(loss, gradient_norm, micro_batches)
        if step_allowed:
            with self.guard.undone_if(self.agreement.failed):
                self.scaler.step(self.optimizer)
        self.scaler.update()
        return rate

    def _back_propagate(self, micro_batches: list[Batch], progress: float) -> Tensor:
        """Add up the gradients of all losses, one loss after the other; their mean over the micro-batches, float64."""
        weight = 1 / len(micro_batches)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch in micro_batches:
            losses = iter(self.task.losses(batch, progress))
            last = self.task.num_losses(batch) if batch is micro_batches[-1] else None
            for number in itertools.count(1):
                with autocast(self.cfg, self.device):
                    loss = next(losses, None)
                if loss is None:
                    break
                if number == last:
                    self.gradients.begin()
                torch.autograd.backward(self.scaler.scale(loss * weight))
                total += loss.detach() * weight
            self.task.after_batch(batch)
        return total

    def _clip_gradients(self) -> Tensor:
        """Clip as the configuration says; the norm before clipping."""
        if self.cfg.SOLVER.CLIP_GRAD_VAL:
            nn.utils.clip_grad_value_(self.parameters, self.cfg.SOLVER.CLIP_GRAD_VAL)
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        if self.cfg.SOLVER.CLIP_GRAD_L2NORM:
            nn.utils.clip_grads_with_norm_(self.parameters, self.cfg.SOLVER.CLIP_GRAD_L2NORM, norm)
        return norm

    def _collect(self, loss: Tensor, gradient_norm: Tensor, batches: list[Batch]) -> None:
        """Start the agreement of all processes on the step that is being made."""
        news, exhausted = self._news_of_videos(batches)
        seconds = self.cfg.TRAIN.CHECKPOINT_MINUTES * 60
        self.agreement.collect(
            StepRecord(
                *(self.position.epoch, self.position.step, [i for batch in batches for i in batch.index.tolist()]), news
            ),
            loss,
            {"grad_norm": gradient_norm, **self.task.signals()},
            save=distributed.is_main() and 0 < seconds <= time.monotonic() - self.last_checkpoint,
            stop=stopping.requested() is not None,
            counts=(sum(map(len, news)), exhausted),
        )

    def _news_of_videos(self, batches: list[Batch]) -> tuple[tuple[list[int], list[int]], int]:
        """The videos that this process tried and the others do not know of; samples without a readable video.

        All processes know the videos that a step takes, so these are those that could not be read, and those in their
        place. Only they must be sent, and after the first epoch there are none.
        """
        readings = [self.ledger.record(batch) for batch in batches]
        planned = set(self.loader.step_videos(self.position.epoch, self.position.step).tolist())
        tried = {row for reading in readings for row in reading.tried} - planned
        bad = {row for reading in readings for row in reading.bad}
        return self.state.videos.new(sorted(tried), sorted(bad)), sum(reading.exhausted for reading in readings)

    def _take_decisions(self, newest: bool) -> None:
        """Act on what processes agreed on in the steps before; with ``newest`` in the last step too.

        Raises:
            TrainingStopped: a loss is not finite, or too many videos cannot be read.
        """
        for decision in self.agreement.decide(newest):
            if not decision.finite:
                self._stop_on_loss(decision)
            self._judge_videos(decision)
            self.save_agreed |= decision.save
            self.stop_agreed |= decision.stop
            self.log.add(decision.values)

    def _judge_videos(self, decision: Decision) -> None:
        """Count the step's videos, the same on every process, and stop where too many cannot be read."""
        news, exhausted = decision.counts
        videos = self.state.videos
        videos.mark(self.loader.step_videos(decision.record.epoch, decision.record.step))
        if news:
            for tried, bad in distributed.gather_objects(decision.record.news):
                videos.mark(tried, bad)
        verdict = self.ledger.verdict(videos.tried, videos.bad, exhausted)
        if verdict is not None:
            raise TrainingStopped(verdict)

    def _stop_on_loss(self, decision: Decision) -> NoReturn:
        at, manifest = decision.record, self.loader.dataset.manifest
        mine = [] if decision.finite_here else [manifest.path(row) for row in at.videos]
        found = distributed.gather_objects((mine, self.state.last_checkpoint))
        videos = "\n  ".join(video for videos, _ in found for video in videos)
        _, last = found[0]
        saved = f" The last checkpoint, {last}, is from before this step." if last is not None else ""
        raise TrainingStopped(
            f"The loss is not finite at epoch {at.epoch + 1}, step {at.step + 1}. The videos of the batch:\n  {videos}"
            "\nLower SOLVER.BASE_LR, lengthen SOLVER.WARMUP_EPOCHS, set SOLVER.CLIP_GRAD_L2NORM or, if it was "
            f"float16, TRAIN.AMP_DTYPE bfloat16.{saved}"
        )

    def _leave_if_agreed(self) -> None:
        """Raise Stopped on all processes where one was asked to stop; the last step is saved by now."""
        if self.stop_agreed:
            reason = stopping.requested() or "another process was asked to"
            where = self.timetable.describe(self.position)
            raise stopping.Stopped(
                reason, f"stopped ({reason}) {where}, which is saved; the same command goes on there"
            )

    def _finish_epoch(self) -> None:
        means = self.log.end_epoch()
        self.position.epoch += 1
        self.task.after_epoch(self.position.epoch, means)
        self.position.step = 0
        if self.stop_agreed or self.timetable.checkpoint_due(self.position):
            self._save()
        self._leave_if_agreed()

    def _evaluate(self) -> Numbers:
        # Batch-norm statistics differ between processes that do not share them: rank 0's are those of the checkpoint.
        distributed.broadcast_module(self.task.model)
        self.task.model.eval()
        with autocast(self.cfg, self.device):
            results = self.task.evaluate()
        self.log.evaluation(results)
        embedded = self.task.embeddings()
        if embedded is not None and self.timetable.is_over(self.position):
            self.log.embeddings(*embedded)
        return results

    def _save(self) -> None:
        self.save_agreed = False
        self.last_checkpoint = time.monotonic()
        self.state.save()
