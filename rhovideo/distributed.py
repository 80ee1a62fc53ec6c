"""The processes of one job, and the few collectives that the package uses.

This is the only caller of ``torch.distributed``'s collectives. Every function also works in a single process without a
process group, where a collective gives back what it got. So nothing else needs a special case.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rhovideo.errors import JobError, LostPeerError

T = TypeVar("T")
# Gradients are sent once they have this size: starting a collective then takes little of its time.
BUCKET_BYTES = 32 * 2**20
# The time that a collective waits, also in groups that are made later: torch would give those its own default.
_timeout = timedelta(minutes=30)
# Groups made by neighbour_group, by size: each costs connections, and many layers ask for the same one.
_neighbours: dict[int, dist.ProcessGroup] = {}


def initialise(rank: int, world_size: int, init_method: str, backend: str, timeout_minutes: float = 30.0) -> None:
    """Join the job's process group; with one process this does nothing.

    If one process dies, the others end too, instead of waiting for it. Each backend does this in its own way:

    - gloo: the dead process's connections break, and every collective that waits for it raises at once. If a whole
      machine disappears, the collective raises after the timeout.
    - nccl: collectives run while the host goes on; it waits where it reads a result. A broken connection to another
      machine may end them early. Otherwise torch's watchdog ends the process after the timeout (SIGABRT, with the
      collective and its rank in the error output), unless TORCH_NCCL_ASYNC_ERROR_HANDLING=0 forbids it.

    Launchers do not rely on this: they end all processes once one has failed.

    Args:
        rank: this process, ``0 <= rank < world_size``.
        world_size: processes of the whole job, over all machines.
        init_method: a ``tcp://host:port``, ``file://`` or ``env://`` address that all processes share.
        backend: ``"nccl"`` for GPUs or ``"gloo"`` for CPUs.
        timeout_minutes: the time that a collective waits for the others (DIST_TIMEOUT_MINUTES), in this group and in
            those of :func:`neighbour_group`.

    Raises:
        JobError: this torch has no collectives.
    """
    global _timeout
    _timeout = timedelta(minutes=timeout_minutes)
    if world_size > 1:
        if not dist.is_available():
            raise JobError(
                f"torch {torch.__version__} was built without torch.distributed, so one process is all there can be: "
                "write NUM_CPU_PROCESSES 1, or install torch from PyPI"
            )
        with _needing_peers():
            dist.init_process_group(
                backend,
                init_method=init_method,
                rank=rank,
                world_size=world_size,
                timeout=_timeout,
            )


@contextlib.contextmanager
def _needing_peers() -> Iterator[None]:
    """Turn the error of a collective into a LostPeerError: torch raises errors of several classes, gloo a bare one."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise LostPeerError(str(error)) from error


def shut_down() -> None:
    """Leave the process group, if there is one."""
    _neighbours.clear()
    if is_initialised():
        dist.destroy_process_group()


def is_initialised() -> bool:
    """True if this process has joined a process group."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if is_initialised() else 0


def world_size() -> int:
    """The number of processes of the job, over all machines."""
    return dist.get_world_size() if is_initialised() else 1


def local_rank() -> int:
    """This process's number among those of its machine, from 0 (every launcher sets ``LOCAL_RANK``)."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def own_gpu() -> int:
    """The number of this process's GPU among those that it sees.

    It is the process's place on its machine. If a scheduler shows each process its own GPU alone, it is 0.

    Raises:
        JobError: the machine gives the job fewer GPUs than processes.
    """
    place, seen = local_rank(), torch.cuda.device_count()
    # Where every process sees one GPU, SLURM still gives the number that the job has on this machine.
    given = max(seen, int(os.environ.get("SLURM_GPUS_ON_NODE") or 0))
    if place >= given and (seen > 1 or "SLURM_GPUS_ON_NODE" in os.environ):
        raise JobError(
            f"{socket.gethostname()}: process {place + 1} of this machine has no GPU, since the job has {given} "
            f"here: start {given} processes on each machine (NUM_GPUS {given}), or ask for more GPUs"
        )
    return place % seen


def is_main() -> bool:
    """True on rank 0, which writes the logs and checkpoints."""
    return rank() == 0


def group_size(group: dist.ProcessGroup | None = None) -> int:
    """The number of processes in ``group`` (None: all processes)."""
    return dist.get_world_size(group) if is_initialised() else 1


def group_rank(group: dist.ProcessGroup | None = None) -> int:
    """This process's place in ``group`` (None: all processes)."""
    return dist.get_rank(group) if is_initialised() else 0


def neighbour_group(size: int) -> dist.ProcessGroup | None:
    """The group of ``size`` consecutive ranks that holds this one; None means all processes.

    Every rank must call this, in the same order. The same size gives the same group.

    Raises:
        ValueError: ``size`` does not divide the number of processes.
    """
    total = world_size()
    if size <= 0 or size >= total:
        return None
    if total % size:
        raise ValueError(f"{total} processes cannot be split into groups of {size}: choose a divisor of {total}")
    if size not in _neighbours:
        for first in range(0, total, size):
            with _needing_peers():
                group = dist.new_group(list(range(first, first + size)), timeout=_timeout)
            if first <= rank() < first + size:
                assert isinstance(group, dist.ProcessGroup)  # torch gives a number to those who are not in it
                _neighbours[size] = group
    return _neighbours[size]


class SharedGroup:
    """A process group inside a module. A group cannot be copied, so a copy of the module keeps the same one."""

    def __init__(self, group: dist.ProcessGroup | None) -> None:
        self.group = group

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedGroup:
        return self


def barrier() -> None:
    """Wait until every process has come here."""
    if is_initialised():
        with _needing_peers():
            dist.barrier()


def broadcast(tensor: Tensor, source: int = 0) -> Tensor:
    """Overwrite ``tensor`` with that of rank ``source`` and return it; its strides may differ between ranks."""
    if is_initialised():
        # Collectives move memory as it lies, so a strided tensor would arrive scrambled.
        whole = tensor.contiguous()
        with _needing_peers():
            dist.broadcast(whole, source)
        if whole is not tensor:
            tensor.copy_(whole)
    return tensor


def broadcast_module(module: nn.Module, source: int = 0) -> None:
    """Give every rank the parameters and buffers of rank ``source``."""
    for tensor in (*module.parameters(), *module.buffers()):
        broadcast(tensor.data, source)


def sum_over_ranks(tensor: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """The sum over ranks, as a new tensor without gradient."""
    total = tensor.detach().clone(memory_format=torch.contiguous_format)
    if is_initialised():
        with _needing_peers():
            dist.all_reduce(total, group=group)
    return total


def start_sum(tensor: Tensor) -> Callable[[], object]:
    """Begin to sum ``tensor`` over all ranks in place. Every rank must start the same collectives in the same order.

    Returns:
        A function that waits until the sum is there. Until it has returned, the tensor must not be used.
    """
    if not is_initialised():
        return lambda: None
    with _needing_peers():
        work = dist.all_reduce(tensor, async_op=True)
    assert work is not None  # an asynchronous collective gives one

    def wait() -> None:
        with _needing_peers():
            work.wait()

    return wait


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """The mean over ranks, as a new tensor without gradient."""
    return sum_over_ranks(tensor) / world_size()


def gather(tensor: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """The group's tensors ``[B, ...]``, of equal shape, joined in rank order: ``[W*B, ...]``, without gradient."""
    if group_size(group) == 1:
        return tensor.detach()
    tensor = tensor.detach().contiguous()
    parts = [torch.empty_like(tensor) for _ in range(group_size(group))]
    with _needing_peers():
        dist.all_gather(parts, tensor, group=group)
    return torch.cat(parts)


def gather_rows(tensor: Tensor) -> Tensor:
    """As :func:`gather`, for tensors ``[N_r, ...]`` whose first size may differ between ranks: ``[sum N_r, ...]``."""
    if world_size() == 1:
        return tensor.detach()
    counts = gather(torch.tensor([len(tensor)], device=tensor.device)).tolist()
    longest = max(1, *counts)
    padded = tensor.new_zeros((longest, *tensor.shape[1:]))
    padded[: len(tensor)] = tensor.detach()
    parts = gather(padded).split(longest)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def gather_objects(value: T) -> list[T]:
    """Every rank's ``value`` (picklable), in rank order."""
    if world_size() == 1:
        return [value]
    values: list[T] = [value] * world_size()
    with _needing_peers():
        dist.all_gather_object(values, value)
    return values


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        ctx.batch, ctx.group = tensor.shape[0], group
        return gather(tensor, group)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = sum_over_ranks(gradient.contiguous(), ctx.group)
        first = group_rank(ctx.group) * ctx.batch
        return total[first : first + ctx.batch], None


def gather_with_gradient(tensor: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """As :func:`gather`, and differentiable.

    The gradient of a rank's part is the *sum* over all ranks' losses. Averaging the parameters' gradients over ranks
    then gives the gradient of the mean of the ranks' losses.
    """
    return tensor if group_size(group) == 1 else _Gather.apply(tensor, group)


def average_gradients(parameters: Iterable[nn.Parameter], bucket_bytes: int = BUCKET_BYTES) -> None:
    """Average ``.grad`` over all ranks, once a step after the last backward pass.

    A parameter without gradient on this rank counts as zero. A resumed run sums in the same layout, to the last bit.

    Args:
        parameters: the trained parameters, in the same order on every rank.
        bucket_bytes: as of :func:`gradient_buckets`.
    """
    if world_size() == 1:
        return
    for bucket in gradient_buckets(parameters, bucket_bytes):
        flat = packed_gradients(bucket)
        with _needing_peers():
            dist.all_reduce(flat)
        unpack_average(flat, bucket)


def gradient_buckets(parameters: Iterable[nn.Parameter], bucket_bytes: int = BUCKET_BYTES) -> list[list[nn.Parameter]]:
    """The parameters whose gradients are sent together: of one dtype, and together just over ``bucket_bytes``.

    The buckets depend on the parameters alone. They go from the last to the first, in the order of a backward pass.

    Args:
        parameters: those without ``requires_grad`` are left out.
        bucket_bytes: the size from which a bucket is full.
    """
    buckets: list[list[nn.Parameter]] = []
    size = bucket_bytes
    for parameter in reversed([p for p in parameters if p.requires_grad]):
        if size >= bucket_bytes or buckets[-1][0].dtype != parameter.dtype:
            buckets.append([])
            size = 0
        buckets[-1].append(parameter)
        size += parameter.numel() * parameter.element_size()
    return buckets


def packed_gradients(bucket: list[nn.Parameter]) -> Tensor:
    """A copy of the gradients of a bucket in one row; a parameter without gradient gets one of zeros first."""
    return torch.cat([_gradient(parameter).reshape(-1) for parameter in bucket])


def unpack_average(total: Tensor, bucket: list[nn.Parameter]) -> None:
    """Divide the sum of all ranks' :func:`packed_gradients` by the number of ranks, and put it into ``.grad``."""
    total /= world_size()
    parts = total.split([parameter.numel() for parameter in bucket])
    for parameter, part in zip(bucket, parts, strict=True):
        gradient = _gradient(parameter)
        gradient.copy_(part.view_as(gradient))


def _gradient(parameter: nn.Parameter) -> Tensor:
    """The gradient of a parameter, which is made of zeros where there is none."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad
