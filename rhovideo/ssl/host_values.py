"""Whether the host may look at a tensor's values to choose how to compute."""

from __future__ import annotations

import torch
from torch import Tensor


def can_be_looked_at(values: Tensor) -> bool:
    """True where the values may decide what is computed: not on a GPU, where the host would wait, nor in a graph."""
    return values.is_cpu and type(values) is Tensor and not torch.compiler.is_compiling()
