"""A step that must not count leaves the weights as they were, whatever the optimizer; any other is the optimizer's."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import nn

from rhovideo.engine.step.weight_guard import WeightGuard
from rhovideo.optim import LARS

OPTIMIZERS = {
    "sgd": partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "lars": partial(LARS, lr=0.1, weight_decay=0.1),
    "adamw": partial(torch.optim.AdamW, lr=0.1, weight_decay=0.1),
}


def network(device: torch.device) -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4), nn.Flatten(), nn.Linear(4, 2)).to(device)
    net[0].weight.data = net[0].weight.data.to(memory_format=torch.channels_last_3d)
    return net


def step(net, optimizer, guard, factor, failed):
    """One step on the gradients of ``factor`` times a loss."""
    device = next(net.parameters()).device
    optimizer.zero_grad()
    (factor * net(torch.ones(2, 3, 2, 2, 2, device=device).cumsum(0)).square().sum()).backward()
    if guard is None:
        optimizer.step()
        return
    with guard.undone_if(torch.tensor(failed, device=device)):
        optimizer.step()


def weights(net):
    return [parameter.detach().clone() for parameter in net.parameters()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_failed_step_moves_no_weight_and_a_good_one_as_ever(name, device):
    net, plain = network(device), network(device)
    optimizer, of_plain = OPTIMIZERS[name](net.parameters()), OPTIMIZERS[name](plain.parameters())
    guard = WeightGuard(net.parameters())
    for factor in (1.0, 2.0):
        before = weights(net)
        step(net, optimizer, guard, factor, failed=False)
        step(plain, of_plain, None, factor, failed=False)
        assert all(map(torch.equal, weights(net), weights(plain)))
        assert not any(map(torch.equal, weights(net)[-2:], before[-2:]))
    before = weights(net)
    # Not even momentum and weight decay move them, nor do infinite gradients.
    for factor in (math.nan, math.inf, 1.0):
        step(net, optimizer, guard, factor, failed=True)
        assert all(map(torch.equal, weights(net), before))
