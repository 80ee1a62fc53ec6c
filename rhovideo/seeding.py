"""Seeding the global generators of torch, NumPy and Python from an address."""

from __future__ import annotations

import random

import numpy as np
import torch

from rhovideo.randomness import Stream, torch_seed


def seed_everything(stream: Stream, *address: int) -> None:
    """Seed torch (all devices), NumPy's and Python's global generators from an address.

    This is for code of other packages that draws from the global generators (dropout, weight initialisation).

    Args:
        stream: the purpose of the draws.
        address: non-negative integers, e.g. ``seed, step, rank``.
    """
    seed = torch_seed(stream, *address)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - for code that draws from it
    random.seed(seed)
