"""The embeddings of the training videos, for PySlowFast's nearest-neighbour evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rhovideo import distributed

_NEIGHBOURS = 200


class Bank(nn.Module):
    """The last embedding of each training video, under the names of PySlowFast's: buffer ``memory`` [videos, 1, dim].

    Args:
        videos: CONTRASTIVE.LENGTH. If this is not the number of training videos, the bank is made anew when training
            starts, and a checkpoint's bank is not used.
        dim: size of an embedding.
    """

    memory: Tensor

    def __init__(self, videos: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("memory", torch.zeros(videos, 1, dim))

    def fit(self, videos: int) -> None:
        """Make the bank anew unless it has a row for each of ``videos`` videos."""
        if len(self.memory) != videos:
            self.memory = self.memory.new_zeros(videos, *self.memory.shape[1:])

    @torch.no_grad()
    def update(self, embeddings: Tensor, index: Tensor) -> None:
        """Keep the embeddings [B, dim] of the videos ``index`` [B] of every process."""
        self.memory[distributed.gather(index), 0] = distributed.gather(embeddings.to(self.memory.dtype))

    def nearest(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Similarities and rows, [N, K] each, of the training videos that are nearest to embeddings [N, dim]."""
        similarities = embeddings.to(self.memory.dtype) @ self.memory[:, 0].T
        return similarities.topk(min(_NEIGHBOURS, len(self.memory)), dim=1)
