"""The order in which an epoch shows its videos, without a list of all of them in each process."""

from __future__ import annotations

from typing import Protocol

import numpy as np

# Shorter orders are drawn as a whole: some 30 MB.
_DRAWN_UP_TO = 2**22
_ROUNDS = 8


class Order(Protocol):
    """A permutation of 0 to N - 1, read by slices: ``order[a:b]`` is int64 [b - a]."""

    def __getitem__(self, places: slice) -> np.ndarray: ...


def shuffled(count: int, rng: np.random.Generator) -> Order:
    """A random permutation of ``count`` numbers.

    Up to four million numbers it is uniform over all permutations. Beyond, it is a keyed one
    (:class:`KeyedPermutation`), of which any part is found without the rest: tens of millions of videos then cost a
    process neither memory nor time before its first step.
    """
    return KeyedPermutation(count, rng) if is_keyed(count) else rng.permutation(count)


def is_keyed(count: int) -> bool:
    """Whether :func:`shuffled` orders this many numbers by a :class:`KeyedPermutation`."""
    return count > _DRAWN_UP_TO


class KeyedPermutation:
    """A pseudo-random permutation of 0 to ``count - 1`` that is computed, not stored.

    A Feistel network of eight rounds permutes the numbers of an even count of bits, at least ``count`` of them; what
    falls outside is sent through again until it falls inside ("cycle walking"), which leaves a permutation of those
    inside. See Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002.

    Args:
        count: N, at least 1.
        rng: gives the keys.
    """

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        if count < 1:
            raise ValueError(f"an order of {count} numbers; there must be 1 at least")
        self._count = count
        self._half = np.uint64(max((max(count - 1, 1).bit_length() + 1) // 2, 1))
        self._mask = (np.uint64(1) << self._half) - np.uint64(1)
        self._keys = rng.integers(2**64, size=_ROUNDS, dtype=np.uint64)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, places: slice) -> np.ndarray:
        """int64 [n], what stands at these places."""
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
    return values ^ (values >> np.uint64(31))
