"""What a rank sets up before it runs a job, whoever has started it."""

from __future__ import annotations

import os
import socket

import torch
from fvcore.common.config import CfgNode

from rhovideo import distributed


def prepare_rank(cfg: CfgNode, local_world: int, nodes: int) -> None:
    """Choose threads and device, and join the process group that the environment describes (``env://``).

    Args:
        cfg: a loaded configuration.
        local_world: ranks of this machine.
        nodes: machines of the job.
    """
    on_gpu = cfg.NUM_GPUS != 0 and torch.cuda.is_available()
    use_threads(local_world)
    if on_gpu:
        torch.cuda.set_device(distributed.own_gpu())
    if nodes == 1:
        use_loopback()
    backend = cfg.DIST_BACKEND if on_gpu else "gloo"
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    distributed.initialise(rank, world, "env://", backend, cfg.DIST_TIMEOUT_MINUTES)


def use_threads(local_world: int) -> None:
    """Let the ranks of a machine share its cores, unless OMP_NUM_THREADS says how many threads each has."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads_per_process(local_world))


def threads_per_process(processes: int) -> int:
    """Threads of torch's operators, so that the processes of a machine share its cores: at least 1."""
    if "SLURM_CPUS_PER_TASK" in os.environ:
        return max(1, int(os.environ["SLURM_CPUS_PER_TASK"]))
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores // processes)


def use_loopback() -> None:
    """Let gloo talk within the machine, whatever its host name resolves to."""
    names = {name for _, name in socket.if_nameindex()}
    loopback = next((name for name in ("lo", "lo0") if name in names), None)
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
