"""Each loss and its gradient against loops written from the equations, for any number of clips."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from rhovideo.ssl.losses import (
    clip_nce,
    log_sum_of_negatives,
    multi_positive_nce,
    negative_cosine,
    products,
    separate_positive_nce,
    swapped_prediction,
    unit,
)
from tests.ssl.naive import naive_byol, naive_moco, naive_released_moco, naive_simclr, naive_swav

shapes = st.tuples(st.integers(2, 5), st.integers(1, 5), st.integers(2, 9), st.integers(0, 10**6))
temperatures = st.sampled_from([0.05, 0.1, 0.5, 1.0])
quick = settings(max_examples=15, deadline=None)


def embeddings(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


def agree(loss: Tensor, naive: Tensor, *leaves: Tensor) -> None:
    """Same value and same gradient for every leaf, to rounding of float64."""
    assert torch.allclose(loss, naive, rtol=1e-10, atol=1e-12)
    ours = torch.autograd.grad(loss, leaves, retain_graph=True)
    for gradient, expected in zip(ours, torch.autograd.grad(naive, leaves), strict=True):
        assert (gradient - expected).norm() <= 1e-10 * expected.norm() + 1e-13


def others(keys: Tensor, i: int) -> Tensor:
    return keys[[j for j in range(len(keys)) if j != i]]


@quick
@given(shapes, temperatures)
def test_moco_is_equation_1(shape, temperature):
    views, batch, dim, seed = shape
    x = embeddings(seed, views, batch, dim)
    keys, queue = unit(embeddings(seed + 1, views, batch, dim)), unit(embeddings(seed + 2, 7, dim))
    q = unit(x)
    loss = sum(multi_positive_nce(q[i], others(keys, i), queue, temperature) for i in range(views)) / views
    agree(loss, naive_moco(q, keys, queue, temperature), x)


@quick
@given(shapes, temperatures)
def test_released_moco_treats_each_positive_by_itself(shape, temperature):
    views, batch, dim, seed = shape
    x = embeddings(seed, views, batch, dim)
    keys, queue = unit(embeddings(seed + 1, views, batch, dim)), unit(embeddings(seed + 2, 7, dim))
    q = unit(x)
    loss = sum(separate_positive_nce(q[i], others(keys, i), queue, temperature) for i in range(views))
    agree(loss, naive_released_moco(q, keys, queue, temperature), x)


@quick
@given(shapes, temperatures)
def test_sum_over_negatives_is_the_same_whether_they_are_trained_or_not(shape, temperature):
    _, batch, dim, seed = shape
    queries, negatives = embeddings(seed, batch, dim), embeddings(seed + 1, 11, dim)
    weights = embeddings(seed + 2, batch).detach()
    of_constants = (weights * log_sum_of_negatives(queries, negatives.detach(), temperature)).sum()
    agree(of_constants, (weights * log_sum_of_negatives(queries, negatives, temperature)).sum(), queries)


def test_a_trained_temperature_gets_the_gradient_of_the_negatives_too():
    q, keys = unit(embeddings(0, 3, 8)), unit(embeddings(1, 1, 3, 8))
    queue, temperature = unit(embeddings(2, 7, 8)), torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    agree(
        multi_positive_nce(q, keys, queue.detach(), temperature),
        multi_positive_nce(q, keys, queue, temperature),
        temperature,
    )


@pytest.mark.parametrize("loss", [multi_positive_nce, separate_positive_nce])
def test_a_second_derivative_over_a_queue_is_refused_instead_of_half_of_it(loss):
    q, keys, queue = embeddings(0, 3, 8), unit(embeddings(1, 1, 3, 8)).detach(), unit(embeddings(2, 7, 8)).detach()
    with pytest.raises(RuntimeError, match=r"differentiated once only.*negatives that require gradients"):
        torch.autograd.grad(loss(q, keys, queue, 0.1), q, create_graph=True)
    (gradient,) = torch.autograd.grad(loss(q, keys, queue.requires_grad_(), 0.1), q, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), q)[0].norm() > 0


def test_no_negatives_at_all_are_a_sum_of_zero():
    assert (log_sum_of_negatives(embeddings(0, 3, 8), embeddings(1, 0, 8).detach(), 0.1) == -torch.inf).all()


def test_a_sum_over_negatives_does_not_overflow():
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    found = log_sum_of_negatives(queries, torch.eye(2).repeat(3, 1), 0.001)
    torch.testing.assert_close(found, torch.full((2,), 1000.0 + torch.tensor(3.0).log().item()))
    found.sum().backward()
    torch.testing.assert_close(queries.grad, torch.eye(2) * 1000)


@pytest.mark.parametrize("loss", [multi_positive_nce, separate_positive_nce])
def test_nothing_as_wide_as_the_queue_is_kept_for_the_backward_pass(loss):
    q, keys, queue = embeddings(0, 4, 3), unit(embeddings(1, 2, 4, 3)).detach(), unit(embeddings(2, 50, 3)).detach()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.shape) or x, lambda x: x):
        loss(unit(q), keys, queue, 0.1)
    assert kept
    assert all(50 not in shape for shape in kept)


@quick
@given(shapes, temperatures)
def test_simclr_is_equation_1_over_all_clips(shape, temperature):
    views, batch, dim, seed = shape
    x = embeddings(seed, views, batch, dim)
    z = unit(x)
    agree(clip_nce(z, z, 0, temperature), naive_simclr(z, temperature), x)


@quick
@given(shapes, temperatures, st.integers(1, 4))
def test_simclr_of_a_part_of_the_batch_is_its_part_of_the_mean(shape, temperature, parts):
    """The queries of each process against everyone: the processes' mean is the whole batch's loss."""
    views, batch, dim, seed = shape
    z = unit(embeddings(seed, views, batch * parts, dim))
    slices = [z[:, part * batch : (part + 1) * batch] for part in range(parts)]
    losses = [clip_nce(mine, z, part * batch, temperature) for part, mine in enumerate(slices)]
    assert torch.allclose(torch.stack(losses).mean(), naive_simclr(z, temperature), rtol=1e-10)


@quick
@given(shapes)
def test_byol_is_equation_2(shape):
    views, batch, dim, seed = shape
    x, keys = embeddings(seed, views, batch, dim), unit(embeddings(seed + 1, views, batch, dim))
    p = unit(x)
    loss = sum(negative_cosine(p[i], others(keys, i)) for i in range(views)) / views
    agree(loss, naive_byol(p, keys), x)


@quick
@given(shapes, temperatures)
def test_swav_is_equation_3(shape, temperature):
    views, batch, prototypes, seed = shape
    x = embeddings(seed, views, batch, prototypes)
    codes = embeddings(seed + 1, views, batch, prototypes).softmax(dim=2).detach()
    agree(swapped_prediction(x, codes, temperature), naive_swav(x, codes, temperature), x)


def test_swav_takes_codes_of_the_first_views_alone():
    scores = embeddings(0, 4, 3, 5)
    codes = embeddings(1, 2, 3, 5).softmax(dim=2)
    probability = (scores / 0.1).log_softmax(dim=2)
    pairs = [(c, v) for c in (0, 1) for v in range(4) if v != c]
    expected = torch.stack([-(codes[c] * probability[v]).sum(dim=1).mean() for c, v in pairs]).mean()
    agree(swapped_prediction(scores, codes, 0.1), expected, scores)


def test_losses_leave_half_precision_and_autocast_behind():
    """bfloat16 embeddings under autocast give the loss of the same numbers in float32, bit for bit."""
    half = embeddings(0, 3, 4, 16).bfloat16()
    codes = embeddings(1, 3, 4, 16).softmax(dim=2).float()
    q = unit(half)
    assert q.dtype == torch.float32
    calls = [
        lambda z: multi_positive_nce(z[0], z[1:], z[2], 0.1),
        lambda z: separate_positive_nce(z[0], z[1:], z[2], 0.1),
        lambda z: clip_nce(z, z, 0, 0.1),
        lambda z: negative_cosine(z[0], z[1:]),
        lambda z: swapped_prediction(z, codes, 0.1),
        lambda z: products(z, z[0]).sum(),
    ]
    for call in calls:
        with torch.autocast("cpu", torch.bfloat16):
            narrow = call(half)
        assert narrow.dtype == torch.float32
        assert narrow == call(half.float())


@pytest.mark.parametrize("temperature", [1e-3, 1e-2])
def test_small_temperatures_do_not_overflow(temperature):
    q, queue = unit(embeddings(0, 3, 4, 8).float()), unit(embeddings(1, 6, 8).float())
    losses = [
        multi_positive_nce(q[0], q[1:], queue, temperature),
        separate_positive_nce(q[0], q[1:], queue, temperature),
        clip_nce(q, q, 0, temperature),
        swapped_prediction(q, q.softmax(2).detach(), temperature),
    ]
    assert torch.stack(losses).isfinite().all()


@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 6), (2, 4, 5), (1, 2, 4, 6)])
def test_positives_of_another_shape_are_refused(shape):
    queries, positives, negatives = torch.ones(4, 6), torch.ones(shape), torch.ones(9, 6)
    for loss in (multi_positive_nce, separate_positive_nce):
        with pytest.raises(ValueError, match=r"\[P, B, D\]"):
            loss(queries, positives, negatives, 0.1)
    with pytest.raises(ValueError, match=r"\[P, B, D\]"):
        negative_cosine(queries, positives)
