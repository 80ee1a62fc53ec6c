"""Averaging gradients over processes once a step, while the step's last backward pass still runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from rhovideo import distributed


class GradientAverager:
    """Averages ``.grad`` of the same parameters in every step.

    A step may take many backward passes; only its last one is announced, by :meth:`begin`. From then on a bucket of
    gradients is sent as soon as it and all before it are complete. Which gradients share a bucket, and in which order
    buckets are sent, never changes: a resumed run sums in the same layout, to the last bit, and so does a step in
    which nothing was announced. With one process nothing is done.

    Args:
        parameters: the trained ones, in the same order on every process. They are sent from the last to the first, as a
            backward pass comes by them.
        bucket_bytes: the size from which a bucket is full.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], bucket_bytes: int = 32 * 2**20) -> None:
        self._buckets = _buckets(reversed(list(parameters)), bucket_bytes) if distributed.world_size() > 1 else []
        self._missing: list[int] | None = None
        self._sent: list[tuple[Tensor, Callable[[], object]]] = []
        for number, bucket in enumerate(self._buckets):
            for parameter in bucket:
                parameter.register_post_accumulate_grad_hook(self._arrival(number))

    def begin(self) -> None:
        """The next backward pass is the last of the step."""
        self._missing = [len(bucket) for bucket in self._buckets]

    def finish(self) -> None:
        """Send what is left, wait, and put the averages into ``.grad``; what has no gradient here counts as zero."""
        while len(self._sent) < len(self._buckets):
            self._send()
        for bucket, (flat, wait) in zip(self._buckets, self._sent, strict=True):
            wait()
            flat /= distributed.world_size()
            parts = flat.split([parameter.numel() for parameter in bucket])
            for parameter, part in zip(bucket, parts, strict=True):
                parameter.grad.copy_(part.view_as(parameter.grad))
        self._missing, self._sent = None, []

    def _arrival(self, number: int) -> Callable[[nn.Parameter], None]:
        """What a parameter of bucket ``number`` calls when a backward pass has added to its gradient."""

        def arrived(parameter: nn.Parameter) -> None:
            if self._missing is None:
                return
            self._missing[number] -= 1
            if self._missing[number] < 0:
                raise RuntimeError("a backward pass came after the one that was announced as the last of the step")
            while len(self._sent) < len(self._buckets) and not self._missing[len(self._sent)]:
                self._send()

        return arrived

    def _send(self) -> None:
        bucket = self._buckets[len(self._sent)]
        for parameter in bucket:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([parameter.grad.reshape(-1) for parameter in bucket])
        self._sent.append((flat, distributed.start_sum(flat)))


def _buckets(parameters: Iterable[nn.Parameter], bucket_bytes: int) -> list[list[nn.Parameter]]:
    """Parameters in order, those of a bucket of one type and together just over ``bucket_bytes``."""
    buckets: list[list[nn.Parameter]] = []
    size = bucket_bytes
    for parameter in parameters:
        if size >= bucket_bytes or buckets[-1][0].dtype != parameter.dtype:
            buckets.append([])
            size = 0
        buckets[-1].append(parameter)
        size += parameter.numel() * parameter.element_size()
    return buckets
