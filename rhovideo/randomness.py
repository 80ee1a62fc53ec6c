"""Addressed randomness: a draw depends on its address, and not on what was drawn before.

A generator is made from an *address*, a tuple of small integers such as ``(seed, epoch, video, attempt)``. The same
address gives the same stream on every worker, process and machine. So a resumed run is identical to an uninterrupted
one. Imports no torch; :mod:`rhovideo.seeding` seeds torch's generators.
"""

from __future__ import annotations

import random
from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """The purpose of a generator: the first number of every address, so that no two purposes share a stream."""

    CLIP_TIMES = 1
    AUGMENTATION = 2
    REPLACEMENT = 3
    SHUFFLE = 4
    STEP = 5
    INITIALISATION = 6
    SYNTHETIC = 7
    SHOWN_VIDEOS = 8
    MIXTURE = 9
    SUBSET = 10


def generator(stream: Stream, *address: int) -> np.random.Generator:
    """A NumPy generator for this address alone.

    Args:
        stream: the purpose of the draws.
        address: non-negative integers, e.g. ``seed, epoch, video, attempt``.

    Returns:
        A fresh Philox generator; equal addresses give equal streams.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([int(stream), *map(int, address)])))


def python_generator() -> np.random.Generator:
    """A NumPy generator seeded by Python's ``random``; the loops and data workers of other packages seed that."""
    return np.random.default_rng(random.getrandbits(64))


def torch_seed(stream: Stream, *address: int) -> int:
    """A 63-bit seed for torch's generators, a function of the address alone."""
    numbers = np.random.SeedSequence([int(stream), *map(int, address)]).generate_state(2, np.uint32)
    return (int(numbers[0]) << 31) ^ int(numbers[1])
