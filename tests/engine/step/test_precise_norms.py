"""Statistics of batch norms over many batches: those of all values joined, as fvcore's."""

from __future__ import annotations

import contextlib
import copy

import torch
from fvcore.nn.precise_bn import update_bn_stats
from torch import nn

from rhovideo.engine.step.precise_norms import recompute_norms
from rhovideo.models.sync_batchnorm import SyncBatchNorm


def network(norm=nn.BatchNorm3d):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(3, 4, 1), norm(4), nn.ReLU(), nn.Conv3d(4, 2, 1), norm(2), nn.Dropout(0.5))


BATCHES = [torch.randn(n, 3, 2, 3, 3, generator=torch.Generator().manual_seed(n)) * n for n in (4, 2, 5, 3)]


def test_statistics_are_those_of_all_values_joined():
    model = network()
    recompute_norms(model, BATCHES, 4)
    values = torch.cat([model[0](batch) for batch in BATCHES]).transpose(0, 1).flatten(1)
    torch.testing.assert_close(model[1].running_mean, values.mean(1))
    torch.testing.assert_close(model[1].running_var, values.var(1, unbiased=False))


def test_they_are_fvcores():
    for count in (4, 2):
        model, theirs = network(), network()
        recompute_norms(model, BATCHES, count)
        update_bn_stats(theirs, BATCHES, count)
        for name, value in theirs.named_buffers():
            torch.testing.assert_close(model.get_buffer(name), value)


def test_norms_that_may_be_shared_are_found_too():
    model, alone = network(SyncBatchNorm), network()
    recompute_norms(model, BATCHES, 4)
    recompute_norms(alone, BATCHES, 4)
    torch.testing.assert_close(model.state_dict(), alone.state_dict())


def test_momentum_and_weights_stay_and_no_gradient_is_left():
    model = network()
    before = copy.deepcopy(model)
    recompute_norms(model, BATCHES, 4)
    assert [module.momentum for module in (model[1], model[4])] == [0.1, 0.1]
    torch.testing.assert_close(list(model.parameters()), list(before.parameters()))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model[1]._forward_pre_hooks


def test_frozen_norms_stay_and_then_nothing_is_read():
    model = network().eval()
    before = copy.deepcopy(model.state_dict())
    recompute_norms(model, (1 / 0 for _ in range(1)), 3)
    torch.testing.assert_close(model.state_dict(), before)
    # One of two in eval mode.
    model.train()
    model[1].eval()
    recompute_norms(model, BATCHES, 4)
    torch.testing.assert_close(model[1].running_mean, before["1.running_mean"])
    assert not torch.equal(model[4].running_mean, before["4.running_mean"])


def test_momentum_comes_back_where_a_batch_cannot_be_read():
    model = network()
    batches = (batch if place else 1 / 0 for place, batch in enumerate(BATCHES))
    with contextlib.suppress(ZeroDivisionError):
        recompute_norms(model, batches, 4)
    assert model[1].momentum == 0.1
