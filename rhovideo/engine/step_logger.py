"""What a training says of itself: a line every few steps, one an epoch, one an evaluation."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

import torch
from fvcore.common.config import CfgNode
from torch import Tensor
from tqdm import tqdm

from rhovideo import distributed
from rhovideo.data.loading.workers import worker_count
from rhovideo.engine.evaluation.metrics import RunningMean
from rhovideo.engine.json_stats import JsonStats
from rhovideo.engine.logging_setup import on_terminal
from rhovideo.engine.tensorboard import TensorBoard

logger = logging.getLogger(__name__)

_NO_GPU = "0.00G"
# Seconds of a step on the CPU from which a training is hardly what was meant.
_SLOW_STEP = 20.0


class StepLogger:
    """Times the steps of a training and reports them.

    Each rank makes one and calls the same methods in the same order, since the values are averaged over ranks
    when a line is due; only rank 0 writes. Call :meth:`data_arrived` when a step's batch is there, :meth:`step` at
    its end::

        log = StepLogger(cfg, loader.steps_per_epoch, device)
        for epoch in range(first_epoch, cfg.SOLVER.MAX_EPOCH):
            log.start_epoch(epoch)
            for step, batch in enumerate(loader.epoch(epoch)):
                log.data_arrived()
                ...
                log.step(step, lr, {"loss": loss, "grad_norm": norm, **method.signals})
            log.end_epoch()
            log.evaluation({"top1_err": 31.2})
        log.close()

    Lines go to the log, ``OUTPUT_DIR/json_stats.log`` (PySlowFast's names) and TensorBoard; the first step of a launch
    has one too, whatever LOG_PERIOD is.

    Args:
        cfg: LOG_PERIOD, OUTPUT_DIR, SOLVER.MAX_EPOCH, TENSORBOARD.*.
        steps_per_epoch: optimizer steps of an epoch.
        device: where the values live; a GPU with nccl.
        first_step: the first step of a resumed run, counted over all epochs.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        cfg: CfgNode,
        steps_per_epoch: int,
        device: torch.device | str = "cpu",
        first_step: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._period = max(1, cfg.LOG_PERIOD)
        self._max_epoch = cfg.SOLVER.MAX_EPOCH
        self._steps_per_epoch = steps_per_epoch
        self._device = torch.device(device)
        self._clock = clock
        self._main = distributed.is_main()
        self._json = JsonStats(cfg.OUTPUT_DIR, distributed.rank())
        self._tensorboard = TensorBoard(cfg, distributed.rank(), first_step)
        self._bar: tqdm | None = None
        self._best: dict[str, float] = {}
        self._epoch = max(0, first_step - 1) // steps_per_epoch
        self._done = first_step
        self._lr = 0.0
        self._any_step = False
        self._has_workers = worker_count(cfg) > 0
        self._reset_window()
        self._reset_epoch()

    def start_epoch(self, epoch: int, first_step: int = 0) -> None:
        """Begin ``epoch`` (from 0) at ``first_step`` of it; the clock of its first step starts here."""
        self._epoch = epoch
        self._done = epoch * self._steps_per_epoch + first_step
        self._reset_window()
        self._reset_epoch()
        if self._main and on_terminal():
            self._close_bar()
            name = f"epoch {epoch + 1}/{self._max_epoch}"
            self._bar = tqdm(total=self._steps_per_epoch, initial=first_step, desc=name, leave=False)
        self._last = self._clock()

    def data_arrived(self) -> None:
        """The step's batch is there: what passed since the last step was waiting for data."""
        seconds = self._clock() - self._last
        self._data_seconds += seconds
        self._epoch_data_seconds += seconds

    def step(self, step: int, lr: float, values: dict[str, Tensor | float]) -> None:
        """The step is done.

        Args:
            step: its place in the epoch, from 0.
            lr: the learning rate it was made with.
            values: 0-dim tensors or numbers of this rank, the same names on every rank and step: ``loss``,
                ``grad_norm``, collapse signals, ``top1_err`` ... Nothing is read from the device until a line is due.
        """
        self._lr = lr
        self._done += 1
        for name, value in values.items():
            self._window[name].add(value)
            self._epoch_values[name].add(value)
        first, due = not self._any_step, (step + 1) % self._period == 0
        self._any_step = True
        means = {name: window.mean(over_ranks=True) for name, window in self._window.items()} if due or first else {}
        # Read after the values: reading them waits until the device has done the work.
        now = self._clock()
        self._seconds += now - self._last
        self._epoch_seconds += now - self._last
        self._steps += 1
        self._epoch_steps += 1
        self._last = now
        if self._bar is not None:
            self._bar.update()
        if due or first:
            self._report_steps(step, means)
        if first:
            self._tell_pace()
        if due:
            self._reset_window()

    def end_epoch(self, extra: dict[str, float] | None = None) -> dict:
        """Report the epoch's means over all its steps (since a resume) and ranks.

        Args:
            extra: more to put into the line.

        Returns:
            What was written.
        """
        means = {name: value.mean(over_ranks=True) for name, value in self._epoch_values.items()}
        stats = {
            "_type": "train_epoch",
            "epoch": f"{self._epoch + 1}/{self._max_epoch}",
            **self._times(self._epoch_seconds, self._epoch_data_seconds, self._epoch_steps),
            "lr": self._lr,
            **self._memory(),
            **means,
            **(extra or {}),
        }
        self._close_bar()
        self._write(stats, "train_epoch")
        return stats

    def evaluation(self, values: dict[str, float], seconds: float | None = None) -> dict:
        """Report an evaluation on the validation set after this epoch; the values are already those of all ranks.

        An error (``top1_err``, ``top5_err``) also gives its least value so far, ``min_top1_err``.
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

    def pause(self) -> None:
        """What passed since the last step (writing a checkpoint) is neither data nor step time."""
        self._last = self._clock()

    def close(self) -> None:
        self._close_bar()
        self._tensorboard.close()

    def _report_steps(self, step: int, means: dict[str, float]) -> None:
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

    def _tell_pace(self) -> None:
        """After the first step: what a person who tries things out on a CPU wants to know before waiting for more."""
        if not self._main or self._device.type != "cpu":
            return
        # Workers start while it waits for its data, which later steps do not.
        seconds = self._seconds - (self._data_seconds if self._has_workers else 0.0)
        epoch = timedelta(seconds=round(seconds * self._steps_per_epoch))
        slow = "; the recipes in configs/demo are meant for small machines" if seconds > _SLOW_STEP else ""
        logger.info(
            "The first step took %.1f s on this CPU: at its pace an epoch of %d steps takes %s%s",
            *(seconds, self._steps_per_epoch, epoch, slow),
        )

    def _write(self, stats: dict, group: str, quiet: bool = False) -> None:
        if not self._main:
            return
        logger.info(readable(stats), extra={"for_files": quiet})
        self._json.write(stats)
        self._tensorboard.write(group, stats, self._done)

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
        self._window: dict[str, RunningMean] = defaultdict(lambda: RunningMean(self._device))
        self._seconds, self._data_seconds, self._steps = 0.0, 0.0, 0

    def _reset_epoch(self) -> None:
        self._epoch_values: dict[str, RunningMean] = defaultdict(lambda: RunningMean(self._device))
        self._epoch_seconds, self._epoch_data_seconds, self._epoch_steps = 0.0, 0.0, 0
        self._last = self._clock()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def readable(stats: dict) -> str:
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
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _peak_ram() -> float:
    """Most memory this process has held, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20
