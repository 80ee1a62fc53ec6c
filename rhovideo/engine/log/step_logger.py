"""The progress of a training: a line every few steps, one an epoch, one an evaluation."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import torch
from fvcore.common.config import CfgNode
from torch import Tensor
from tqdm import tqdm

from rhovideo import distributed
from rhovideo.data.loading.loader import Batch
from rhovideo.data.loading.workers import worker_count
from rhovideo.engine.evaluation.intervals import in_words, is_interval
from rhovideo.engine.log.json_stats import JsonStats, cut_json_stats
from rhovideo.engine.log.logging_setup import on_terminal
from rhovideo.engine.loggers.build import Loggers
from rhovideo.engine.loggers.clip_sheet import clip_sheet
from rhovideo.terminal import stage, stop_beats

logger = logging.getLogger(__name__)

_NO_GPU = "0.00G"
# A training whose steps take more seconds on the CPU is too large for it.
_SLOW_STEP = 20.0
# An epoch of fewer seconds needs no forecast.
_SHORT_EPOCH = 10.0
# Shown until the first step of a launch is made, which may take minutes on a CPU.
_FIRST_BATCH = "reading the first batch"
_FIRST_STEP = "the first step is running; it is the slowest"
# Points of an embedding map: a browser draws more of them slowly.
_MOST_EMBEDDINGS = 2000


class _Means:
    """Means of named numbers that come in step by step."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def read(self) -> dict[str, float]:
        return {name: total / self._counts[name] for name, total in self._sums.items()}


class StepLogger:
    """Times the steps of a training and reports them.

    It reads nothing from the device and asks no other process: its numbers are numbers of the host, already averaged
    over processes. Each process makes one and calls the same methods; only rank 0 writes. Call :meth:`data_arrived`
    when a step's batch is there, :meth:`step` at its end::

        log = StepLogger(cfg, loader.steps_per_epoch, device)
        for epoch in range(first_epoch, cfg.SOLVER.MAX_EPOCH):
            log.start_epoch(epoch)
            for step, batch in enumerate(loader.epoch(epoch)):
                log.data_arrived()
                ...
                log.step(step, lr, {"loss": loss, "grad_norm": norm})
            log.end_epoch()
            log.evaluation({"top1_err": 31.2})
        log.close()

    A step's numbers may also come later, by :meth:`add`: those of all steps that a line covers are needed only when
    :meth:`line_due` says that it is written.

    Lines go to the log, ``OUTPUT_DIR/json_stats.log`` (PySlowFast's names) and the loggers; the first step of a launch
    has one too, whatever LOG_PERIOD is. A resume takes the lines of steps that it repeats out of json_stats.log.

    Args:
        cfg: LOG_PERIOD, OUTPUT_DIR, SOLVER.MAX_EPOCH, TENSORBOARD.*, LOGGERS.*.
        steps_per_epoch: optimizer steps of an epoch.
        device: where the training runs, whose memory is reported.
        first_step: the first step of a resumed run, counted over all epochs.
        clock: seconds, monotonic.
        position: the complete epochs of a resumed run and the complete steps of the next one; None: as first_step says.
    """

    def __init__(
        self,
        cfg: CfgNode,
        steps_per_epoch: int,
        device: torch.device | str = "cpu",
        first_step: int = 0,
        clock: Callable[[], float] = time.perf_counter,
        position: tuple[int, int] | None = None,
    ) -> None:
        self._period = max(1, cfg.LOG_PERIOD)
        self._max_epoch = cfg.SOLVER.MAX_EPOCH
        self._steps_per_epoch = steps_per_epoch
        self._device = torch.device(device)
        self._clock = clock
        self._main = distributed.is_main()
        self._json = JsonStats(cfg.OUTPUT_DIR, distributed.rank())
        at = position or divmod(first_step, steps_per_epoch)
        evaluated = self._main and cut_json_stats(cfg.OUTPUT_DIR, *at)
        self._loggers = Loggers(cfg, distributed.rank(), first_step, evaluated)
        self._bar: tqdm[Any] | None = None
        self._best: dict[str, float] = {}
        self._epoch = max(0, first_step - 1) // steps_per_epoch
        self._done = first_step
        self._lr = 0.0
        self._any_step = self._clips_shown = False
        self._has_workers = worker_count(cfg) > 0
        self._reset_window()
        self._reset_epoch()

    def start_epoch(self, epoch: int, first_step: int = 0) -> None:
        """Begin an epoch; the clock of its first step starts here.

        Args:
            epoch: counted from 0.
            first_step: steps of it that are made already.
        """
        self._epoch = epoch
        self._done = epoch * self._steps_per_epoch + first_step
        self._reset_window()
        self._reset_epoch()
        if self._main and on_terminal():
            self._close_bar()
            name = f"epoch {epoch + 1}/{self._max_epoch}"
            self._bar = tqdm(total=self._steps_per_epoch, initial=first_step, desc=name, leave=False)
        self._say_before_first_step(_FIRST_BATCH)
        self._last = self._clock()

    def data_arrived(self) -> None:
        """Note that the step's batch is there: the time since the last step was spent waiting for data."""
        seconds = self._clock() - self._last
        self._data_seconds += seconds
        self._epoch_data_seconds += seconds
        self._say_before_first_step(_FIRST_STEP)

    def line_due(self, step: int) -> bool:
        """True where a line is written after this step of the epoch, counted from 0."""
        return not self._any_step or (step + 1) % self._period == 0

    def add(self, values: Mapping[str, float]) -> None:
        """Take in the numbers of one step, by their names: ``loss``, ``grad_norm``, ``embedding_std`` ..."""
        self._window.add(values)
        self._epoch_values.add(values)

    def step(self, step: int, lr: float, values: Mapping[str, float] | None = None) -> None:
        """End a step, and write a line where one is due.

        Args:
            step: its place in the epoch, from 0.
            lr: the learning rate it was made with.
            values: its numbers; None where :meth:`add` takes them in.
        """
        self.add(values or {})
        first, due = not self._any_step, (step + 1) % self._period == 0
        self._any_step = True
        self._lr = lr
        self._done += 1
        now = self._clock()
        self._seconds += now - self._last
        self._epoch_seconds += now - self._last
        self._steps += 1
        self._epoch_steps += 1
        self._last = now
        if self._bar is not None:
            self._bar.update()
        if due or first:
            self._report_steps(step)
        if first:
            # From now on the lines of the log show that it works.
            stop_beats()
            self._report_pace()
        if due:
            self._reset_window()

    def end_epoch(self, extra: Mapping[str, float] | None = None) -> dict[str, Any]:
        """Report the epoch's means over all its steps since a resume.

        Args:
            extra: more numbers for the line.

        Returns:
            The record that was written.
        """
        stats = {
            "_type": "train_epoch",
            "epoch": f"{self._epoch + 1}/{self._max_epoch}",
            **self._times(self._epoch_seconds, self._epoch_data_seconds, self._epoch_steps),
            "lr": self._lr,
            **self._memory(),
            **self._epoch_values.read(),
            **(extra or {}),
        }
        self._close_bar()
        self._write(stats, "train_epoch")
        return stats

    def evaluation(self, values: Mapping[str, float], seconds: float | None = None) -> dict[str, Any]:
        """Report an evaluation on the validation set after this epoch.

        An error (``top1_err``, ``top5_err``) also gives its least value so far, ``min_top1_err``.

        Args:
            values: the numbers of all processes together.
            seconds: how long it took.

        Returns:
            The record that was written.
        """
        for name, value in values.items():
            if name.endswith("_err"):
                self._best[f"min_{name}"] = min(value, self._best.get(f"min_{name}", value))
        stats = {"_type": "val_epoch", "epoch": f"{self._epoch + 1}/{self._max_epoch}", **self._memory(), **values}
        stats.update({name: best for name, best in self._best.items() if name[len("min_") :] in values})
        if seconds is not None:
            stats["time_diff"] = seconds
        self._write(stats, "val_epoch")
        self._last = self._clock()
        return stats

    def clips(self, batch: Batch) -> None:
        """Show the clips of the first videos of a batch, as the network gets them, to the loggers; once in a launch.

        Args:
            batch: of pre-training or a classifier.
        """
        if self._loggers and not self._clips_shown:
            self._clips_shown = True
            self._loggers.picture("clips", clip_sheet(batch), self._done)

    def embeddings(self, rows: Tensor, labels: Tensor) -> None:
        """Give embeddings of training videos to the loggers, for a map.

        Args:
            rows: [N, D], on any device.
            labels: [N], their classes.
        """
        if self._loggers and len(rows):
            # Evenly over the list, which may be sorted by class.
            chosen = torch.linspace(0, len(rows) - 1, min(len(rows), _MOST_EMBEDDINGS)).long().to(rows.device)
            values = rows[chosen].float().cpu().numpy(), labels[chosen].cpu().numpy()
            self._loggers.embeddings(*values, self._done)

    def pause(self) -> None:
        """Leave out of the times what passed since the last step, such as writing a checkpoint."""
        self._last = self._clock()

    def close(self) -> None:
        """Take away the progress bar and let the loggers finish."""
        self._close_bar()
        self._loggers.close()

    def _say_before_first_step(self, what: str) -> None:
        if self._any_step:
            return
        stage(what)
        if self._bar is not None:
            self._bar.set_postfix_str(what)

    def _report_steps(self, step: int) -> None:
        means = self._window.read()
        stats = {
            "_type": "train_iter",
            "epoch": f"{self._epoch + 1}/{self._max_epoch}",
            "iter": f"{step + 1}/{self._steps_per_epoch}",
            **self._times(self._seconds, self._data_seconds, self._steps),
            "lr": self._lr,
            **self._memory(),
            **means,
        }
        if self._bar is not None:
            shown = {name: f"{value:.4g}" for name, value in means.items()}
            self._bar.set_postfix({**shown, "lr": f"{self._lr:.4g}", "data": f"{stats['dt_data']:.3f}s"})
        self._write(stats, "train", quiet=self._bar is not None)

    def _report_pace(self) -> None:
        """Say after the first step on a CPU how long an epoch will take, for people who try things out."""
        if not self._main or self._device.type != "cpu":
            return
        # Workers start while it waits for its data, which later steps do not.
        seconds = self._seconds - (self._data_seconds if self._has_workers else 0.0)
        if seconds * self._steps_per_epoch < _SHORT_EPOCH:
            return
        epoch = timedelta(seconds=round(seconds * self._steps_per_epoch))
        slow = "; the recipes that `rhovideo configs demo` lists are for small machines" if seconds > _SLOW_STEP else ""
        logger.info(
            "The first step took %s s on this CPU: at its pace an epoch of %d steps takes %s%s",
            *(f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2g}", self._steps_per_epoch, epoch, slow),
        )

    def _write(self, stats: dict[str, Any], group: str, quiet: bool = False) -> None:
        if not self._main:
            return
        logger.info(readable(stats), extra={"for_files": quiet})
        self._json.write(stats)
        self._loggers.write(group, stats, self._done)

    def _times(self, seconds: float, data_seconds: float, steps: int) -> dict[str, float | str]:
        """Means over the steps, in seconds."""
        dt = seconds / max(1, steps)
        dt_data = data_seconds / max(1, steps)
        remaining = max(0, self._max_epoch * self._steps_per_epoch - self._done)
        eta = str(timedelta(seconds=int(dt * remaining)))
        return {"dt": dt, "dt_data": dt_data, "dt_net": dt - dt_data, "eta": eta}

    def _memory(self) -> dict[str, str]:
        gpu = torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else 0
        return {"gpu_mem": f"{gpu / 2**30:.2f}G", "RAM": f"{_peak_ram():.2f}G"}

    def _reset_window(self) -> None:
        self._window = _Means()
        self._seconds, self._data_seconds, self._steps = 0.0, 0.0, 0

    def _reset_epoch(self) -> None:
        self._epoch_values = _Means()
        self._epoch_seconds, self._epoch_data_seconds, self._epoch_steps = 0.0, 0.0, 0
        self._last = self._clock()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def readable(stats: Mapping[str, Any]) -> str:
    """One line for people: ``epoch 3/200, iter 10/100, loss 6.21, ..., data 0.01 s, step 0.52 s, eta 1:02:03``."""
    stats = dict(stats)
    kind = stats.pop("_type")
    stats.pop("split", None)
    first = [f"{name} {stats.pop(name)}" for name in ("epoch", "iter") if name in stats]
    last = []
    for name, shown in (("dt_data", "data"), ("dt", "step")):
        if name in stats:
            last.append(f"{shown} {stats.pop(name):.3f} s")
    stats.pop("dt_net", None)
    if stats.get("gpu_mem") == _NO_GPU:
        del stats["gpu_mem"]
    last += [f"{name} {stats.pop(name)}" for name in ("eta", "gpu_mem", "RAM") if name in stats]
    middle = [f"{name} {_short(stats.pop(name))}" for name in ("loss", "lr") if name in stats]
    middle += [f"{name} {_short(value)}" for name, value in stats.items()]
    return f"{kind}: " + ", ".join([*first, *middle, *last])


def _short(value: object) -> str:
    if is_interval(value):
        return in_words(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _peak_ram() -> float:
    """The most memory that this process has held, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20
