"""This machine: how many processes it runs for a job, and whether it has what they need."""

from __future__ import annotations

import os

import torch
from fvcore.common.config import CfgNode

from rhovideo.config.combinations import check_processes
from rhovideo.config.findings import Finding
from rhovideo.data.video.torchcodec_reader import NO_TORCHCODEC_REMEDY, why_no_torchcodec
from rhovideo.runs.first_launch import as_resumed, check_resume


def under_torchrun() -> bool:
    """True if torchrun has started this process as one of a job."""
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"))


def processes_here(cfg: CfgNode) -> int:
    """The number of processes of this machine, by NUM_GPUS and NUM_CPU_PROCESSES or by torchrun."""
    if under_torchrun():
        return _torchrun_processes(cfg)
    if cfg.NUM_GPUS > 0:
        return cfg.NUM_GPUS
    return (torch.cuda.device_count() if cfg.NUM_GPUS else 0) or cfg.NUM_CPU_PROCESSES


def _torchrun_processes(cfg: CfgNode) -> int:
    world = int(os.environ["WORLD_SIZE"])
    return int(os.environ.get("LOCAL_WORLD_SIZE", max(1, world // cfg.NUM_SHARDS)))


def check_machine(cfg: CfgNode) -> list[Finding]:
    """Find what the configuration asks for and this machine does not have."""
    findings = _check_torchrun(cfg) if under_torchrun() else _check_local(cfg)
    findings += _check_colour(cfg) + _check_decoder(cfg)
    if findings:
        return findings
    here = processes_here(cfg)
    return [*check_processes(as_resumed(cfg), here), *check_resume(cfg, here * cfg.NUM_SHARDS)]


def _check_colour(cfg: CfgNode) -> list[Finding]:
    # More GPUs than there are is another finding.
    if cfg.DATA.AUG_DEVICE != "gpu" or cfg.NUM_GPUS >= 0 or torch.cuda.device_count():
        return []
    wrong = "gpu changes colour where the network is, and this machine has no GPU that torch can use"
    return [Finding(("DATA.AUG_DEVICE",), wrong, "cpu, which lets the workers do it")]


def _check_decoder(cfg: CfgNode) -> list[Finding]:
    reason = why_no_torchcodec() if cfg.DATA.DECODING_BACKEND == "torchcodec" else ""
    if not reason:
        return []
    return [Finding(("DATA.DECODING_BACKEND",), f"torchcodec cannot be used here ({reason})", NO_TORCHCODEC_REMEDY)]


def _check_local(cfg: CfgNode) -> list[Finding]:
    findings = []
    gpus = torch.cuda.device_count() if cfg.NUM_GPUS else 0
    if gpus < cfg.NUM_GPUS:
        there = f"has {gpus}" if gpus else f"has {_no_gpu()}"
        wrong = f"{cfg.NUM_GPUS} GPUs are asked for, and this machine {there}"
        remedy = f"{gpus} or less, or -1 for all there are" if gpus else "0 to run on the CPU, or -1 for what there is"
        findings.append(Finding(("NUM_GPUS",), wrong, remedy))
    if cfg.NUM_SHARDS > 1:
        wrong = f"a job of {cfg.NUM_SHARDS} machines cannot be started from one of them alone"
        command = (
            f"torchrun --nnodes {cfg.NUM_SHARDS} --nproc-per-node GPUS --rdzv-backend c10d --rdzv-endpoint HOST:PORT"
        )
        remedy = f"1, or use --launcher slurm, or start it on each machine by {command} tools/run_net.py --cfg ..."
        findings.append(Finding(("NUM_SHARDS",), wrong, remedy))
    return findings


def _no_gpu() -> str:
    """The end of a sentence about a machine without a GPU of NVIDIA or AMD, which torch.cuda knows."""
    return "only Apple's MPS, which rhovideo does not use" if has_mps() else "none that torch can use"


def has_mps() -> bool:
    """True if torch finds Apple's GPU."""
    return bool(torch.backends.mps.is_available())


def _check_torchrun(cfg: CfgNode) -> list[Finding]:
    findings = []
    world, local = int(os.environ["WORLD_SIZE"]), _torchrun_processes(cfg)
    gpus = torch.cuda.device_count() if cfg.NUM_GPUS else 0
    if world != local * cfg.NUM_SHARDS:
        wrong = f"torchrun started {world} processes, {local} of them here, which is not {cfg.NUM_SHARDS} machines"
        findings.append(Finding(("NUM_SHARDS",), wrong, str(max(1, world // local))))
    if cfg.NUM_GPUS > 0 and local != cfg.NUM_GPUS:
        wrong = f"torchrun started {local} processes on this machine"
        findings.append(Finding(("NUM_GPUS",), wrong, f"{local}, or start torchrun --nproc-per-node {cfg.NUM_GPUS}"))
    elif 0 < gpus < local or (cfg.NUM_GPUS > 0 and not gpus):
        wrong = f"torchrun started {local} processes on this machine, which has {gpus} GPUs"
        remedy = f"-1 with torchrun --nproc-per-node {gpus}, or 0 to run on the CPU" if gpus else "0 to run on the CPU"
        findings.append(Finding(("NUM_GPUS",), wrong, remedy))
    if not gpus and cfg.NUM_CPU_PROCESSES not in (1, local):
        wrong = f"torchrun started {local} processes on this machine"
        findings.append(Finding(("NUM_CPU_PROCESSES",), wrong, f"{local}, or leave it out"))
    return findings
