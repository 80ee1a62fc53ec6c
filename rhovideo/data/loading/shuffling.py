"""The order of an epoch's videos, for long lists without storing it in each process."""

from __future__ import annotations

from typing import Protocol

import numpy as np

# Orders up to this length are drawn as a whole, which takes about 30 MB.
_DRAWN_UP_TO = 2**22
_ROUNDS = 8


class Order(Protocol):
    """A permutation of 0 to N - 1, read by slices: ``order[a:b]`` is int64 [b - a]."""

    def __getitem__(self, places: slice) -> np.ndarray: ...


def shuffled(count: int, rng: np.random.Generator) -> Order:
    """A random permutation of ``count`` numbers.

    Up to four million numbers, all permutations are equally likely. A longer one is a :class:`KeyedPermutation`, of
    which any part is computed without the rest. So with tens of millions of videos a process needs no memory for their
    order, and no time before its first step.

    Args:
        count: N, at least 1.
        rng: source of the permutation.

    Returns:
        The permutation of 0 to N - 1.
    """
    return KeyedPermutation(count, rng) if is_keyed(count) else rng.permutation(count)


def is_keyed(count: int) -> bool:
    """True if :func:`shuffled` returns a :class:`KeyedPermutation` for this many numbers."""
    return count > _DRAWN_UP_TO


class KeyedPermutation:
    """A pseudo-random permutation of 0 to ``count - 1`` that is computed, not stored.

    A Feistel network of eight rounds permutes all numbers of an even number of bits, which are at least ``count``. A
    result that is too large goes through the network again until it is below ``count`` ("cycle walking"); this is a
    permutation of the numbers below ``count``. See Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002.

    Args:
        count: N, at least 1.
        rng: source of the keys.

    Raises:
        ValueError: N is below 1.
    """

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        if count < 1:
            raise ValueError(f"an order of {count} numbers was asked for: there must be 1 at least")
        self._count = count
        self._half = np.uint64(max((max(count - 1, 1).bit_length() + 1) // 2, 1))
        self._mask = (np.uint64(1) << self._half) - np.uint64(1)
        self._keys = rng.integers(2**64, size=_ROUNDS, dtype=np.uint64)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, places: slice) -> np.ndarray:
        """The numbers at these places, int64 [n]."""
        values = np.arange(*places.indices(self._count), dtype=np.uint64)
        if not len(values):
            return values.astype(np.int64)
        values = self._network(values)
        outside = np.flatnonzero(values >= self._count)
        while len(outside):
            values[outside] = self._network(values[outside])
            outside = outside[values[outside] >= self._count]
        return values.astype(np.int64)

    def _network(self, values: np.ndarray) -> np.ndarray:
        left, right = values >> self._half, values & self._mask
        for key in self._keys:
            left, right = right, left ^ (_mixed(right + key) & self._mask)
        return (left << self._half) | right


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: each bit of the result depends on all of the argument's. uint64, wrapping around."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
