"""The cost of a study before it starts: the seconds of a few steps on this device, times the clips that there will be.

Only the computation is counted. Loading is left out: with enough workers it runs beside it. What an encoder costs grows
in proportion with the clips, so a step of two views stands for any rho.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, cast

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo.config.keys import leaves
from rhovideo.config.task_defaults import TRAINS
from rhovideo.data.loading.datasets import open_manifest
from rhovideo.launch.plan import Plan
from rhovideo.models.backbones import build_backbone
from rhovideo.models.network_size import shaping_settings
from rhovideo.ssl.build import build_method
from rhovideo.ssl.interface import Method
from rhovideo.studies.job_names import is_training
from rhovideo.studies.numbers.run_hours import as_hours, runs_of
from rhovideo.studies.record import StudyRecord
from rhovideo.terminal import print_line, stage

# Videos of a measured step. On a GPU fewer would leave it idle.
_VIDEOS = {"cuda": 16, "cpu": 2}
# Measured steps, after one that warms up.
_STEPS = {"cuda": 5, "cpu": 1}
# Builds what a step needs, and returns the step.
_Step: TypeAlias = Callable[[CfgNode, Tensor], Callable[[], None]]


@dataclass(frozen=True)
class JobCost:
    """The cost of one job.

    Attributes:
        folder: its run folder.
        hours: of one device.
        trains_encoder: whether it is a training of an encoder, and no measurement.
    """

    folder: str
    hours: float
    trains_encoder: bool


class Estimate:
    """The cost of jobs on the device of this machine: its first GPU, or the CPU."""

    def __init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._seconds: dict[Hashable, float] = {}
        self._videos: dict[tuple[str, str], int] = {}

    @cached_property
    def device_name(self) -> str:
        """The device, as the cost is told with."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        return f"this CPU with {torch.get_num_threads()} threads"

    def of(self, cfg: CfgNode) -> float:
        """The hours of a job on one device.

        Args:
            cfg: of the job; it may be of any task.

        Raises:
            ManifestError: a list cannot be used.
        """
        seconds = self._training(cfg) if cfg.TASK in TRAINS else 0.0
        return (seconds + self._test(cfg)) / 3600

    def _training(self, cfg: CfgNode) -> float:
        videos, crop = self._count(cfg, "train"), cfg.DATA.TRAIN_CROP_SIZE
        if cfg.TASK == "pretrain":
            views = max(2, cfg.DATA.TRAIN_CROP_NUM_TEMPORAL * cfg.DATA.TRAIN_CROP_NUM_SPATIAL)
            a_view = self._time(("pretrain", _contrastive(cfg)), cfg, crop, self._pretraining_step) / 2
            return float(cfg.SOLVER.MAX_EPOCH * videos * views * a_view)
        step = self._forward if cfg.MODEL.DETACH_FINAL_FC else self._supervised_step
        return float(cfg.SOLVER.MAX_EPOCH * videos * self._time((step.__name__,), cfg, crop, step))

    def _test(self, cfg: CfgNode) -> float:
        """The seconds of the forward passes at the end."""
        if cfg.TASK == "pretrain" or (cfg.TASK in TRAINS and not cfg.TEST.ENABLE):
            return 0.0
        crop = cfg.DATA.TEST_CROP_SIZE
        if cfg.TASK in ("knn", "logistic", "extract"):
            splits = ("test",) if cfg.TASK == "extract" else ("train", "test")
            views = cfg.KNN.NUM_CLIPS
        else:
            splits, views = ("test",), cfg.TEST.NUM_ENSEMBLE_VIEWS * cfg.TEST.NUM_SPATIAL_CROPS
        videos = sum(self._count(cfg, split) for split in splits)
        return videos * views * self._time(("_forward",), cfg, crop, self._forward)

    def _count(self, cfg: CfgNode, split: str) -> int:
        known = cfg.DATA.PATH_TO_DATA_DIR, split
        if known not in self._videos:
            self._videos[known] = len(open_manifest(cfg, split))
        return self._videos[known]

    def _time(self, kind: tuple[Hashable, ...], cfg: CfgNode, crop: int, step: _Step) -> float:
        """The seconds of a step for each of its videos; measured once for the same network and clip."""
        known = (*kind, shaping_settings(cfg, "CONTRASTIVE", "DATA"), cfg.DATA.NUM_FRAMES, crop)
        if known not in self._seconds:
            stage(f"timing {cfg.MODEL.ARCH} R-{cfg.RESNET.DEPTH}, {cfg.DATA.NUM_FRAMES} frames of {crop} x {crop}")
            self._seconds[known] = self._measure(cfg, crop, step)
        return self._seconds[known]

    def _measure(self, cfg: CfgNode, crop: int, step: _Step) -> float:
        videos = _VIDEOS[self.device.type]
        clips = torch.randn(videos, 3, cfg.DATA.NUM_FRAMES, crop, crop, device=self.device)
        half = cfg.TRAIN.MIXED_PRECISION and self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            do_step = step(cfg, clips)
            do_step()
            self._wait()
            began = time.perf_counter()
            for _ in range(_STEPS[self.device.type]):
                do_step()
            self._wait()
        return (time.perf_counter() - began) / _STEPS[self.device.type] / videos

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _pretraining_step(self, cfg: CfgNode, clips: Tensor) -> Callable[[], None]:
        network = build_method(cfg).to(self.device).train()
        method = cast(Method, network)

        def step() -> None:
            for loss in method.losses([clips, clips.flip(-1)], 0.0):
                loss.backward()
            method.after_backward(0.0, 0)
            network.zero_grad(set_to_none=True)

        return step

    def _supervised_step(self, cfg: CfgNode, clips: Tensor) -> Callable[[], None]:
        encoder = self._encoder(cfg).train()

        def step() -> None:
            encoder(clips).square().mean().backward()
            encoder.zero_grad(set_to_none=True)

        return step

    def _forward(self, cfg: CfgNode, clips: Tensor) -> Callable[[], None]:
        encoder = self._encoder(cfg).eval()

        def step() -> None:
            with torch.no_grad():
                encoder(clips)

        return step

    def _encoder(self, cfg: CfgNode) -> nn.Module:
        encoder: nn.Module = build_backbone(cfg)
        return encoder.to(self.device)


def print_cost(plan: Plan, record: StudyRecord) -> None:
    """Measure a few steps, and print the device hours of each table and of all jobs together.

    Args:
        plan: the jobs.
        record: their tables.

    Raises:
        ManifestError: a list cannot be used.
    """
    estimate = Estimate()
    costs = [
        JobCost(_place(plan, job.cfg), estimate.of(job.cfg), is_training(job.cfg.OUTPUT_DIR))
        for cell in plan.cells
        for job in cell.jobs
    ]
    known = {cost.folder: cost for cost in costs}
    unit = "GPU hours" if estimate.device.type == "cuda" else "CPU hours"
    print_line(f"estimated from a few steps on {estimate.device_name}, computation alone:")
    for table in record.tables:
        of_table = [known[folder] for folder in runs_of(table.cells) if folder in known]
        print(f"{table.name}: {_hours(of_table)} {unit} in {len(of_table)} jobs")
    training = _hours([cost for cost in costs if cost.trains_encoder])
    print(f"all: {_hours(costs)} {unit} in {len(costs)} jobs, {training} of them for encoders; shared jobs count once")


def _place(plan: Plan, cfg: CfgNode) -> str:
    return str(cfg.OUTPUT_DIR).removeprefix(f"{plan.study}/")


def _hours(costs: Sequence[JobCost]) -> str:
    return as_hours(3600 * sum(cost.hours for cost in costs))


def _contrastive(cfg: CfgNode) -> tuple[tuple[str, str], ...]:
    """The settings of the heads and of the method."""
    return tuple((name, str(value)) for name, value in leaves(cfg.CONTRASTIVE))
