"""What the processes of tests/test_distributed.py compute; the same functions serve its single-process references."""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import Tensor, nn

from rhovideo import distributed

BATCH, DIM = 3, 4
# One bucket a parameter, a few, and one for all.
BUCKETS = (1, 200, 2**20)


def inputs(rank: int) -> Tensor:
    """float64 [BATCH, DIM], another on each rank."""
    return torch.randn(BATCH, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(rank))


def loss_of_all(whole: Tensor, rank: int) -> Tensor:
    """A loss that differs between ranks and uses every pair of rows [W*BATCH, DIM]."""
    own = whole[rank * BATCH : (rank + 1) * BATCH]
    return ((own @ whole.T).exp().sum(1).log() * (rank + 1)).sum()


class Network(nn.Module):
    """Layers of two precisions, one frozen and one that rank 0 does not use."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(DIM, 7).double()
        self.frozen = nn.Linear(7, 7).double().requires_grad_(False)
        self.convolution = nn.Conv2d(1, 3, 2).to(memory_format=torch.channels_last)
        self.not_on_rank_zero = nn.Linear(7, 2).double()


def network() -> Network:
    return Network()


def step_loss(net: Network, rank: int) -> Tensor:
    hidden = net.frozen(net.first(inputs(rank))).tanh()
    loss = hidden.square().mean()
    image = inputs(rank).float().reshape(1, 1, BATCH, DIM)
    loss = loss + net.convolution(image).square().mean().double()
    return loss if rank == 0 else loss + net.not_on_rank_zero(hidden).sum()


def odd_module(rank: int) -> nn.Module:
    """Tensors that are not contiguous, with values of this rank."""
    module = nn.Conv3d(2, 3, 2).to(memory_format=torch.channels_last_3d)
    module.register_buffer("turned", torch.empty(4, 5).T)
    module.register_buffer("every_other", torch.empty(6, 6)[::2, 1::2])
    module.register_buffer("count", torch.zeros((), dtype=torch.long))
    random = torch.Generator().manual_seed(rank)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.copy_(torch.randint(-99, 99, tensor.shape, generator=random))
    return module


def laid_out(rank: int) -> Tensor:
    """Whole numbers [1, 2, 3, 4], channels-last on every other rank."""
    values = torch.arange(24.0).reshape(1, 2, 3, 4) * (rank + 1)
    return values.contiguous(memory_format=torch.channels_last) if rank % 2 else values


def averaged(rank: int, bucket_bytes: int) -> dict[str, Tensor]:
    net = network()
    step_loss(net, rank).backward()
    distributed.average_gradients(net.parameters(), bucket_bytes)
    return {name: parameter.grad for name, parameter in net.named_parameters() if parameter.grad is not None}


def waits_for_a_neighbour(folder: str) -> dict[str, bool]:
    """Odd ranks stay away from a sum in groups of two that wait for 30 seconds: whether the others gave up by then."""
    rank, world = distributed.rank(), distributed.world_size()
    distributed.shut_down()
    distributed.initialise(rank, world, f"file://{folder}/again", "gloo", timeout_minutes=0.5)
    group = distributed.neighbour_group(2)
    gave_up = Path(folder, f"gave_up_{rank // 2}")
    raised = False
    if rank % 2 == 0:
        try:
            distributed.sum_over_ranks(torch.ones(1), group)
        except RuntimeError:
            raised = True
            gave_up.touch()
    else:
        # Not longer than the test waits: a connection that ends would raise too.
        deadline = time.monotonic() + 90
        while not gave_up.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
    distributed.shut_down()
    return {"raised": raised, "others_gave_up": gave_up.exists()}


def loses_its_neighbour() -> dict[str, str]:
    """Rank 1 leaves: the class of the error that each collective of rank 0 raises then."""
    whole = distributed.gather_with_gradient(torch.ones(1, requires_grad=True))
    if distributed.rank() == 1:
        distributed.shut_down()
        return {}
    raised = {}
    for name, collective in {
        "backward": whole.sum().backward,
        "sum": lambda: distributed.sum_over_ranks(torch.ones(1)),
        "started sum": lambda: distributed.start_sum(torch.ones(1))(),
        "gather": lambda: distributed.gather_rows(torch.ones(1)),
        "objects": lambda: distributed.gather_objects("anything"),
        "barrier": distributed.barrier,
    }.items():
        try:
            collective()
        except RuntimeError as error:
            raised[name] = type(error).__name__
    distributed.shut_down()
    return raised


def compute(cfg) -> list[dict]:
    """All results of all ranks."""
    rank = distributed.rank()
    mine = {"gathered": distributed.gather(inputs(rank)), "rows": distributed.gather_rows(inputs(rank)[: rank + 1])}
    x = inputs(rank).requires_grad_()
    (mine["gather_gradient"],) = torch.autograd.grad(loss_of_all(distributed.gather_with_gradient(x), rank), x)
    mine["averaged"] = {size: averaged(rank, size) for size in BUCKETS}
    mine["given_gradients"] = list(mine["averaged"][BUCKETS[0]])
    module = odd_module(rank)
    distributed.broadcast_module(module, source=1)
    mine["broadcast"] = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    mine["strides"] = {name: tensor.stride() for name, tensor in module.state_dict().items()}
    mine["laid_out"] = distributed.sum_over_ranks(laid_out(rank))
    # A group of one is never asked for by name: 1 of 2 or 3 processes.
    number = torch.tensor(rank + 1.0)
    mine["alone"] = float(distributed.sum_over_ranks(number, distributed.neighbour_group(1)))
    mine["together"] = float(distributed.sum_over_ranks(number, distributed.neighbour_group(0)))
    try:
        distributed.neighbour_group(2)
        mine["bad_group"] = ""
    except ValueError as error:
        mine["bad_group"] = str(error).partition(": ")[2]
    return distributed.gather_objects(mine)
