"""The agreement of all processes on a step: collected in that step, read in the next one.

Each process alone knows if its loss is finite and if it wants to save or to stop. These numbers are summed over all
processes on the device, behind the step's other work, and travel to the host while the next step runs. So the host does
not wait for the step that it has just started, and all processes decide alike, at the same place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rhovideo import distributed


@dataclass(frozen=True)
class StepRecord:
    """A step, and the videos that this process took in it.

    Attributes:
        epoch: complete epochs before the step.
        step: complete steps before it in its epoch.
        videos: rows of the training manifest, of all micro-batches.
        news: rows tried here that the other processes do not know of, and those of them that could not be read.
    """

    epoch: int
    step: int
    videos: Sequence[int] = ()
    news: tuple[Sequence[int], Sequence[int]] = ((), ())


@dataclass(frozen=True)
class Decision:
    """The outcome of one step, the same on every process but for ``record`` and ``finite_here``.

    Attributes:
        record: the step, with the videos of this process.
        finite: the loss of every process is a finite number.
        finite_here: the loss of this process is one.
        save: a process wants a checkpoint.
        stop: a process was asked to stop.
        counts: of videos, summed over processes.
        values: numbers for the log, averaged over processes; ``loss`` first.
    """

    record: StepRecord
    finite: bool
    finite_here: bool
    save: bool
    stop: bool
    counts: tuple[int, ...]
    values: dict[str, float]


@dataclass(frozen=True)
class _Unread:
    """The numbers of a step on their way to the host, and the event after which they are there."""

    record: StepRecord
    names: tuple[str, ...]
    numbers: Tensor
    arrival: torch.cuda.Event | None


class Agreement:
    """Collects what processes must agree on, and gives the decisions one step later.

    Every process makes the same calls in the same order::

        agreement.collect(StepRecord(epoch, step), loss, save=False, stop=asked, counts=(news, exhausted))
        for decision in agreement.decide():  # on the steps before this one
            ...

    Args:
        device: where the loss is; a GPU with nccl.

    Attributes:
        failed: bool [] on the device: on some process the loss of this step, or of one before, was not finite.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = torch.device(device)
        self._unread: deque[_Unread] = deque()
        self.failed = torch.zeros((), dtype=torch.bool, device=self._device)

    def collect(
        self,
        record: StepRecord,
        loss: Tensor,
        values: Mapping[str, Tensor | float] | None = None,
        *,
        save: bool = False,
        stop: bool = False,
        counts: Sequence[int] = (),
    ) -> None:
        """Start the agreement on a step; the host does not wait for the device.

        Args:
            record: the step.
            loss: 0-dim, the loss of this process.
            values: more numbers of this process for the log, 0-dim; the same names on every process.
            save: this process wants a checkpoint.
            stop: this process was asked to stop.
            counts: of this process's videos, as many on every process.
        """
        averaged = {"loss": loss, **(values or {})}
        mine = torch.stack(
            [self._scalar(value) for value in (~torch.isfinite(loss), save, stop, *counts, *averaged.values())]
        )
        total = distributed.sum_over_ranks(mine)
        self.failed = self.failed | (total[0] > 0)
        self._unread.append(self._send(record, tuple(averaged), torch.cat([mine[:1], total])))

    def decide(self, newest: bool = False) -> list[Decision]:
        """The decisions on collected steps that were not given before, the oldest first.

        Args:
            newest: on the last collected step too, for which the host waits; otherwise it is left for the next call.
        """
        ready = len(self._unread) - (0 if newest else 1)
        return [_read(self._unread.popleft()) for _ in range(ready)]

    def _scalar(self, value: Tensor | float) -> Tensor:
        """The value as float64 [] on the device."""
        if isinstance(value, Tensor):
            return value.detach().to(self._device, torch.float64)
        # Filled on the device: the host would wait for a copy to it.
        return torch.full((), float(value), dtype=torch.float64, device=self._device)

    def _send(self, record: StepRecord, names: tuple[str, ...], numbers: Tensor) -> _Unread:
        if self._device.type != "cuda":
            return _Unread(record, names, numbers, None)
        # torch takes page-locked memory for this copy, so that it does not hold up the host.
        on_host = numbers.to("cpu", non_blocking=True)
        arrival = torch.cuda.Event()
        arrival.record(torch.cuda.current_stream(self._device))
        return _Unread(record, names, on_host, arrival)


def _read(unread: _Unread) -> Decision:
    if unread.arrival is not None:
        unread.arrival.synchronize()
    failed_here, failed, save, stop, *rest = unread.numbers.tolist()
    first_value = len(rest) - len(unread.names)
    sums = dict(zip(unread.names, rest[first_value:], strict=True))
    return Decision(
        record=unread.record,
        finite=not failed,
        finite_here=not failed_here,
        save=save > 0,
        stop=stop > 0,
        counts=tuple(map(int, rest[:first_value])),
        values={name: total / distributed.world_size() for name, total in sums.items()},
    )
