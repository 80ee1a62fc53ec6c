"""Collectives on real processes against one process's float64 arithmetic."""

from __future__ import annotations

import pytest
import torch

from rhovideo import distributed
from rhovideo.errors import JobError
from rhovideo.launch.local.processes import launch
from tests.launch import collectives
from tests.launch.local.test_processes import configuration
from tests.processes import run_processes


@pytest.fixture(scope="module", params=[2, 3], ids=["2 processes", "3 processes"])
def of_ranks(request, tmp_path_factory):
    """Each rank's results, computed by as many processes."""
    cfg = configuration(tmp_path_factory.mktemp("ranks"), request.param, TRAIN__BATCH_SIZE=6)
    return launch(collectives.compute, cfg)


def everyone(ranks):
    """What the ranks hold, as one process would: inputs that require gradients."""
    return [collectives.inputs(rank).requires_grad_() for rank in range(len(ranks))]


def test_gather_is_in_rank_order(of_ranks):
    whole = torch.cat([collectives.inputs(rank) for rank in range(len(of_ranks))])
    assert all(torch.equal(mine["gathered"], whole) for mine in of_ranks)


def test_rows_of_different_number_are_gathered(of_ranks):
    whole = torch.cat([collectives.inputs(rank)[: rank + 1] for rank in range(len(of_ranks))])
    assert all(torch.equal(mine["rows"], whole) for mine in of_ranks)


def test_gather_with_gradient_lets_every_loss_reach_every_input(of_ranks):
    parts = everyone(of_ranks)
    total = sum(collectives.loss_of_all(torch.cat(parts), rank) for rank in range(len(parts)))
    expected = torch.autograd.grad(total, parts)
    for mine, gradient in zip(of_ranks, expected, strict=True):
        torch.testing.assert_close(mine["gather_gradient"], gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bucket_bytes", collectives.BUCKETS)
def test_averaged_gradients_are_those_of_the_mean_loss_over_all(bucket_bytes, of_ranks):
    network = collectives.network()
    loss = sum(collectives.step_loss(network, rank) for rank in range(len(of_ranks))) / len(of_ranks)
    loss.backward()
    for mine in of_ranks:
        for name, parameter in network.named_parameters():
            if not parameter.requires_grad:
                continue
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            found = mine["averaged"][bucket_bytes][name]
            torch.testing.assert_close(found, gradient, rtol=1e-6, atol=1e-12 if found.dtype == torch.float64 else 1e-7)


def test_averaged_gradients_are_the_same_to_the_bit_on_every_rank(of_ranks):
    first, *others = [mine["averaged"][collectives.BUCKETS[0]] for mine in of_ranks]
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)


def test_frozen_parameters_get_no_gradient(of_ranks):
    assert all("frozen.weight" not in mine["given_gradients"] for mine in of_ranks)


def test_broadcast_module_gives_all_ranks_the_tensors_of_one(of_ranks):
    """Whatever their memory layout: channels-last and transposed tensors keep their values and their strides."""
    source = collectives.odd_module(1)
    for mine in of_ranks:
        for name, tensor in source.state_dict().items():
            assert torch.equal(mine["broadcast"][name], tensor), name
            assert mine["strides"][name] == tensor.stride(), name


def test_sum_does_not_depend_on_the_memory_layout_of_a_rank(of_ranks):
    whole = sum(collectives.laid_out(rank).clone() for rank in range(len(of_ranks)))
    assert all(torch.equal(mine["laid_out"], whole) for mine in of_ranks)


def test_neighbours_share_and_others_do_not(of_ranks):
    world = len(of_ranks)
    assert [mine["alone"] for mine in of_ranks] == [rank + 1.0 for rank in range(world)]
    assert {mine["together"] for mine in of_ranks} == {world * (world + 1) / 2}


def test_groups_that_do_not_divide_the_processes_say_so(of_ranks):
    expected = "choose a divisor of 3" if len(of_ranks) == 3 else ""
    assert {mine["bad_group"] for mine in of_ranks} == {expected}


def test_groups_of_neighbours_wait_no_longer_than_the_whole(tmp_path):
    """torch would give them half an hour, whatever the job's own group has."""
    ranks = run_processes(collectives.waits_for_a_neighbour, 4, str(tmp_path))
    assert [rank["raised"] for rank in ranks] == [True, False, True, False]
    assert all(rank["others_gave_up"] for rank in ranks)


def test_a_collective_without_its_peer_says_so_by_its_class():
    raised, _ = run_processes(collectives.loses_its_neighbour, 2)
    assert set(raised) == {"backward", "sum", "started sum", "gather", "objects", "barrier"}
    assert set(raised.values()) == {"LostPeerError"}


@pytest.mark.parametrize(
    ("place", "seen", "given", "gpu"),
    [(0, 1, None, 0), (3, 4, None, 3), (3, 1, "4", 0), (1, 2, "4", 1), (2, 2, "4", 0), (2, 1, None, 0)],
)
def test_process_takes_its_own_gpu(place, seen, given, gpu, monkeypatch):
    set_gpus(monkeypatch, place, seen, given)
    assert distributed.own_gpu() == gpu


@pytest.mark.parametrize(("place", "seen", "given"), [(4, 4, None), (2, 2, "2"), (1, 1, "1")])
def test_fewer_gpus_than_processes_are_told(place, seen, given, monkeypatch):
    set_gpus(monkeypatch, place, seen, given)
    with pytest.raises(JobError, match=rf"process {place + 1} of this machine has no GPU.*NUM_GPUS {seen}"):
        distributed.own_gpu()


def set_gpus(monkeypatch, place, seen, given):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    monkeypatch.setenv("LOCAL_RANK", str(place))
    monkeypatch.delenv("SLURM_GPUS_ON_NODE", raising=False)
    if given:
        monkeypatch.setenv("SLURM_GPUS_ON_NODE", given)
