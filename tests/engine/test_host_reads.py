"""Inside a step the host reads nothing from the device, so on a GPU it never waits for what it has just started."""

from __future__ import annotations

from contextlib import closing, contextmanager

import pytest
import torch

from rhovideo.data.loading.loader import build_loader
from rhovideo.engine.tasks.classifier_training import ClassifyTask
from rhovideo.engine.tasks.pretrain import PretrainTask
from rhovideo.engine.trainer import Trainer
from tests.configured_runs import METHOD_KEYS
from tests.engine.host_reads import HostReads

# Taken on a CPU alone, where reading costs nothing.
ON_CPU_ONLY = {"queue_softmax._fits_the_type", "lars._adapt_and_descend", "sinkhorn.sinkhorn_knopp"}
TRAININGS = {name: ["CONTRASTIVE.TYPE", name, *keys] for name, keys in METHOD_KEYS.items()}
TRAININGS["byol, LARS, clipped"] = [*TRAININGS["byol"], "SOLVER.LARS_ON", True, "SOLVER.CLIP_GRAD_L2NORM", 1.0]
TRAININGS["linear"] = []


@contextmanager
def trainer_of(configure, name, *keys):
    """A trainer that has made two steps, in which a few things may be read once, and an iterator of further batches."""
    cfg = configure("linear" if name == "linear" else "pretrain", *TRAININGS[name], "TRAIN.BATCH_SIZE", 4, *keys)
    with closing(build_loader(cfg, "train", "train" if name == "linear" else "pretrain")) as loader:
        task = ClassifyTask(cfg) if name == "linear" else PretrainTask(cfg, loader)
        trainer = Trainer(cfg, task, loader)
        task.model.train()
        batches = iter(loader.epoch(0))
        for _ in range(2):
            trainer._train_step([next(batches)])
        yield trainer, batches


READS = [
    lambda x: x[0].item(),
    lambda x: float(x.detach().sum()),
    lambda x: 1 if x.detach().sum() > 0 else 0,
    lambda x: x.detach().tolist(),
    lambda x: x.detach().numpy(),
    lambda x: x.cpu(),
    lambda x: (x > 0).nonzero(),
    lambda x: x[x > 0],
    lambda x: x.detach().expand(2, 2).clone().__setitem__((torch.tensor([0]), torch.tensor([1])), 1.0),
    lambda x: torch.zeros(2).masked_scatter_(x > 0, x).add_(x).sum().item(),
]


@pytest.mark.parametrize("number", range(len(READS)))
def test_the_recorder_sees_every_read_of_what_a_network_gives(number):
    net = torch.nn.Linear(2, 2)
    values = torch.ones(2)
    with HostReads(net) as reads:
        READS[number](values)
        assert reads.places == []
        READS[number](net(values))
        assert reads.places


def test_the_recorder_sees_a_step_of_the_optimizer():
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    with HostReads(net) as reads:
        net(torch.ones(2)).sum().backward()
        # AdamW counts its steps in a tensor of the host.
        optimizer.step()
        assert reads.places == []
        net.weight.grad.sum().item()
        assert reads.places


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", TRAININGS)
def test_host_reads_nothing_in_a_step(name, precision, configure, monkeypatch):
    # As rhovideo.engine.run does for bfloat16 on a CPU.
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", precision == "float32")
    keys = ["TRAIN.MIXED_PRECISION", precision == "bfloat16", "TRAIN.AMP_DTYPE", "bfloat16"]
    with trainer_of(configure, name, *keys) as (trainer, batches):
        batch = next(batches)
        with HostReads(trainer.task.model) as reads:
            trainer._train_step([batch])
        assert set(reads.places) - ON_CPU_ONLY == set()
        assert [decision.record.step for decision in trainer.agreement.decide()] == [0, 0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", TRAININGS)
def test_gpu_is_not_waited_for_in_a_step(name, precision, configure):
    keys = ["TRAIN.MIXED_PRECISION", precision == "bfloat16", "TRAIN.AMP_DTYPE", "bfloat16", "NUM_GPUS", 1]
    with trainer_of(configure, name, *keys, "DATA_LOADER.PIN_MEMORY", True) as (trainer, batches):
        batch = next(batches)
        torch.cuda.set_sync_debug_mode("error")
        try:
            trainer._train_step([batch])
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert all(decision.finite for decision in trainer.agreement.decide(newest=True))
