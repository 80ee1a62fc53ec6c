"""Activation checkpointing that leaves batch norm's running statistics as a plain forward pass would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


def run_checkpointed(module: nn.Module, *inputs: object) -> Any:
    """``module(*inputs)``, with its activations dropped and computed again in the backward pass.

    Random states (dropout, drop path) are restored for the second pass, and that pass does not touch running
    statistics. So results, gradients and buffers are those of a plain call.
    """
    if not torch.is_grad_enabled():
        return module(*inputs)
    return checkpoint(
        module,
        *inputs,
        use_reentrant=False,
        context_fn=lambda: (nullcontext(), _running_statistics_kept(module)),
    )


@contextmanager
def _running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """Let batch norms write to copies of their running statistics.

    If the statistics were turned off instead, the second pass would save fewer tensors than the first, and torch would
    refuse that.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.training]
    originals = [dict(norm.named_buffers(recurse=False)) for norm in norms]
    for norm, buffers in zip(norms, originals, strict=True):
        for name, buffer in buffers.items():
            setattr(norm, name, buffer.clone())
    try:
        yield
    finally:
        for norm, buffers in zip(norms, originals, strict=True):
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)
