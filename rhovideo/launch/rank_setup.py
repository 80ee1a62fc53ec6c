"""Setting up a rank before it runs a job: its threads, its device and its process group."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

import torch
from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.config.extension.plugins import import_in_job
from rhovideo.data.loading.workers import cores
from rhovideo.errors import JobError


@dataclass(frozen=True)
class Rank:
    """One process of a job.

    Attributes:
        number: from 0, over all machines.
        world: processes of all machines.
        local_world: processes on this machine.
        rendezvous: where the processes meet: ``env://``, or ``file://`` and a path.
        cores: CPU cores for this process alone; None: the processes share those of the machine.
    """

    number: int
    world: int
    local_world: int
    rendezvous: str = "env://"
    cores: int | None = None


def prepare_rank(cfg: CfgNode, rank: Rank) -> None:
    """Import the plugins, choose threads and device, and join the process group.

    Raises:
        PluginError: a plugin cannot be imported here.
        JobError: GPUs are asked for and there are none.
    """
    import_in_job(cfg.PLUGINS)
    on_gpu = _on_gpu(cfg)
    # A user who sets OMP_NUM_THREADS has decided.
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(rank.cores or threads_per_process(rank.local_world))
    if on_gpu:
        torch.cuda.set_device(distributed.own_gpu())
    if rank.world == rank.local_world:
        _use_loopback()
    backend = cfg.DIST_BACKEND if on_gpu else "gloo"
    distributed.initialise(rank.number, rank.world, rank.rendezvous, backend, cfg.DIST_TIMEOUT_MINUTES)


def _on_gpu(cfg: CfgNode) -> bool:
    there = torch.cuda.is_available()
    if cfg.NUM_GPUS > 0 and not there:
        # Training for days on the CPU would be a worse surprise.
        raise JobError(
            f"NUM_GPUS is {cfg.NUM_GPUS}, and torch {torch.__version__} finds no GPU on {socket.gethostname()}. "
            "Run `nvidia-smi` there. If it shows no GPU, leave this machine out (--exclude); if it shows one, "
            "install a build of torch for its driver. NUM_GPUS 0 (--gpus-per-node 0) runs on the CPU"
        )
    return cfg.NUM_GPUS != 0 and there


def threads_per_process(processes: int) -> int:
    """Threads of torch's operators for each of the processes that share the cores of a machine: at least 1."""
    return max(1, cores() // processes)


def _use_loopback() -> None:
    """Let gloo connect within the machine, whatever its host name resolves to."""
    names = {name for _, name in socket.if_nameindex()}
    loopback = next((name for name in ("lo", "lo0") if name in names), None)
    if loopback:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
