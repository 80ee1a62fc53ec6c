"""Whether the jobs of a plan can run in warm workers, and the GPU of each worker. Imports torch."""

from __future__ import annotations

import os

import torch

from rhovideo.checks.machine import processes_here, under_torchrun
from rhovideo.config.findings import ConfigError, Finding, Origin, Problem
from rhovideo.launch.plan import Plan, ProblemTally

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def check_workers(plan: Plan, workers: int) -> None:
    """Raise a ConfigError where a job takes several processes, or where there is no GPU for each worker.

    Args:
        plan: of the jobs.
        workers: how many there are to be, more than 1.
    """
    origin = Origin(f"--workers {workers}")
    if under_torchrun():
        raise ConfigError(Problem("", origin, "torchrun has started this process as one of a job", "--workers 1"))
    tally = ProblemTally(len(plan.cells))
    for cell in plan.cells:
        for job in cell.jobs:
            processes, on_gpu = processes_here(job.cfg), job.cfg.NUM_GPUS != 0 and torch.cuda.device_count() > 0
            key = "NUM_GPUS" if on_gpu else "NUM_CPU_PROCESSES"
            if processes > 1:
                wrong = f"the job takes {processes} processes, and a job in one of {workers} workers is one process"
                tally.add(cell.name, [job.problem(Finding((key,), wrong, "1, or --workers 1"))])
            elif on_gpu and torch.cuda.device_count() < workers:
                there = torch.cuda.device_count()
                wrong = f"each of {workers} workers takes a GPU of its own, and this machine has {there}"
                tally.add(cell.name, [job.problem(Finding((key,), wrong, f"0, or --workers {there}"))])
    tally.raise_errors()


def gpu_of_worker(number: int) -> dict[str, str]:
    """The environment variables by which a worker sees its own GPU alone; empty where there are fewer GPUs.

    Args:
        number: of the worker, from 0.
    """
    there = torch.cuda.device_count()
    if number >= there:
        return {}
    visible = os.environ.get(_VISIBLE)
    return {_VISIBLE: visible.split(",")[number].strip() if visible else str(number)}
