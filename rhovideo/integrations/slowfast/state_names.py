"""Hooks that give tensors the names of PySlowFast's ContrastiveModel in checkpoints, and ours in memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rhovideo.zoo.released_format.name_mapping import TENSORS

# The beginnings of our modules' names, and of PySlowFast's for the same.
_PREFIXES = {
    "method.encoder.net.": "backbone.",
    "method.momentum_encoder.net.": "backbone_hist.",
    "method.predictor.": "backbone.head.predictors.0.",
    "method.prototypes.": "swav_prototypes.",
}


def to_their_names(module: nn.Module, state: dict[str, Tensor], prefix: str, _: Any) -> None:
    """Rename, in place, the tensors that PySlowFast's model has too; the others keep their names."""
    tensors = {f"method.{ours}": (name, there) for name, (ours, _, there) in TENSORS.items()}
    for name in [name for name in state if name.startswith(prefix)]:
        inner = name.removeprefix(prefix)
        if inner in tensors:
            released, convert = tensors[inner]
            state[prefix + released] = convert(state.pop(name))
            continue
        for ours, theirs in _PREFIXES.items():
            if inner.startswith(ours):
                state[prefix + theirs + inner.removeprefix(ours)] = state.pop(name)


def to_our_names(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """The inverse, before a state is loaded. A released queue without a count of its rows is taken to be full."""
    longest_first = sorted(_PREFIXES.items(), key=lambda pair: -len(pair[1]))
    for name in [name for name in state if name.startswith(prefix)]:
        inner = name.removeprefix(prefix)
        if inner in TENSORS:
            ours, here = TENSORS[inner][:2]
            state[f"{prefix}method.{ours}"] = here(state.pop(name))
            continue
        for beginning, theirs in longest_first:
            if inner.startswith(theirs):
                state[prefix + beginning + inner.removeprefix(theirs)] = state.pop(name)
                break
    queue = state.get(f"{prefix}method.queue.keys")
    if queue is not None:
        state.setdefault(f"{prefix}method.queue.filled", torch.tensor(len(queue)))
