"""Gradients averaged while the last backward pass runs are those averaged after it, to the last bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rhovideo import distributed
from rhovideo.engine.step.gradients import GradientAverager
from tests.processes import run_processes

WORLD = 3
# Every gradient by itself, several buckets, one bucket.
BUCKETS = (1, 400, 2**20)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 9, bias=False), nn.Tanh(), nn.Linear(9, 3)]
    net = nn.Sequential(*layers)
    net.unused = nn.Parameter(torch.ones(4))
    return net


def losses(net: nn.Sequential):
    """Two sub-losses of this rank's own."""
    torch.manual_seed(100 + distributed.rank())
    for _ in range(2):
        yield net[4](net[3](net[2](net[1](net[0](torch.randn(6, 5)))))).square().mean()


def averaged(bucket_bytes: int, announced: bool) -> dict[str, torch.Tensor]:
    """The gradients of two steps, and how many buckets were sent before the last backward pass was over."""
    net = network()
    averager = GradientAverager(net.parameters(), bucket_bytes)
    found = {}
    for step in range(2):
        net.zero_grad()
        for number, loss in enumerate(losses(net)):
            if announced and number == 1:
                averager.begin()
            loss.backward()
        found[f"early {step}"] = torch.tensor(len(averager._sent))
        averager.finish()
        found |= {f"{step} {name}": p.grad.clone() for name, p in net.named_parameters()}
    return found


def averaged_at_once(bucket_bytes: int) -> dict[str, torch.Tensor]:
    net = network()
    for loss in losses(net):
        loss.backward()
    distributed.average_gradients(net.parameters(), bucket_bytes)
    return {name: p.grad for name, p in net.named_parameters()}


def everything() -> dict[str, dict[str, torch.Tensor]]:
    found = {f"{size} {announced}": averaged(size, announced) for size in BUCKETS for announced in (True, False)}
    return found | {f"{size} at once": averaged_at_once(size) for size in BUCKETS}


@pytest.fixture(scope="module")
def ranks():
    return run_processes(everything, WORLD)


@pytest.mark.parametrize("size", BUCKETS)
def test_announcing_the_last_pass_changes_no_bit(ranks, size):
    for found in ranks:
        during, after = found[f"{size} True"], found[f"{size} False"]
        for name, value in after.items():
            if not name.startswith("early"):
                assert torch.equal(during[name], value), name
                assert torch.equal(ranks[0][f"{size} False"][name], value), name
                assert torch.equal(found[f"{size} at once"][name.partition(" ")[2]], value), name
        assert not after["0 unused"].any()


def test_complete_buckets_are_sent_during_the_pass(ranks):
    """The parameter without gradient is the network's own, so it is first in order and sent last."""
    for found in ranks:
        for step in range(2):
            assert [int(found[f"{size} False"][f"early {step}"]) for size in BUCKETS] == [0, 0, 0]
            each, some, one = (int(found[f"{size} True"][f"early {step}"]) for size in BUCKETS)
            assert (each, one) == (5, 0)
            assert 0 < some < 5


def one_pass_too_many() -> str:
    net = network()
    averager = GradientAverager(net.parameters())
    averager.begin()
    first, second = losses(net)
    first.backward()
    try:
        second.backward()
    except RuntimeError as error:
        return str(error)
    return ""


def test_a_pass_after_the_last_is_noticed():
    for said in run_processes(one_pass_too_many, 2):
        assert "announced as the last" in said


def test_one_process_sends_nothing():
    net = network()
    averager = GradientAverager(net.parameters())
    averager.begin()
    for loss in losses(net):
        loss.backward()
    gradient = net[0].weight.grad.clone()
    averager.finish()
    assert torch.equal(net[0].weight.grad, gradient)
    assert net.unused.grad is None
