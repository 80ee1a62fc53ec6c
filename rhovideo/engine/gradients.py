"""Averaging gradients over processes once a step, while the step's last backward pass still runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor, nn

from rhovideo import distributed


class GradientAverager:
    """Averages ``.grad`` of the same parameters in every step.

    A step may take many backward passes; only its last one is announced, by :meth:`begin`. From then on a bucket of
    gradients is sent as soon as it and all before it are complete. Which gradients share a bucket, and in which order
    buckets are sent, never changes: a resumed run sums in the same layout, to the last bit, and so does a step in
    which nothing was announced. A copy of all gradients is held until then. With one process nothing is done.

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
        """The next backward pass is the last of the step."""
        self._missing = [len(bucket) for bucket in self._buckets]

    def finish(self) -> None:
        """Send what is left, wait, and put the averages into ``.grad``; what has no gradient here counts as zero."""
        while len(self._sent) < len(self._buckets):
            self._send()
        for bucket, (flat, wait) in zip(self._buckets, self._sent, strict=True):
            wait()
            distributed.unpack_average(flat, bucket)
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
        flat = distributed.packed_gradients(self._buckets[len(self._sent)])
        self._sent.append((flat, distributed.start_sum(flat)))
