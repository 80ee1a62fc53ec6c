"""Orders: each number once, every order alike, any part by itself."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rhovideo.data.loading import shuffling
from rhovideo.data.loading.shuffling import KeyedPermutation, shuffled


@settings(deadline=None, max_examples=60)
@given(count=st.integers(1, 3000), seed=st.integers(0, 1000), cut=st.integers(0, 3000))
def test_each_number_stands_in_one_place_and_parts_are_parts(count, seed, cut):
    order = KeyedPermutation(count, np.random.default_rng(seed))
    whole = order[:]
    assert whole.dtype == np.int64
    assert sorted(whole.tolist()) == list(range(count))
    assert np.array_equal(np.concatenate([order[:cut], order[cut:]]), whole)
    assert np.array_equal(order[cut : cut + 7], whole[cut : cut + 7])
    assert np.array_equal(KeyedPermutation(count, np.random.default_rng(seed))[:], whole)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_order_of_a_few_is_equally_likely(count):
    rng = np.random.default_rng(0)
    seen = dict.fromkeys(itertools.permutations(range(count)), 0)
    for _ in range(100 * len(seen)):
        seen[tuple(KeyedPermutation(count, rng)[:].tolist())] += 1
    assert len(seen) == math.factorial(count)
    assert stats.chisquare(list(seen.values())).pvalue > 1e-3


def test_places_neighbours_and_steps_are_uniform():
    rng = np.random.default_rng(1)
    count = 50
    orders = np.stack([KeyedPermutation(count, rng)[:] for _ in range(1500)])
    for place in (0, 1, 31, 49):
        assert stats.chisquare(np.bincount(orders[:, place], minlength=count)).pvalue > 1e-3
    steps = (orders[:, 1:] - orders[:, :-1]) % count
    assert stats.chisquare(np.bincount(steps.reshape(-1), minlength=count)[1:]).pvalue > 1e-3
    # The longest runs that go up, which an order with a pattern would have more or fewer of.
    up = (np.diff(orders, axis=1) > 0).mean()
    assert abs(up - 0.5) < 0.01


def test_sixty_five_million_rows_cost_nothing_but_what_is_read():
    order = shuffled(65_000_000, np.random.default_rng(2))
    assert isinstance(order, KeyedPermutation)
    read = np.concatenate([order[first : first + 512] for first in range(0, 65_000_000, 6_500_000)])
    assert len(np.unique(read)) == len(read)
    assert stats.kstest(read / 65_000_000, "uniform").pvalue > 1e-3
    assert len(order[64_999_990:65_000_010]) == 10
    assert len(order[5:5]) == 0


def test_short_orders_stay_those_of_numpy(monkeypatch):
    assert np.array_equal(shuffled(1000, np.random.default_rng(3))[:], np.random.default_rng(3).permutation(1000))
    monkeypatch.setattr(shuffling, "_DRAWN_UP_TO", 10)
    assert isinstance(shuffled(11, np.random.default_rng(3)), KeyedPermutation)
    with pytest.raises(ValueError, match="1 at least"):
        KeyedPermutation(0, np.random.default_rng(0))
