"""Signals of a collapse against naive float64 loops, and at points where their value is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from rhovideo.ssl import BYOL, MoCo, SimCLR, SwAV
from rhovideo.ssl.diagnostics import (
    contrast_top1,
    effective_rank,
    embedding_std,
    negative_similarity,
    positive_similarity,
    prototype_signals,
    similarity_to_keys,
    spread_signals,
    uniformity,
)
from rhovideo.ssl.losses import unit


def rows(count=7, dim=5, seed=0):
    return unit(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)))


def test_uniformity_is_the_log_of_the_mean_over_pairs():
    x = rows()
    pairs = [
        math.exp(-2 * sum((a - b) ** 2 for a, b in zip(p, q, strict=True)))
        for i, p in enumerate(x.double().tolist())
        for j, q in enumerate(x.double().tolist())
        if i != j
    ]
    assert uniformity(x).item() == pytest.approx(math.log(sum(pairs) / len(pairs)), abs=1e-5)


def test_equal_rows_have_collapsed():
    same = rows(1).expand(6, -1)
    assert uniformity(same).item() == pytest.approx(0, abs=1e-5)
    assert effective_rank(same).item() == pytest.approx(0, abs=1e-3)
    assert math.isnan(uniformity(same[:1]).item())


def test_effective_rank_is_that_of_the_eigenvalues():
    x = rows(9, 4).double()
    values = torch.linalg.eigvalsh(x.T.cov(correction=0))
    assert effective_rank(x).item() == pytest.approx((values.sum() ** 2 / values.square().sum()).item(), rel=1e-4)


@pytest.mark.parametrize("directions", [1, 3, 8])
def test_effective_rank_counts_directions(directions):
    """Points at plus and minus each axis use that many directions evenly."""
    axes = torch.eye(8)[:directions]
    assert effective_rank(torch.cat([axes, -axes])).item() == pytest.approx(directions, rel=1e-5)


def test_alignment_is_the_mean_squared_distance_of_two_clips():
    first, second = rows(seed=1), rows(seed=2)
    positive = (first * second).sum(1).mean()
    expected = (first - second).square().sum(1).mean()
    assert spread_signals(first, positive)["alignment"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_contrast_counts_queries_whose_positive_is_first():
    positive = torch.tensor([0.9, 0.2, 0.5, 0.5])
    others = torch.tensor([[0.1, 0.8], [0.1, 0.3], [0.4, 0.4], [0.5, 0.1]])
    # The last is a tie, which is no win.
    assert contrast_top1(positive, others).item() == 50.0


class TestPrototypes:
    def test_one_prototype_for_all_clips(self):
        scores = torch.zeros(2, 6, 4)
        scores[..., 2] = 1.0
        codes = torch.zeros(2, 6, 4)
        codes[..., 2] = 1.0
        found = prototype_signals(scores, codes, temperature=0.01)
        assert found["prototype_usage"].item() == pytest.approx(1 / 4)
        assert found["prediction_entropy"].item() == pytest.approx(0, abs=1e-4)
        assert found["code_entropy"].item() == pytest.approx(0, abs=1e-4)
        assert found["code_agreement"].item() == 100.0

    def test_rows_that_say_nothing(self):
        found = prototype_signals(torch.zeros(2, 6, 4), torch.full((2, 6, 4), 0.25), temperature=0.1)
        assert found["prediction_entropy"].item() == pytest.approx(1)
        assert found["code_entropy"].item() == pytest.approx(1)

    def test_against_loops(self):
        generator = torch.Generator().manual_seed(3)
        scores = torch.randn(3, 5, 4, generator=generator)
        codes = torch.rand(3, 5, 4, generator=generator).softmax(-1)
        found = prototype_signals(scores, codes, temperature=0.5)
        chosen = [max(range(4), key=row.__getitem__) for row in scores.flatten(0, 1).tolist()]
        shares = [chosen.count(kind) / 15 for kind in range(4) if kind in chosen]
        usage = math.exp(-sum(share * math.log(share) for share in shares)) / 4
        assert found["prototype_usage"].item() == pytest.approx(usage, rel=1e-4)
        first = codes.argmax(-1).tolist()
        agreements = [first[a][b] == first[c][b] for a in range(3) for c in range(3) if a != c for b in range(5)]
        assert found["code_agreement"].item() == pytest.approx(100 * sum(agreements) / len(agreements), rel=1e-4)
        entropies = [-sum(p * math.log(p) for p in row) for row in codes.double().flatten(0, 1).tolist()]
        assert found["code_entropy"].item() == pytest.approx(sum(entropies) / 15 / math.log(4), rel=1e-4)


def methods():
    def parts():
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 2 * 4 * 4, 8)), nn.Linear(8, 6)

    yield "simclr", SimCLR(*parts())
    yield "moco", MoCo(*parts(), 6, 8)
    yield "byol", BYOL(*parts(), nn.Linear(6, 6))
    yield "swav", SwAV(*parts(), 6, num_prototypes=4)


@pytest.mark.parametrize(("name", "method"), methods())
def test_signals_that_cost_more_are_there_on_request_and_change_no_loss(name, method):
    views = [torch.randn(4, 3, 2, 4, 4, generator=torch.Generator().manual_seed(i)) for i in range(2)]
    plain = [loss.item() for loss in method.losses(views)]
    assert "effective_rank" not in method.signals
    method.diagnose = True
    diagnosed = [loss.item() for loss in method.losses(views)]
    expected = {"alignment", "uniformity", "effective_rank"}
    expected |= {"contrast_top1"} if name in ("simclr", "moco") else set()
    # SwAV's are always there: the watch over a training needs them.
    expected |= {"prototype_usage", "code_agreement"} if name == "swav" else set()
    assert expected <= set(method.signals)
    assert all(value.ndim == 0 and not value.requires_grad and value.isfinite() for value in method.signals.values())
    # SwAV makes its prototypes unit vectors again in each call, which rounds.
    assert diagnosed == pytest.approx(plain, rel=1e-5)


def test_signals_tell_a_collapse_from_a_spread():
    torch.manual_seed(0)
    spread = unit(torch.randn(3, 400, 64))
    collapsed = unit(torch.ones(3, 400, 64))
    assert float(embedding_std(spread[0])) == pytest.approx(1.0, abs=0.05)
    assert float(embedding_std(collapsed[0])) == pytest.approx(0.0, abs=1e-6)
    assert float(positive_similarity(collapsed)) == pytest.approx(1.0)
    assert float(negative_similarity(collapsed)) == pytest.approx(1.0)
    assert float(negative_similarity(spread)) == pytest.approx(0.0, abs=0.01)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 4), st.integers(2, 5), st.integers(0, 99))
def test_similarities_are_means_over_pairs(views, videos, seed):
    z = unit(torch.randn(views, videos, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))
    cosines = torch.einsum("vbd,wgd->vbwg", z, z)
    clips = [(v, b) for v in range(views) for b in range(videos)]
    pairs = [(one, two) for one in clips for two in clips if one != two]
    for same_video, found in ((True, positive_similarity(z)), (False, negative_similarity(z))):
        wanted = [cosines[one + two] for one, two in pairs if (one[1] == two[1]) == same_video]
        assert torch.allclose(found, torch.stack(wanted).mean())
    own, others = similarity_to_keys(z[0], z[1:])
    for same_video, found in ((True, own), (False, others)):
        wanted = [cosines[0, b, w, g] for b in range(videos) for w, g in clips if w > 0 and (b == g) == same_video]
        assert torch.allclose(found, torch.stack(wanted).mean())
