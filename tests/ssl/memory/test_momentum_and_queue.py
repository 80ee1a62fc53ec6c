"""Queue, momentum encoder, shuffling batch norm."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rhovideo import distributed
from rhovideo.ssl.memory.momentum import MomentumUpdate, annealed_momentum, momentum_copy
from rhovideo.ssl.memory.momentum_keys import BatchShuffle
from rhovideo.ssl.memory.queue import Queue
from tests.processes import run_processes


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 12))
def test_queue_holds_the_newest_rows(batch, batches_held, number):
    queue = Queue(batch * batches_held, 3)
    written = [torch.full((batch, 3), float(n + 1)) for n in range(number)]
    for n, keys in enumerate(written):
        assert queue.enqueue(keys) == batch
        assert int(queue.pointer) == (n + 1) * batch % len(queue)
        assert queue.is_full == (n + 1 >= batches_held)
    held = sorted(float(row[0]) for row in queue.keys if float(row.std()) == 0)
    assert held == sorted(float(n) for n in range(max(0, number - batches_held) + 1, number + 1) for _ in range(batch))


def test_queue_starts_with_unit_vectors_and_survives_a_checkpoint():
    queue, other = Queue(6, 5), Queue(6, 5)
    assert torch.allclose(queue.keys.norm(dim=1), torch.ones(6))
    queue.enqueue(torch.ones(4 - 1, 5))
    other.load_state_dict(queue.state_dict())
    for _ in range(1):
        other.enqueue(torch.zeros(3, 5))
    assert other.is_full
    assert other.keys.sum(dim=1).tolist() == [5.0] * 3 + [0.0] * 3


def test_what_a_module_counts_is_a_number_here_and_a_tensor_in_its_state():
    """As the buffers of older checkpoints were, so both read each other's."""
    queue, update = Queue(6, 5), MomentumUpdate(0.75)
    queue.enqueue(torch.ones(3, 5))
    update.begin_step([nn.Linear(2, 2)], [nn.Linear(2, 2)], 0.0)
    assert (queue.pointer, queue.filled, update.steps, update.share) == (3, 3, 1, 0.25)
    assert all(type(number) is int for number in (queue.pointer, queue.filled, update.steps))
    state = {**queue.state_dict(), **update.state_dict()}
    assert list(state) == ["keys", "pointer", "filled", "steps", "share"]
    expected = {"pointer": torch.tensor(3), "filled": torch.tensor(3), "steps": torch.tensor(1)}
    assert all(torch.equal(state[name], value) and state[name].dim() == 0 for name, value in expected.items())


def test_a_state_of_buffers_is_loaded_as_it_is():
    """Older checkpoints: counters lay on the device, the share was a float32 or, of a float64 method, a float64."""
    queue, update = Queue(6, 5), MomentumUpdate(0.9, lagging=True)
    queue.load_state_dict({"keys": torch.ones(6, 5), "pointer": torch.tensor(3), "filled": torch.tensor(6)})
    assert queue.is_full
    queue.enqueue(torch.zeros(3, 5))
    assert queue.keys.sum(dim=1).tolist() == [5.0] * 3 + [0.0] * 3
    update.load_state_dict({"steps": torch.tensor(7), "share": torch.tensor(0.3)})
    assert (update.steps, update.share) == (7, torch.tensor(0.3).item())
    with pytest.raises(RuntimeError, match=r'Missing key.*"filled"'):
        queue.load_state_dict({"keys": torch.ones(6, 5), "pointer": torch.tensor(3)})
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"written"'):
        queue.load_state_dict({**queue.state_dict(), "written": torch.tensor(3)})


def test_what_a_module_counts_survives_a_change_of_type():
    method = nn.ModuleList([Queue(6, 5), MomentumUpdate(0.999)])
    method.to(torch.bfloat16)
    assert method[1].share == 1.0 - 0.999
    assert method.state_dict()["1.share"].dtype == torch.float64


def test_queue_refuses_a_batch_that_it_would_split():
    with pytest.raises(ValueError, match=r"queue of 6 rows .* 4 .*CONTRASTIVE\.QUEUE_LEN"):
        Queue(6, 2).enqueue(torch.zeros(4, 2))


def test_momentum_rises_along_a_cosine_from_its_base_to_one():
    assert annealed_momentum(0.996, 0.0) == pytest.approx(0.996)
    assert annealed_momentum(0.996, 1.0) == 1.0
    assert annealed_momentum(0.996, 0.25) == pytest.approx(1 - 0.004 * (math.cos(math.pi * 0.25) + 1) / 2)


@pytest.mark.parametrize("lagging", [False, True])
def test_momentum_encoder_follows(lagging):
    """The first step copies the weights; later ones average parameters but never batch-norm statistics."""
    torch.manual_seed(0)
    trained = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).double()
    slow = momentum_copy(trained)
    assert not any(p.requires_grad for p in slow.parameters())
    update = MomentumUpdate(0.9, anneal=True, lagging=lagging).double()
    nn.init.normal_(trained[0].weight)  # weights loaded after the copy was made
    expected, progresses = trained[0].weight.detach().clone(), [0.0, 0.4, 0.7, 0.9]
    for step, progress in enumerate(progresses):
        nn.init.normal_(trained[1].running_mean)
        update.begin_step([slow], [trained], progress)
        if step > 0:
            m = annealed_momentum(0.9, progresses[step - 1] if lagging else progress)
            expected = m * expected + (1 - m) * trained[0].weight.detach()
        assert torch.allclose(slow[0].weight, expected, rtol=1e-12, atol=0)
        assert torch.equal(slow[1].running_mean, torch.zeros(4, dtype=torch.float64))
        nn.init.normal_(trained[0].weight)
        update.begin_step([slow], [trained], progress)  # another micro-batch of the same step
        assert torch.allclose(slow[0].weight, expected, rtol=1e-12, atol=0)
        update.end_step()
        update.load_state_dict(copy.deepcopy(update.state_dict()))


@pytest.mark.parametrize("lagging", [False, True])
def test_momentum_goes_on_from_a_checkpoint_with_the_same_bits(lagging):
    def some_steps(resumed: bool) -> torch.Tensor:
        torch.manual_seed(0)
        trained = nn.Linear(30, 40)
        slow, update = momentum_copy(trained), MomentumUpdate(0.99, anneal=True, lagging=lagging)
        for step in range(5):
            nn.init.normal_(trained.weight)
            update.begin_step([slow], [trained], step / 5)
            update.end_step()
            if resumed:
                states = copy.deepcopy((slow.state_dict(), update.state_dict()))
                slow, update = momentum_copy(trained), MomentumUpdate(0.99, anneal=True, lagging=lagging)
                slow.load_state_dict(states[0])
                update.load_state_dict(states[1])
        return slow.weight

    assert torch.equal(some_steps(False), some_steps(True))


def test_momentum_wants_the_same_parameters():
    with pytest.raises(ValueError, match="1 parameters and the trained one 2"):
        MomentumUpdate(0.9).begin_step([nn.Linear(2, 2, bias=False)], [nn.Linear(2, 2)], 0.0)


def deal_and_collect(local: bool) -> dict[str, torch.Tensor]:
    torch.manual_seed(100 + distributed.rank())  # different everywhere: rank 0's must count
    shuffle = BatchShuffle(distributed.neighbour_group(2) if local else None)
    own = torch.arange(3.0) + 3 * distributed.rank()
    dealt, order = shuffle.deal(own[:, None])
    return {"own": own, "dealt": dealt[:, 0], "back": shuffle.collect(dealt * 10, order)[:, 0]}


@pytest.mark.parametrize(("local", "groups"), [(False, [[0, 1, 2, 3]]), (True, [[0, 1], [2, 3]])])
def test_shuffling_exchanges_videos_and_puts_keys_back(local, groups):
    results = run_processes(deal_and_collect, 4, local)
    for group in groups:
        own = torch.cat([results[rank]["own"] for rank in group])
        dealt = torch.cat([results[rank]["dealt"] for rank in group])
        assert not torch.equal(dealt, own)
        assert torch.equal(dealt.sort().values, own)
    assert any(not set(result["dealt"].tolist()) <= set(result["own"].tolist()) for result in results), (
        "no process got a video of another one"
    )
    for result in results:
        assert torch.equal(result["back"], result["own"] * 10)
