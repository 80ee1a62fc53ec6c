"""Softmax of queries over the rows of a queue, in blocks and in the precisions that there are."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from rhovideo.ssl.losses import multi_positive_nce, separate_positive_nce, unit
from rhovideo.ssl.memory import queue_softmax
from rhovideo.ssl.memory.queue_softmax import attend
from tests.ssl.naive import naive_moco, naive_released_moco

PRECISION = {torch.float32: 2e-6, torch.float64: 1e-13}
without_function_scope = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def reference(queries: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """In float64 and with autograd."""
    queries = queries.double().requires_grad_()
    log_sums = (queries @ rows.double().T).logsumexp(dim=1)
    return log_sums.detach(), torch.autograd.grad(log_sums.sum(), queries)[0]


def agree(queries: Tensor, rows: Tensor) -> None:
    for found, expected in zip(attend(queries, rows), reference(queries, rows), strict=True):
        assert found.dtype == queries.dtype
        limit = PRECISION[queries.dtype] * max(1.0, expected.abs().max().item())
        torch.testing.assert_close(found.double(), expected, rtol=0.0, atol=limit)


@pytest.mark.parametrize("dtype", PRECISION)
@without_function_scope
@given(st.integers(1, 5), st.integers(1, 13), st.integers(1, 9), st.integers(0, 10**6))
def test_log_sum_and_gradient_are_those_of_all_rows_at_once(monkeypatch, device, dtype, batch, number, dim, seed):
    monkeypatch.setattr(queue_softmax, "_BLOCK_ROWS", 4)
    queries, rows = random(seed, batch, dim).to(dtype), random(seed + 1, number, dim).to(dtype)
    queries, rows = queries.to(device), rows.to(device)
    # The largest score lies in any block.
    agree(3 * queries, rows)


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("place", [0, 5, 9])
def test_large_products_do_not_overflow(monkeypatch, device, dtype, place):
    monkeypatch.setattr(queue_softmax, "_BLOCK_ROWS", 4)
    rows = random(0, 10, 3).to(device, dtype)
    rows[place] = 200.0
    queries = [[7.0, 7.0, 7.0], [-7.0, -7.0, -7.0], [0.0, 0.0, 0.0]]
    agree(torch.tensor(queries, dtype=dtype, device=device), rows)


# In float32 exp(-103) is not yet 0, exp(-87) not yet rounded to fewer digits and exp(88) not yet infinite.
@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("offset", [-800, -110, -101, -90, -60, -40, 0, 40, 80, 84, 87, 95, 110, 800])
def test_all_scores_may_be_large_or_small(monkeypatch, device, dtype, offset):
    monkeypatch.setattr(queue_softmax, "_BLOCK_ROWS", 4)
    # Whole numbers, so that the scores are exact.
    queries, rows = random(0, 3, 2).round(), random(1, 10, 2).round()
    queries = torch.cat([queries, torch.full((3, 1), offset / 256)], dim=1)
    queries[0, 2] = 0.0
    rows = torch.cat([rows, torch.full((10, 1), 256.0)], dim=1)
    agree(queries.to(device, dtype), rows.to(device, dtype))


def test_scores_that_fit_are_not_shifted_first():
    queries, rows = unit(random(0, 3, 5)), unit(random(1, 50, 5))
    for temperature, shifted in ((0.1, False), (0.0005, True)):
        with Record() as record:
            attend(queries / temperature, rows)
        assert any("amax" in name for name in record.names) == shifted


def test_a_graph_can_be_traced_without_values():
    loss = multi_positive_nce(unit(random(0, 3, 5)), unit(random(1, 2, 3, 5)), unit(random(2, 50, 5)), 0.1)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        given = [
            mode.from_tensor(unit(random(seed, *shape))) for seed, shape in ((0, (3, 5)), (1, (2, 3, 5)), (2, (50, 5)))
        ]
        assert multi_positive_nce(*given, 0.1).shape == loss.shape
    compiled = torch.compile(multi_positive_nce, backend="aot_eager", fullgraph=True)
    queries = unit(random(0, 3, 5)).requires_grad_()
    found = compiled(queries, unit(random(1, 2, 3, 5)), unit(random(2, 50, 5)), 0.1)
    torch.testing.assert_close(found.detach(), loss)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_loses_no_more_than_its_own_digits(dtype):
    queries, rows = torch.tensor([[-16.0, 0.5]]), random(0, 40, 2).abs().float()
    rows[:, 0] = 1.0
    expected = reference(queries.to(dtype), rows.to(dtype))
    for found, value in zip(attend(queries.to(dtype), rows.to(dtype)), expected, strict=True):
        torch.testing.assert_close(
            found.double(), value, rtol=2 * torch.finfo(dtype).eps, atol=2 * torch.finfo(dtype).eps
        )


def test_what_is_no_number_stays_none(device):
    queries, rows = random(0, 3, 5).to(device), random(1, 50, 5).to(device)
    queries[1, 2] = torch.nan
    log_sums, means = attend(queries, rows)
    assert log_sums.isnan().tolist() == [False, True, False]
    assert means.isnan().all(dim=1).tolist() == [False, True, False]


def test_no_queries_have_no_sums(device):
    log_sums, means = attend(torch.empty(0, 5, device=device), torch.ones(9, 5, device=device))
    assert (log_sums.shape, means.shape) == ((0,), (0, 5))


@pytest.mark.parametrize("dtype", PRECISION)
def test_no_rows_are_no_negatives(device, dtype):
    queries, rows = random(0, 3, 5).to(device, dtype), torch.empty(0, 5, dtype=dtype, device=device)
    agree(queries, rows)
    keys = unit(random(1, 2, 3, 5)).to(device, dtype)
    assert multi_positive_nce(unit(queries), keys, rows, 0.1).item() == pytest.approx(0.0, abs=1e-6)


class Record(TorchDispatchMode):
    """What is computed: the operators' names, and how many numbers the largest result that is no view has."""

    def __init__(self):
        super().__init__()
        self.names, self.largest = [], 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.names.append(str(function))
        if isinstance(result, Tensor) and result._base is None:
            self.largest = max(self.largest, result.numel())
        return result


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize(("scale", "largest"), [(1, 3 * 16), (1000, 63 * 3 * 2)])
def test_nothing_is_as_wide_as_the_rows(monkeypatch, dtype, scale, largest):
    monkeypatch.setattr(queue_softmax, "_BLOCK_ROWS", 16)
    queries, rows = scale * random(0, 3, 2).to(dtype), random(1, 1000, 2).to(dtype)
    with Record() as record:
        attend(queries, rows)
    # A block's scores; of large scores, the sums of the 63 blocks.
    assert record.largest == largest


@pytest.mark.parametrize(
    ("loss", "naive", "share"), [(multi_positive_nce, naive_moco, 3), (separate_positive_nce, naive_released_moco, 1)]
)
def test_losses_in_float32_are_the_equations(monkeypatch, device, loss, naive, share):
    """The gradient of the summed loss too, through several blocks; ``share`` averages over the three queries."""
    monkeypatch.setattr(queue_softmax, "_BLOCK_ROWS", 32)
    x, keys, queue = random(0, 3, 4, 16), unit(random(1, 3, 4, 16)), unit(random(2, 100, 16))
    exact = x.clone().requires_grad_()
    expected = naive(unit(exact), keys, queue, 0.1)
    expected.backward()
    narrow = x.float().to(device).requires_grad_()
    total = 0.0
    for i in range(3):
        positives = keys[[j for j in range(3) if j != i]].float().to(device)
        part = loss(unit(narrow[i]), positives, queue.float().to(device), 0.1) / share
        part.backward()
        total += part.item()
    assert total == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(narrow.grad.double().cpu(), exact.grad, rtol=1e-4, atol=1e-6)
