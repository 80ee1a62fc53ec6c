"""SyncBatchNorm against torch's batch norm on the concatenated batch, in real processes."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from torch import nn

from rhovideo import distributed
from rhovideo.config.schema import get_cfg
from rhovideo.models import SyncBatchNorm, mlp_norm_layer, norm_layer
from tests.processes import run_processes

FEATURES = 3
TOLERANCE = 1e-12
# Samples of each process: different, so that a mean of means or a local count would be wrong.
SHARES = {2: [3, 1], 4: [2, 1, 4, 1]}
SHAPES = [(), (5,), (4, 3), (2, 3, 3)]


def batch(shape: tuple[int, ...], samples: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return 1.0 + torch.randn(samples, FEATURES, *shape, dtype=torch.float64, generator=generator)


def far_from_zero(samples: int) -> torch.Tensor:
    return 1e3 + 0.1 * torch.randn(samples, FEATURES, 500, generator=torch.Generator().manual_seed(8))


def loss(y: torch.Tensor) -> torch.Tensor:
    """A sum over samples that is not linear, so that gradients through the statistics do not vanish."""
    return (y.pow(3) * torch.linspace(0.5, 2.0, y.numel() // len(y)).view_as(y[0]) + y.exp()).sum()


def three_steps(norm: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Output, gradients and running statistics of three training steps, and an evaluation."""
    norm.double().train()
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([1.5, -0.5, 2.0]))
        norm.bias.copy_(torch.tensor([0.1, 0.2, -0.3]))
    for step in range(3):
        x = (x.detach() * (1 + step)).requires_grad_()
        norm.zero_grad()
        y = norm(x)
        loss(y).backward()
    norm.eval()
    return {
        "y": y.detach(),
        "dx": x.grad,
        "dweight": norm.weight.grad,
        "dbias": norm.bias.grad,
        "eval": norm(x).detach(),
        **{f"state.{name}": value.clone() for name, value in norm.state_dict().items()},
    }


def in_process(group_size: int) -> list[dict[str, torch.Tensor]]:
    group = distributed.neighbour_group(group_size)
    shares = SHARES[distributed.world_size()]
    first = sum(shares[: distributed.rank()])
    own = slice(first, first + shares[distributed.rank()])
    found = []
    for shape in SHAPES:
        # A momentum encoder is a deep copy.
        norm = copy.deepcopy(SyncBatchNorm(FEATURES, group=group))
        found.append(three_steps(norm, batch(shape, sum(shares))[own]))
    norm = SyncBatchNorm(FEATURES, group=group)
    norm(far_from_zero(sum(shares))[own])
    found.append({"far": norm.running_var})
    return found


@pytest.fixture(scope="module")
def run():
    """What the processes of a world found, each setting run once."""
    return functools.cache(lambda world, group_size: run_processes(in_process, world, group_size))


@pytest.mark.parametrize(("world", "group_size"), [(2, 2), (4, 4), (4, 2)])
def test_processes_give_what_one_process_gives(run, world, group_size):
    found = run(world, group_size)
    shares = SHARES[world]
    for number, shape in enumerate(SHAPES):
        everything = batch(shape, sum(shares)).split(shares)
        for first in range(0, world, group_size):
            ranks = range(first, first + group_size)
            one = nn.BatchNorm3d(FEATURES)
            # torch's classes differ in the shapes they let through only.
            one._check_input_dim = lambda x: None
            expected = three_steps(one, torch.cat([everything[rank] for rank in ranks]))
            for name in ("y", "dx", "eval"):
                parts = torch.cat([found[rank][number][name] for rank in ranks])
                close(parts, expected[name])
            for name in ("dweight", "dbias"):
                close(sum(found[rank][number][name] for rank in ranks), expected[name])
            for rank in ranks:
                for name in (name for name in expected if name.startswith("state.")):
                    close(found[rank][number][name], expected[name])


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert (found - expected).abs().max() <= TOLERANCE * expected.abs().max()


def test_float32_variance_does_not_cancel_far_from_zero(run):
    """E[x²]−E[x]² of values near 1000 with deviation 0.1 is noise in float32."""
    variances = run(2, 2)[0][-1]["far"]
    x = far_from_zero(sum(SHARES[2])).double()
    expected = 0.9 + 0.1 * x.transpose(0, 1).flatten(1).var(dim=1)
    assert (variances - expected).abs().max() < 1e-6


def test_alone_it_is_torch_batch_norm_with_the_same_state():
    sync, plain = SyncBatchNorm(FEATURES), nn.BatchNorm3d(FEATURES)
    plain.load_state_dict(sync.state_dict())
    expected = three_steps(plain, batch((4, 3, 3), 4))
    found = three_steps(sync, batch((4, 3, 3), 4))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert list(sync.state_dict()) == list(plain.state_dict())


def test_config_picks_the_norm():
    cfg = get_cfg()
    assert norm_layer(cfg) is nn.BatchNorm3d
    assert mlp_norm_layer(cfg) is None
    cfg.CONTRASTIVE.BN_MLP = True
    assert mlp_norm_layer(cfg) is nn.BatchNorm1d
    cfg.CONTRASTIVE.BN_SYNC_MLP = True
    assert mlp_norm_layer(cfg) is nn.BatchNorm1d, "BN.NUM_SYNC_DEVICES 1 shares with nobody"
    cfg.BN.NUM_SYNC_DEVICES = 8
    assert isinstance(mlp_norm_layer(cfg)(num_features=4), SyncBatchNorm)
    assert norm_layer(cfg) is nn.BatchNorm3d
    cfg.BN.NORM_TYPE = "sync_batchnorm"
    assert isinstance(norm_layer(cfg)(num_features=4, eps=1e-5, momentum=0.1), SyncBatchNorm)
    cfg.BN.NORM_TYPE = "group"
    with pytest.raises(ValueError, match=r"BN\.NORM_TYPE is 'group'"):
        norm_layer(cfg)
