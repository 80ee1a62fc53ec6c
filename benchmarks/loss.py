"""MoCo's loss over a queue of 65,536: time and peak memory of a step's queries, forward and backward.

python -m benchmarks.loss [--only WORDS]
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.peak_memory import peak_memory
from benchmarks.peers.losses import Loss, multi_peers, separate_peers
from benchmarks.script import run_script
from benchmarks.table import FLOOR, OURS, Row, Table
from benchmarks.timing import interleaved
from rhovideo.ssl.interface import all_but
from rhovideo.ssl.losses import multi_positive_nce, separate_positive_nce, unit

_QUEUE, _DIM, _TEMPERATURE = 65_536, 128, 0.1
# Videos of a process, by rho: the released recipes' on 8 GPUs, and a larger one, which takes peers seconds at rho 8.
_BATCHES = {2: (8, 32), 4: (8, 32), 8: (8,)}
_NOTES = (
    f"One thread, float32, queue of {_QUEUE:,} embeddings of {_DIM}. A row is what a step needs: the loss of each of "
    "the ρ queries with the other clips' keys as positives, one after the other, and its gradient. Released: a "
    "cross-entropy a positive; paper: the sum over positives inside the logarithm. All candidates of a row give the "
    "same loss and gradient, which was checked before they were timed. The floor: the products with the queue alone, "
    "one forward and one backward; of memory, their one matrix, which a pass in blocks does without. lightly also "
    "copies its queue and enqueues."
)


def measure(only: str = "") -> Table:
    """Time every row whose text holds ``only``."""
    rows = []
    for form in ("released", "paper"):
        for rho, batches in _BATCHES.items():
            for batch in batches:
                work = f"{form}, ρ={rho}, batch {batch}"
                if only in work:
                    rows += _measure_rows(work, form, rho, batch)
    return Table("loss", "ms; MiB at the peak", _NOTES, rows)


def _measure_rows(work: str, form: str, rho: int, batch: int) -> list[Row]:
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(rho, batch, _DIM, generator=generator, requires_grad=True)
    keys = unit(torch.randn(rho, batch, _DIM, generator=generator))
    queue = unit(torch.randn(_QUEUE, _DIM, generator=generator))
    candidates = {name: _step(loss, queries, keys, queue) for name, loss in _losses(form, queue).items()}
    _check_agreement(candidates, queries)
    candidates[FLOOR] = lambda: _products(queries.detach(), queue)
    peaks = {name: peak_memory(candidate) for name, candidate in candidates.items()}
    works = {name: _ignoring(candidate) for name, candidate in candidates.items()}
    # Some kernels count a process's time in steps of milliseconds, too coarse for these.
    times = interleaved(works, seconds=1.0, clock=time.perf_counter)
    return [
        Row(f"{work}: time", {name: 1000 * seconds for name, seconds in times.items()}),
        Row(f"{work}: memory", peaks),
    ]


def _losses(form: str, queue: Tensor) -> dict[str, Loss]:
    ours, peers = (
        (separate_positive_nce, separate_peers(queue, _TEMPERATURE))
        if form == "released"
        else (multi_positive_nce, multi_peers(_TEMPERATURE))
    )
    return {OURS: lambda q, positives, negatives: ours(q, positives, negatives, _TEMPERATURE), **peers}


def _step(loss: Loss, queries: Tensor, keys: Tensor, queue: Tensor) -> Callable[[], float]:
    def run() -> float:
        queries.grad = None
        total = 0.0
        for i in range(len(queries)):
            value = loss(unit(queries[i]), all_but(keys, i), queue)
            value.backward()
            total += value.item()
        return total

    return run


def _products(queries: Tensor, queue: Tensor) -> None:
    for query in queries:
        (query @ queue.T) @ queue


def _check_agreement(candidates: dict[str, Callable[[], float]], queries: Tensor) -> None:
    """Raise an AssertionError unless all give the same loss and gradient; the queues must not have moved yet."""
    expected = candidates[OURS]()
    gradient = queries.grad
    for candidate in candidates.values():
        found = candidate()
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=0.0)
        torch.testing.assert_close(queries.grad, gradient, rtol=1e-2, atol=1e-2 * gradient.abs().max().item())


def _ignoring(candidate: Callable[[], object]) -> Callable[[int], object]:
    return lambda number: candidate()


if __name__ == "__main__":
    run_script(measure)
