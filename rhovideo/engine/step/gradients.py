"""Averaging gradients over processes once a step, while the step's last backward pass still runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor, nn

from rhovideo import distributed


class GradientAverager:
    """Averages ``.grad`` of the same parameters in every step.

    A step may take many backward passes; :meth:`begin` announces the last one. From then on a bucket of gradients is
    sent as soon as it and all buckets before it are complete. The gradients of a bucket and the order of the buckets
    never change, so a resumed run gets the same sums to the last bit, and so does a step that announces nothing. Until
    :meth:`finish` a copy of all gradients is in memory. With one process nothing is done.

    Args:
        parameters: the trained ones, in the same order on every process.
        bucket_bytes: as of :func:`rhovideo.distributed.gradient_buckets`.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], bucket_bytes: int = distributed.BUCKET_BYTES) -> None:
        alone = distributed.world_size() == 1
        self._buckets = [] if alone else distributed.gradient_buckets(parameters, bucket_bytes)
        self._missing: list[int] | None = None
        self._sent: list[tuple[Tensor, Callable[[], object]]] = []
        for number, bucket in enumerate(self._buckets):
            for parameter in bucket:
                parameter.register_post_accumulate_grad_hook(self._arrival(number))

    def begin(self) -> None:
        """Announce that the next backward pass is the last one of the step."""
        self._missing = [len(bucket) for bucket in self._buckets]

    def finish(self) -> None:
        """Send the buckets that are left, and put the averages into ``.grad``; a missing gradient is taken as zero."""
        while len(self._sent) < len(self._buckets):
            self._send()
        for bucket, (flat, wait) in zip(self._buckets, self._sent, strict=True):
            wait()
            distributed.unpack_average(flat, bucket)
        self._missing, self._sent = None, []

    def _arrival(self, number: int) -> Callable[[nn.Parameter], None]:
        """The hook that a parameter of bucket ``number`` calls when a backward pass has added to its gradient."""

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
        flat = distributed.packed_gradients(self._buckets[len(self._sent)])
        self._sent.append((flat, distributed.start_sum(flat)))
