from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rhovideo import distributed
from rhovideo.ssl.losses import unit
from rhovideo.ssl.sinkhorn import sinkhorn_knopp
from tests.processes import run_processes
from tests.ssl.naive import naive_sinkhorn, naive_sinkhorn_of_any_range

SHARES = [3, 1, 4, 2]


def cosines(seed: int, batch: int, prototypes: int, dim: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    z = unit(torch.randn(batch, dim, dtype=torch.float64, generator=generator))
    return z @ unit(torch.randn(prototypes, dim, dtype=torch.float64, generator=generator)).T


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 4), st.sampled_from([0.05, 0.1, 0.5]), st.integers(0, 999))
def test_codes_are_the_naive_ones(batch, prototypes, iterations, epsilon, seed):
    scores = cosines(seed, batch, prototypes).requires_grad_()
    codes = sinkhorn_knopp(scores, epsilon, iterations + 1)
    assert not codes.requires_grad
    expected = naive_sinkhorn(scores.detach(), epsilon, iterations + 1)
    assert torch.allclose(codes, expected, rtol=1e-9, atol=1e-14)
    assert torch.allclose(codes.sum(dim=1), torch.ones(batch, dtype=torch.float64))


def part_of_the_batch() -> torch.Tensor:
    return sinkhorn_knopp(cosines(5, sum(SHARES), 7).split(SHARES)[distributed.rank()])


def test_the_batch_is_the_one_of_all_processes():
    """Four processes with different numbers of rows; a maximum taken per process alone would show here."""
    together = torch.cat(run_processes(part_of_the_batch, len(SHARES)))
    assert torch.allclose(together, naive_sinkhorn(cosines(5, sum(SHARES), 7), 0.05, 3), rtol=1e-10)


def hard_part_of_the_batch(epsilon: float) -> torch.Tensor:
    return sinkhorn_knopp(cosines(5, sum(SHARES), 7).float().split(SHARES)[distributed.rank()], epsilon)


@pytest.mark.parametrize("epsilon", [0.02, 0.003])
def test_hard_codes_are_those_of_the_batch_of_all_processes(epsilon):
    """At 0.02 the exponentials of some processes alone fit float32, and all processes must take the same way."""
    together = torch.cat(run_processes(hard_part_of_the_batch, len(SHARES), epsilon))
    expected = naive_sinkhorn_of_any_range(cosines(5, sum(SHARES), 7), epsilon, 3)
    assert torch.allclose(together.double(), expected, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("epsilon", [0.05, 0.01, 0.003, 0.002, 1e-3, 1e-5])
def test_every_row_is_a_distribution(epsilon, dtype):
    """In float32, exp(-2 / 0.003) is 0: at 0.002, 38 of 64 rows were zeros without a word."""
    scores = cosines(0, 64, 30, dim=16).to(dtype)
    codes = sinkhorn_knopp(scores, epsilon)
    assert torch.allclose(codes.sum(dim=1), torch.ones(64, dtype=codes.dtype), atol=1e-5)
    expected = naive_sinkhorn_of_any_range(scores, epsilon, 3)
    assert torch.allclose(codes.double(), expected, atol=1e-7 / epsilon + 1e-6)


def test_both_ways_give_the_same_codes():
    """The first round takes a prototype's own level off its scores. A far level asks for logarithms."""
    scores = cosines(4, 12, 9)
    codes = sinkhorn_knopp(scores, iterations=4)
    scores[:, -1] -= 100
    assert torch.allclose(sinkhorn_knopp(scores, iterations=4), codes, rtol=1e-9, atol=1e-14)


def test_a_prototype_that_nobody_may_choose_gets_nothing():
    scores = cosines(6, 8, 5)
    scores[:, 2] = -torch.inf
    others = [0, 1, 3, 4]
    codes = sinkhorn_knopp(scores)
    assert (codes[:, 2] == 0).all()
    assert torch.allclose(codes[:, others], sinkhorn_knopp(scores[:, others]))


@pytest.mark.parametrize(
    ("scores", "arguments", "message"),
    [
        (torch.zeros(0, 5), {}, r"scores is empty, of shape \[0, 5\]"),
        (torch.zeros(5, 0), {}, r"scores is empty, of shape \[5, 0\]"),
        (torch.zeros(2, 5), {"epsilon": 0.0}, "epsilon is 0.0: give a number above 0"),
        (torch.zeros(2, 5), {"epsilon": math.nan}, "epsilon is nan"),
        (torch.zeros(2, 5), {"iterations": 0}, "iterations is 0: give at least 1"),
    ],
)
def test_arguments_without_codes_are_named(scores, arguments, message):
    with pytest.raises(ValueError, match=message):
        sinkhorn_knopp(scores, **arguments)


@pytest.mark.parametrize("epsilon", [1e-3, 1e-2])
def test_hard_codes_stay_finite(epsilon):
    codes = sinkhorn_knopp(cosines(1, 8, 20).float(), epsilon)
    assert codes.isfinite().all()
    assert sinkhorn_knopp(1e4 + cosines(1, 8, 20).float()).isfinite().all()


def test_prototypes_are_used_equally_in_the_end():
    codes = sinkhorn_knopp(cosines(2, 60, 5), epsilon=0.5, iterations=50)
    assert torch.allclose(codes.sum(dim=0), torch.full((5,), 12.0, dtype=torch.float64), rtol=1e-6)


def test_half_precision_is_widened():
    scores = cosines(3, 6, 10).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        codes = sinkhorn_knopp(scores)
    assert codes.dtype == torch.float32
    assert torch.allclose(codes.double(), naive_sinkhorn(scores.double(), 0.05, 3), atol=1e-5)
