"""A method called as a whole: one loss for one backward pass, alone and inside DistributedDataParallel."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from rhovideo import distributed
from rhovideo.models import SyncBatchNorm
from rhovideo.ssl.build import METHODS
from rhovideo.ssl.byol import BYOL
from rhovideo.ssl.memory.momentum_keys import BatchShuffle
from rhovideo.ssl.moco import MoCo
from rhovideo.ssl.simclr import SimCLR
from rhovideo.ssl.swav import SwAV
from tests.processes import run_processes

DIM, VIEWS, BATCH, STEPS = 6, 3, 4, 3
FORMS = ("paper", "released")


def make(kind: str, form: str) -> nn.Module:
    """A small method of float64, with batch norms of both kinds, and the parts that exchange data between processes."""
    torch.manual_seed(1)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), SyncBatchNorm(8), nn.Tanh())
    projection = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, DIM))
    if kind == "simclr":
        return SimCLR(encoder, projection, form=form).double()
    if kind == "moco":
        return MoCo(encoder, projection, DIM, 48, form=form, shuffle=BatchShuffle()).double()
    if kind == "byol":
        return BYOL(encoder, projection, nn.Linear(DIM, DIM), form=form).double()
    views = VIEWS if form == "paper" else 2
    return SwAV(encoder, projection, DIM, num_prototypes=5, form=form, queue_length=8, code_views=views).double()


def clips(step: int) -> list[Tensor]:
    """This process's clips of a step."""
    generator = torch.Generator().manual_seed(10 * step + distributed.rank())
    return list(torch.randn(VIEWS, BATCH, 3, 1, 2, 2, dtype=torch.float64, generator=generator))


def trained(method: nn.Module) -> list[nn.Parameter]:
    return [p for p in method.parameters() if p.requires_grad]


def some_steps(kind: str, form: str, how: str) -> dict[str, Tensor]:
    """Losses and gradients of a few steps, and what the method holds in the end, its running statistics left out.

    Args:
        kind: the method's.
        form: of its loss.
        how: "losses", one backward pass each, "forward" or "parallel", which is DistributedDataParallel's.
    """
    method = make(kind, form)
    whole = DistributedDataParallel(method) if how == "parallel" else method
    optimizer, found = torch.optim.SGD(trained(method), lr=0.1), {}
    for step in range(STEPS):
        progress = step / STEPS
        torch.manual_seed(step)  # of MoCo's shuffling
        optimizer.zero_grad()
        losses = method.losses(clips(step), progress) if how == "losses" else iter([whole(clips(step), progress)])
        total = torch.zeros((), dtype=torch.float64)
        for loss in losses:
            loss.backward()
            total += loss.detach()
        if how != "parallel":
            distributed.average_gradients(trained(method))
        found[f"loss {step}"] = total
        found |= {f"gradient {step} {n}": p.grad.clone() for n, p in method.named_parameters() if p.requires_grad}
        assert method.after_backward(progress, step + 100) in (True, False)
        optimizer.step()
    # DistributedDataParallel gives all processes the running statistics of the first one.
    return found | {name: value.clone() for name, value in method.state_dict().items() if "running" not in name}


def agree(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-13, msg=name)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", METHODS)
def test_forward_is_the_sum_of_the_losses(kind, form):
    agree(some_steps(kind, form, "forward"), some_steps(kind, form, "losses"))


@pytest.mark.parametrize("kind", METHODS)
def test_without_a_progress_training_is_at_its_beginning(kind):
    assert torch.equal(make(kind, "paper")(clips(0)), make(kind, "paper")(clips(0), 0.0))


@pytest.mark.parametrize("kind", ["moco", "byol"])
def test_micro_batches_of_one_step_are_one_step(kind):
    method = make(kind, "paper")
    for step in range(2):
        for part in (slice(0, 2), slice(2, 4)):
            slow = [p.clone() for p in method.momentum_encoder.parameters()]
            (method([clip[part] for clip in clips(step)], 0.5) / 2).backward()
        # The second one leaves the momentum encoder where it is.
        assert all(map(torch.equal, slow, method.momentum_encoder.parameters()))
        method.after_backward(0.5, step)
        torch.optim.SGD(trained(method), lr=0.1).step()
        assert method.momentum.steps == step + 1
        if kind == "moco":
            assert method.queue.pointer == (step + 1) * VIEWS * BATCH


def all_methods() -> dict[str, dict[str, Tensor]]:
    return {
        f"{kind} {form} {how}": some_steps(kind, form, how)
        for kind in METHODS
        for form in FORMS
        for how in ("losses", "parallel")
    }


@pytest.fixture(scope="module")
def in_two_processes():
    """What each of two processes found."""
    return run_processes(all_methods, 2)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", METHODS)
def test_distributed_data_parallel_finds_the_gradients_of_our_own_averaging(in_two_processes, kind, form):
    for found in in_two_processes:
        agree(found[f"{kind} {form} parallel"], found[f"{kind} {form} losses"])
    first, second = (found[f"{kind} {form} parallel"] for found in in_two_processes)
    gradients = [name for name in first if name.startswith("gradient")]
    assert all(torch.equal(first[name], second[name]) for name in gradients)
    assert not torch.equal(first["loss 0"], second["loss 0"])  # the processes have other clips
