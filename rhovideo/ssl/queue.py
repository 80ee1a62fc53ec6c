"""A ring buffer of embeddings, the same on every process."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rhovideo.distributed import gather
from rhovideo.ssl.losses import unit


class Queue(nn.Module):
    """The last ``length`` embeddings of the global batches, oldest replaced first.

    Begins with random unit vectors, which :attr:`is_full` tells apart from real ones. Its state is three buffers:
    ``keys`` [length, dim], ``pointer`` (the row written next) and ``filled`` (rows written so far, at most ``length``).

    Args:
        length: rows; a multiple of the rows that one :meth:`enqueue` adds over all processes.
        dim: size of an embedding.
    """

    def __init__(self, length: int, dim: int):
        super().__init__()
        self.register_buffer("keys", unit(torch.randn(length, dim)))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    def __len__(self) -> int:
        return self.keys.shape[0]

    @property
    def is_full(self) -> bool:
        """Whether every row is an embedding that was enqueued."""
        return int(self.filled) == len(self)

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> int:
        """Add the keys [B, dim] of every process, in rank order, which is the order of the global batch.

        Returns:
            The rows added.

        Raises:
            ValueError: the length is no multiple of the rows added, so that a batch would be split at the end.
        """
        everyone = gather(keys.to(self.keys.dtype))
        added = everyone.shape[0]
        if len(self) % added:
            raise ValueError(
                f"a queue of {len(self)} rows cannot take {added} at a time: choose a queue length "
                f"(CONTRASTIVE.QUEUE_LEN, CONTRASTIVE.SWAV_QEUE_LEN) that is a multiple of the global batch {added}"
            )
        rows = (self.pointer + torch.arange(added, device=everyone.device)) % len(self)
        self.keys[rows] = everyone
        self.pointer.add_(added).remainder_(len(self))
        self.filled.add_(added).clamp_(max=len(self))
        return added
