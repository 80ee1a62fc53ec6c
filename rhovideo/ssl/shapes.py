"""Checks of shapes before anything is computed, with a message that names the argument."""

from __future__ import annotations

from torch import Tensor


def require_not_empty(**arguments: Tensor) -> None:
    """Do nothing if all tensors have entries.

    Args:
        arguments: the tensors, by the names of the caller's arguments.

    Raises:
        ValueError: a tensor has none; the message names it and its shape.
    """
    for name, tensor in arguments.items():
        if not tensor.numel():
            raise ValueError(f"{name} is empty, of shape {list(tensor.shape)}: every size must be at least 1")


def require_views(**arguments: Tensor) -> None:
    """Do nothing if all tensors have entries, and the first size V is at least 2.

    Args:
        arguments: the tensors [V, ...], by the names of the caller's arguments.

    Raises:
        ValueError: a tensor is empty or has one view; the message names it and its shape.
    """
    require_not_empty(**arguments)
    for name, tensor in arguments.items():
        if len(tensor) < 2:
            raise ValueError(
                f"{name} is of shape {list(tensor.shape)}, so of one view: give at least 2 views of each video [V, ...]"
            )
