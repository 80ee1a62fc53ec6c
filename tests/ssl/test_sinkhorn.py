from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rhovideo import distributed
from rhovideo.ssl.losses import unit
from rhovideo.ssl.sinkhorn import sinkhorn_knopp
from tests.processes import run_processes
from tests.ssl.naive import naive_sinkhorn

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
