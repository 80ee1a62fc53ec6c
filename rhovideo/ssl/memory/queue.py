"""A ring buffer of embeddings, the same on every process (He et al., MoCo, arXiv 1911.05722, section 3.1)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from rhovideo.distributed import gather
from rhovideo.ssl.losses import unit
from rhovideo.ssl.memory.state_numbers import StateNumbers
from rhovideo.ssl.shapes import require_not_empty


class Queue(StateNumbers):
    """The last ``length`` embeddings of the global batches, oldest replaced first.

    It begins with random unit vectors; :attr:`is_full` is False until all of them are replaced.

    Args:
        length: rows; a multiple of the rows that one :meth:`enqueue` adds over all processes.
        dim: size of an embedding.

    Raises:
        ValueError: ``length`` or ``dim`` is below 1.

    Attributes:
        keys: [length, dim], a buffer.
        pointer: the row that is written next.
        filled: rows written so far, at most ``length``.
    """

    numbers: ClassVar = {"pointer": torch.int64, "filled": torch.int64}
    keys: Tensor

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        for name, size in (("length", length), ("dim", dim)):
            if size < 1:
                raise ValueError(f"{name} is {size}: a queue needs a {name} of at least 1")
        self.register_buffer("keys", unit(torch.randn(length, dim)))
        self.pointer, self.filled = 0, 0

    def __len__(self) -> int:
        return self.keys.shape[0]

    @property
    def is_full(self) -> bool:
        """True once every row is an embedding that was enqueued."""
        return self.filled == len(self)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> int:
        """Add the keys of every process, in rank order, which is the order of the global batch.

        Args:
            keys: [B, dim], of this process; B is the same everywhere.

        Returns:
            The number of rows added: B times the processes.

        Raises:
            ValueError: the length is no multiple of the rows added, so that a batch would be split at the end; or
                there are no keys, or they are not [B, dim].
        """
        require_not_empty(keys=keys)
        if keys.shape[1:] != self.keys.shape[1:]:
            raise ValueError(f"keys are {list(keys.shape)}: this queue takes [B, {self.keys.shape[1]}]")
        everyone = gather(keys.to(self.keys.dtype))
        added = len(everyone)
        if len(self) % added:
            raise ValueError(
                f"a queue of {len(self)} rows cannot take {added} at a time: choose a queue length "
                f"(CONTRASTIVE.QUEUE_LEN, CONTRASTIVE.SWAV_QEUE_LEN) that is a multiple of the global batch {added}"
            )
        rows = torch.arange(self.pointer, self.pointer + added, device=everyone.device) % len(self)
        self.keys[rows] = everyone
        self.pointer = (self.pointer + added) % len(self)
        self.filled = min(self.filled + added, len(self))
        return added
