"""The order of a mixture's samples: the shares of its parts exact at every step, and each part gone through in turn.

A sample has a number, counted from the start of the training over all epochs. By it alone follow its part, and its
place in that part's passes. So a run that goes on, on any number of processes, takes the same samples.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from rhovideo.data.lists.mixtures import Mixture, MixturePart
from rhovideo.data.loading.shuffling import Order, shuffled
from rhovideo.randomness import Stream, generator

_ARRANGED, _PASS = 0, 1


class MixtureOrder:
    """The samples of each step.

    After n samples, a part with the share w has given n · w of them, or the whole number below or above. A part's
    videos come in passes: each once, in a new order each time. Where a part has three times the videos that a step
    takes of it, no step shows a video twice.

    Args:
        mixture: the parts.
        seed: of all draws (RNG_SEED).
        batch: samples of a step of the whole job.
        steps: of an epoch.
    """

    def __init__(self, mixture: Mixture, seed: int, batch: int, steps: int) -> None:
        self._seed, self._batch, self._steps = seed, batch, steps
        shares = mixture.shares
        self._counts = allotted(shares)
        self._period = sum(shares)
        self._shares = np.array(shares, np.int64)
        self._parts = [
            _Passes(part, seed, place, -(-batch * share // self._period) + 1)
            for place, (part, share) in enumerate(zip(mixture.parts, shares, strict=True))
        ]

    def step(self, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The samples of a step.

        Args:
            epoch: from 0.
            step: of the epoch, from 0.

        Returns:
            Rows of the list, int64 [batch], and how often each was shown before, int64 [batch].
        """
        first = (epoch * self._steps + step) * self._batch
        starts, ends = self._given(first), self._given(first + self._batch)
        taken = [part.samples(int(a), int(b)) for part, a, b in zip(self._parts, starts, ends, strict=True)]
        rows, passes = (np.concatenate(column) for column in zip(*taken, strict=True))
        arranged = generator(Stream.MIXTURE, self._seed, _ARRANGED, epoch, step).permutation(self._batch)
        return rows[arranged], passes[arranged]

    def _given(self, samples: int) -> np.ndarray:
        """The samples that each part has given among the first ones, int64 [parts]."""
        whole, rest = divmod(samples, self._period)
        return whole * self._shares + self._counts[:, rest]


class _Passes:
    """The passes through a part: each video once in each of them.

    Args:
        part: of a mixture.
        seed: of the orders.
        place: of the part among the others.
        most: videos of it that a step may take.
    """

    def __init__(self, part: MixturePart, seed: int, place: int, most: int) -> None:
        self._part, self._seed, self._place = part, seed, place
        self._edge = most if part.count >= 3 * most else 0
        self._raw = functools.lru_cache(maxsize=2)(self._shuffled)
        self._head = functools.lru_cache(maxsize=2)(self._changed_head)

    def samples(self, first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and passes of the samples of this part with these numbers, int64 [end - first] each."""
        rows, passes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        while first < end:
            turn, place = divmod(first, self._part.count)
            until = min(place + end - first, self._part.count)
            rows.append(self._part.first + self._slice(turn, place, until))
            passes.append(np.full(until - place, turn, np.int64))
            first += until - place
        return np.concatenate(rows), np.concatenate(passes)

    def _slice(self, turn: int, first: int, end: int) -> np.ndarray:
        head = self._head(turn)
        return np.concatenate([head[first:end], self._raw(turn)[max(first, len(head)) : max(end, len(head))]])

    def _shuffled(self, turn: int) -> Order:
        return shuffled(self._part.count, generator(Stream.MIXTURE, self._seed, _PASS, self._place, turn))

    def _changed_head(self, turn: int) -> np.ndarray:
        """The beginning of a pass, in which the last videos of the pass before do not come first.

        They change places with videos a little later, so the end of a pass is never changed.
        """
        edge = self._edge
        head = self._raw(turn)[: 2 * edge].copy()
        if turn == 0 or not edge:
            return head
        again = np.isin(head, self._raw(turn - 1)[self._part.count - edge : self._part.count])
        early = np.flatnonzero(again[:edge])
        later = edge + np.flatnonzero(~again[edge:])[: len(early)]
        head[early], head[later] = head[later], head[early]
        return head


@functools.lru_cache(maxsize=8)
def allotted(shares: Sequence[int]) -> np.ndarray:
    """How many of the first n samples each part gets, with an error below one at every n.

    Tijdeman's solution of the chairman assignment problem (Discrete Mathematics 32, 1980): of the parts that are owed
    enough, the one that is due first.

    Args:
        shares: whole numbers of at least 1.

    Returns:
        int64 [parts, sum of the shares + 1], for n from 0 to the sum, at which each part has got its share.
    """
    total, parts = sum(shares), len(shares)
    given = [0] * parts
    counts = np.zeros((parts, total + 1), np.int64)
    twice = max(2 * parts - 2, 1)
    for n in range(1, total + 1):
        owed = [twice * (n * share - count * total) for share, count in zip(shares, given, strict=True)]
        due = [part for part in range(parts) if owed[part] >= total or parts == 1]
        # Times of two parts are compared as fractions: a / b < c / d.
        chosen = due[0]
        for part in due[1:]:
            if ((twice - 1) * total - owed[part]) * shares[chosen] < ((twice - 1) * total - owed[chosen]) * shares[
                part
            ]:
                chosen = part
        given[chosen] += 1
        counts[:, n] = given
    return counts
