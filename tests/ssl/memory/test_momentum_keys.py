"""Keys of all clips in one pass: what they are in one pass a clip, with the same batch-norm statistics."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from rhovideo import distributed
from rhovideo.models.sync_batchnorm import SyncBatchNorm
from rhovideo.ssl.byol import BYOL
from rhovideo.ssl.memory.momentum_keys import BatchShuffle, in_one_pass
from rhovideo.ssl.moco import MoCo
from tests.processes import run_processes

DIM, VIEWS, BATCH = 6, 3, 4


def clips(seed: int, batch: int = BATCH) -> list[Tensor]:
    """Views whose statistics differ, so that sharing them would show."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(VIEWS, batch, 3, 2, 4, 4, dtype=torch.float64, generator=generator)
    return list(x * torch.tensor([1.0, 3.0, 0.2]).view(-1, 1, 1, 1, 1, 1) + torch.arange(3.0).view(-1, 1, 1, 1, 1, 1))


def make(kind: str, keys_at_once: bool, norm: type[nn.Module] = nn.BatchNorm3d, **settings) -> nn.Module:
    torch.manual_seed(1)
    encoder = nn.Sequential(nn.Conv3d(3, 5, 1), norm(5), nn.Tanh(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    projection = nn.Sequential(nn.Linear(5, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, DIM))
    settings |= {"keys_at_once": keys_at_once}
    if kind == "moco":
        return MoCo(encoder, projection, DIM, 24, **settings).double()
    return BYOL(encoder, projection, nn.Linear(DIM, DIM), **settings).double()


def some_steps(method: nn.Module, part: slice = slice(None), batch: int = BATCH) -> dict[str, Tensor]:
    """Losses of three steps and the whole state after them."""
    found = {}
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], lr=0.1)
    for step in range(3):
        torch.manual_seed(step)
        optimizer.zero_grad()
        views = [view[part] for view in clips(step, batch)]
        for number, loss in enumerate(method.losses(views, 0.5)):
            loss.backward()
            found[f"loss {step} {number}"] = loss.detach()
        method.after_backward(0.5, step)
        optimizer.step()
    return found | {name: value.clone() for name, value in method.state_dict().items()}


def agree(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-10, atol=1e-12, msg=name)


@pytest.mark.parametrize("kind", ["moco", "byol"])
def test_losses_and_state_are_those_of_one_pass_a_clip(kind):
    agree(some_steps(make(kind, False)), some_steps(make(kind, True)))


def test_the_clips_statistics_are_not_shared():
    """The comparison above would see it if they were."""
    norm = nn.BatchNorm3d(3).double()
    views = clips(0)
    expected = torch.stack([copy.deepcopy(norm)(view) for view in views])
    assert not torch.allclose(norm(torch.cat(views)).unflatten(0, (VIEWS, -1)), expected, atol=0.1)
    torch.testing.assert_close(in_one_pass([norm], views), expected)
    assert "forward" not in vars(norm)


def test_an_encoder_in_eval_mode_is_left_alone():
    norm = nn.BatchNorm3d(3).double().eval()
    torch.testing.assert_close(in_one_pass([norm], clips(0)), torch.stack([norm(view) for view in clips(0)]))


def shuffled_and_synchronised() -> dict[str, dict[str, Tensor]]:
    batch = BATCH * distributed.world_size()
    part = slice(distributed.rank() * BATCH, (distributed.rank() + 1) * BATCH)
    found = {}
    for name, norm in (("alone", nn.BatchNorm3d), ("together", SyncBatchNorm)):
        for keys_at_once in (False, True):
            method = make("moco", keys_at_once, norm, shuffle=BatchShuffle())
            found[f"{name} {keys_at_once}"] = some_steps(method, part, batch)
    return found


def test_also_where_videos_are_dealt_out_to_processes():
    for found in run_processes(shuffled_and_synchronised, 2):
        for name in ("alone", "together"):
            agree(found[f"{name} False"], found[f"{name} True"])
