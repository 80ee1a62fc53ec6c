"""A step's numbers stay on the device: the host never waits to read one.

torch's meta device has shapes and no numbers, so reading one there is an error, wherever it happens.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from rhovideo.optim import LARS
from rhovideo.ssl.build import METHODS
from rhovideo.ssl.byol import BYOL
from rhovideo.ssl.memory.momentum_keys import BatchShuffle
from rhovideo.ssl.moco import MoCo
from rhovideo.ssl.simclr import SimCLR
from rhovideo.ssl.swav import SwAV

DIM, VIEWS, BATCH = 6, 3, 4


def make(kind: str, form: str) -> nn.Module:
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.BatchNorm1d(8), nn.Tanh())
    parts = (encoder, nn.Linear(8, DIM))
    if kind == "simclr":
        return SimCLR(*parts, form=form)
    if kind == "moco":
        return MoCo(*parts, DIM, 24, form=form, shuffle=BatchShuffle())
    if kind == "byol":
        return BYOL(*parts, nn.Linear(DIM, DIM), form=form)
    return SwAV(*parts, DIM, form=form, queue_length=8, code_views=VIEWS if form == "paper" else 2)


def steps_allowed(method: nn.Module, device: torch.device, number: int = 4) -> list[bool]:
    """Take steps; whether each was allowed."""
    optimizer = LARS([p for p in method.parameters() if p.requires_grad], lr=0.1, weight_decay=1e-4)
    allowed = []
    for step in range(number):
        views: list[Tensor] = [torch.randn(BATCH, 3, 1, 2, 2, device=device) for _ in range(VIEWS)]
        optimizer.zero_grad()
        for loss in method.losses(views, step / 100):
            loss.backward()
        allowed.append(method.after_backward(step / 100, step))
        optimizer.step()
    return allowed


@pytest.mark.parametrize("form", ["paper", "released"])
@pytest.mark.parametrize("kind", METHODS)
def test_no_step_reads_a_number_from_the_device(kind, form):
    with torch.device("meta"):
        method = make(kind, form)
    found = steps_allowed(method, torch.device("meta"))
    # A queue of 24 takes two steps of 3 x 4 keys; the released form counts those of one view, and needs six.
    vetoed = {("moco", "paper"): 2, ("moco", "released"): 4}.get((kind, form), 0)
    assert found == [False] * vetoed + [True] * (4 - vetoed)
    if kind == "swav":
        assert method.code_queue.is_full


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("form", ["paper", "released"])
@pytest.mark.parametrize("kind", METHODS)
def test_no_step_waits_for_a_gpu(kind, form):
    device = torch.device("cuda")
    method = make(kind, form).to(device)
    steps_allowed(method, device, number=1)  # libraries that wait while they are loaded
    torch.cuda.set_sync_debug_mode("error")
    try:
        steps_allowed(method, device)
    finally:
        torch.cuda.set_sync_debug_mode("default")
