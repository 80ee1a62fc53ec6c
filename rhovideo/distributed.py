"""Processes of one job: who am I, and the few collectives the package uses.

The only caller of ``torch.distributed`` collectives. Every function also works in a single process without
a process group, where it is the identity, so nothing above needs a special case.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rhovideo.errors import JobError

# From this size on, gradients are sent: large enough that starting a collective costs little beside it.
BUCKET_BYTES = 32 * 2**20
# How long a collective waits, also in the groups made later: torch would give those a default of its own.
_timeout = timedelta(minutes=30)
# Groups made by neighbour_group, by size: each costs connections, and many layers ask for the same one.
_neighbours: dict[int, dist.ProcessGroup] = {}


def initialise(rank: int, world_size: int, init_method: str, backend: str, timeout_minutes: float = 30.0) -> None:
    """Join the job's process group; with one process this does nothing.

    A process that dies ends the others instead of leaving them to wait, each backend in its way. gloo: its connections
    break, and the collective of every process that waits for it raises at once; where the whole machine is gone without
    a word, once the time is over. nccl: collectives run beside the host, which waits where it reads a result. A broken
    connection to another machine may end them early; else torch's watchdog ends the process (SIGABRT, with the
    collective and its rank in the error output) once the time is over, unless TORCH_NCCL_ASYNC_ERROR_HANDLING=0 forbids
    it. So launchers do not leave it to that: they end all processes once one has failed.

    Args:
        rank: this process, ``0 <= rank < world_size``.
        world_size: processes of the whole job, over all machines.
        init_method: a ``tcp://host:port``, ``file://`` or ``env://`` address that all processes share.
        backend: ``"nccl"`` for GPUs or ``"gloo"`` for CPUs.
        timeout_minutes: how long a collective waits for the others (DIST_TIMEOUT_MINUTES), in this group and in those
            of :func:`neighbour_group`.

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
        dist.init_process_group(
            backend,
            init_method=init_method,
            rank=rank,
            world_size=world_size,
            timeout=_timeout,
        )


def shut_down() -> None:
    """Leave the process group, if there is one."""
    _neighbours.clear()
    if is_initialised():
        dist.destroy_process_group()


def is_initialised() -> bool:
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    return dist.get_rank() if is_initialised() else 0


def world_size() -> int:
    return dist.get_world_size() if is_initialised() else 1


def local_rank() -> int:
    """This process among those of its machine (set by every launcher as ``LOCAL_RANK``)."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def own_gpu() -> int:
    """The number of this process's GPU among those that it sees.

    It is the process's place on its machine, or the only one there is where a scheduler shows each process its own.

    Raises:
        JobError: the machine gives the job fewer GPUs than processes.
    """
    place, seen = local_rank(), torch.cuda.device_count()
    # Where every process sees one, SLURM still tells how many the job has here.
    given = max(seen, int(os.environ.get("SLURM_GPUS_ON_NODE") or 0))
    if place >= given and (seen > 1 or "SLURM_GPUS_ON_NODE" in os.environ):
        raise JobError(
            f"{socket.gethostname()}: process {place + 1} of this machine has no GPU of its own, the job has {given} "
            f"here: start {given} processes on each machine (NUM_GPUS {given}), or ask for more GPUs"
        )
    return place % seen


def is_main() -> bool:
    return rank() == 0


def group_size(group: dist.ProcessGroup | None = None) -> int:
    """Processes in ``group`` (None: all processes)."""
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
            group = dist.new_group(list(range(first, first + size)), timeout=_timeout)
            if first <= rank() < first + size:
                _neighbours[size] = group
    return _neighbours[size]


def barrier() -> None:
    if is_initialised():
        dist.barrier()


def broadcast(tensor: Tensor, source: int = 0) -> Tensor:
    """Overwrite ``tensor`` with the one of rank ``source`` and return it, whatever its strides on each rank."""
    if is_initialised():
        # Collectives move memory as it lies, so a strided tensor would arrive scrambled.
        whole = tensor.contiguous()
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
        dist.all_reduce(total, group=group)
    return total


def start_sum(tensor: Tensor) -> Callable[[], object]:
    """Begin to sum ``tensor`` over all ranks in place; what is returned waits until that is done.

    Every rank must start the same collectives in the same order. Meanwhile the tensor must be left alone.
    """
    if not is_initialised():
        return lambda: None
    return dist.all_reduce(tensor, async_op=True).wait


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """The mean over ranks, as a new tensor without gradient."""
    return sum_over_ranks(tensor) / world_size()


def gather(tensor: Tensor, group: dist.ProcessGroup | None = None) -> Tensor:
    """Concatenate equal-shaped tensors ``[B, ...]`` of the group to ``[W*B, ...]`` in rank order, no gradient."""
    if group_size(group) == 1:
        return tensor.detach()
    tensor = tensor.detach().contiguous()
    parts = [torch.empty_like(tensor) for _ in range(group_size(group))]
    dist.all_gather(parts, tensor, group=group)
    return torch.cat(parts)


def gather_rows(tensor: Tensor) -> Tensor:
    """As :func:`gather` for tensors ``[N_r, ...]`` whose first size differs between ranks: ``[sum N_r, ...]``."""
    if world_size() == 1:
        return tensor.detach()
    counts = gather(torch.tensor([len(tensor)], device=tensor.device)).tolist()
    longest = max(1, *counts)
    padded = tensor.new_zeros((longest, *tensor.shape[1:]))
    padded[: len(tensor)] = tensor.detach()
    parts = gather(padded).split(longest)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


def gather_objects(value: object) -> list:
    """Every rank's ``value`` (picklable), in rank order."""
    if world_size() == 1:
        return [value]
    values: list = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        ctx.batch = tensor.shape[0]
        return gather(tensor)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        total = sum_over_ranks(gradient.contiguous())
        first = rank() * ctx.batch
        return total[first : first + ctx.batch]


def gather_with_gradient(tensor: Tensor) -> Tensor:
    """As :func:`gather`, and differentiable.

    The gradient of a rank's part is the *sum* over all ranks' losses, so that averaging parameter gradients
    over ranks gives the gradient of the mean of the ranks' losses.
    """
    return tensor if world_size() == 1 else _Gather.apply(tensor)


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
        dist.all_reduce(flat)
        unpack_average(flat, bucket)


def gradient_buckets(parameters: Iterable[nn.Parameter], bucket_bytes: int = BUCKET_BYTES) -> list[list[nn.Parameter]]:
    """The parameters whose gradients are sent together: of one type, and together just over ``bucket_bytes``.

    They depend on the parameters alone and go from the last to the first, as a backward pass comes by them.
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
    """The gradients of a bucket in a row, a copy; a missing one is made zero first."""
    for parameter in bucket:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return torch.cat([parameter.grad.reshape(-1) for parameter in bucket])


def unpack_average(total: Tensor, bucket: list[nn.Parameter]) -> None:
    """Divide the sum of all ranks' :func:`packed_gradients` by their number, into ``.grad``."""
    total /= world_size()
    parts = total.split([parameter.numel() for parameter in bucket])
    for parameter, part in zip(bucket, parts, strict=True):
        parameter.grad.copy_(part.view_as(parameter.grad))
