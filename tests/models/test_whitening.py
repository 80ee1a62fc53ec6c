"""GroupWhitening against a loop in float64, and over processes against one process with the joined batch."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest
import torch
from torch import nn

from rhovideo import distributed
from rhovideo.config.schema import get_cfg
from rhovideo.models.heads import build_projection
from rhovideo.models.whitening import GroupWhitening
from tests.processes import run_processes

DIM, GROUP, CLIPS, EPS = 12, 4, 20, 1e-3


def embeddings(clips: int = CLIPS, seed: int = 0) -> torch.Tensor:
    """Correlated ones, far from zero."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(DIM, DIM, dtype=torch.float64, generator=generator)
    return 5.0 + torch.randn(clips, DIM, dtype=torch.float64, generator=generator) @ mixing


def covariances(x: torch.Tensor) -> list[np.ndarray]:
    return [np.cov(x[:, first : first + GROUP].numpy().T, bias=True) for first in range(0, DIM, GROUP)]


def naive(x: torch.Tensor) -> np.ndarray:
    columns = []
    for first in range(0, DIM, GROUP):
        part = x[:, first : first + GROUP].numpy()
        centred = part - part.mean(0)
        covariance = centred.T @ centred / len(part)
        factor = np.linalg.cholesky(covariance + EPS * np.trace(covariance) / GROUP * np.eye(GROUP))
        columns.append(centred @ np.linalg.inv(factor).T)
    return np.concatenate(columns, axis=1)


def test_embeddings_are_those_of_a_loop():
    x = embeddings()
    assert np.abs(GroupWhitening(DIM, GROUP, eps=EPS).double()(x).numpy() - naive(x)).max() < 1e-9


def test_no_correlation_is_left_within_a_group():
    whitened = GroupWhitening(DIM, GROUP, eps=1e-9).double()(embeddings())
    for covariance in covariances(whitened):
        assert np.abs(covariance - np.eye(GROUP)).max() < 1e-5


def test_embeddings_on_one_line_leave_it():
    """The case that it is for: one direction holds nearly all variance."""
    line = torch.linspace(-1, 1, CLIPS, dtype=torch.float64)[:, None] * torch.ones(DIM, dtype=torch.float64)
    x = line + 0.05 * torch.randn(CLIPS, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    before = np.linalg.eigvalsh(covariances(x)[0])
    after = np.linalg.eigvalsh(covariances(GroupWhitening(DIM, GROUP, eps=1e-6).double()(x))[0])
    assert before[-1] > 100 * before[-2]
    assert after[-1] < 1.01 * after[0]


def test_gradients_are_those_of_differences():
    x = embeddings(9).requires_grad_()
    assert torch.autograd.gradcheck(GroupWhitening(DIM, GROUP).double(), (x,))


def test_evaluation_uses_the_statistics_of_training():
    norm = GroupWhitening(DIM, GROUP, eps=EPS, momentum=0.5).double()
    x = embeddings()
    for _ in range(40):
        trained = norm(x)
    norm.eval()
    assert torch.allclose(norm(x), trained)
    assert torch.allclose(norm(x[:1]), trained[:1]), "one clip alone can be embedded"
    state = copy.deepcopy(norm.state_dict())
    norm(embeddings(seed=3))
    assert all(torch.equal(value, norm.state_dict()[name]) for name, value in state.items())


def test_half_precision_is_whitened_in_single_precision():
    norm = GroupWhitening(DIM, GROUP)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        whitened = norm(embeddings().bfloat16())
    assert whitened.dtype == torch.float32
    assert abs(float(whitened.var(0, correction=0).mean()) - 1) < 0.01


def test_embeddings_without_values_keep_their_shape():
    """The sizes of a network are counted on the meta device, which knows no autocast."""
    with torch.device("meta"):
        assert GroupWhitening(DIM, GROUP)(torch.empty(CLIPS, DIM)).shape == (CLIPS, DIM)


def test_what_is_not_finite_comes_out_as_such():
    """The trainer stops at a loss that is not finite, and names it; this must not be an error of linear algebra."""
    x = embeddings()
    x[0, 0] = torch.nan
    assert not GroupWhitening(DIM, GROUP).double()(x).isfinite().all()


def test_equal_embeddings_stay_finite():
    assert GroupWhitening(DIM, GROUP)(torch.ones(CLIPS, DIM)).isfinite().all()


def test_groups_must_fit():
    with pytest.raises(ValueError, match="12"):
        GroupWhitening(DIM, 5)


def one_step(norm: nn.Module, x: torch.Tensor, all_clips: int) -> dict[str, torch.Tensor]:
    x = x.clone().requires_grad_()
    y = norm.double()(x)
    (y.pow(3).sum() / all_clips).backward()
    state = {name: value.clone() for name, value in norm.state_dict().items()}
    return {"y": y.detach(), "dx": x.grad, **state}


def in_process(group_size: int) -> dict[str, torch.Tensor]:
    group = distributed.neighbour_group(group_size)
    norm = copy.deepcopy(GroupWhitening(DIM, GROUP, synchronised=True, group=group))
    return one_step(norm, embeddings(4 * CLIPS).chunk(4)[distributed.rank()], CLIPS * group_size)


@pytest.mark.parametrize("group_size", [2, 4])
def test_several_processes_give_what_one_does(group_size):
    """Embeddings, gradients and running statistics, for all processes and for pairs of them."""
    found = run_processes(functools.partial(in_process, group_size), 4)
    parts = embeddings(4 * CLIPS).chunk(4 // group_size)
    for number, part in enumerate(parts):
        expected = one_step(GroupWhitening(DIM, GROUP), part, CLIPS * group_size)
        members = found[number * group_size : (number + 1) * group_size]
        for name in ("y", "dx"):
            assert (torch.cat([each[name] for each in members]) - expected[name]).abs().max() < 1e-9, name
        for name in ("running_mean", "running_covariance"):
            assert all((each[name] - expected[name]).abs().max() < 1e-12 for each in members), name


@pytest.mark.parametrize("synchronised", [False, True])
def test_the_projection_ends_with_it_where_asked_for(synchronised):
    cfg = get_cfg()
    cfg.CONTRASTIVE.DIM, cfg.CONTRASTIVE.WHITEN_EMBEDDING = DIM, GROUP
    cfg.CONTRASTIVE.BN_SYNC_MLP = cfg.BN.GLOBAL_SYNC = synchronised
    projection = build_projection(cfg, 16)
    last = projection.layers[-1]
    assert isinstance(last, GroupWhitening)
    assert last.synchronised is synchronised
    whitened = projection(torch.rand(64, 16))
    assert np.abs(covariances(whitened.detach())[0] - np.eye(GROUP)).max() < 0.05
