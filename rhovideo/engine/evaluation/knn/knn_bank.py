"""The bank of k-NN during a pre-training: the newest embedding of each training video, the same on every rank."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from rhovideo import distributed
from rhovideo.engine.evaluation.knn.neighbours import SameVideos, knn_vote, unit_rows


class KnnBank(nn.Module):
    """The newest embedding of each training video, taken in during training, the same on every rank.

    A bank with a cap holds a part of the videos, which depends on their index and on ``num_rows`` alone: index i lies
    in row i·m mod num_rows, with m about 0.618 · num_rows and without a divisor in common with it, and is held if that
    row is below the cap. Such multiples spread evenly over the indices, so all classes of a sorted manifest are held.

    Args:
        num_rows: videos in the training set.
        dim: size of an embedding.
        max_rows: rows held at most (KNN.BANK_MAX); 0 holds all.
        dtype: of the stored embeddings; float16 halves memory and checkpoints.

    Attributes:
        embeddings: [R, dim] unit rows, a buffer.
        labels: [R] int64, a buffer.
        seen: [R] bool, a buffer: the row holds an embedding.

    Raises:
        ValueError: a size is not positive.
    """

    embeddings: Tensor
    labels: Tensor
    seen: Tensor

    def __init__(self, num_rows: int, dim: int, max_rows: int = 0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if num_rows < 1 or dim < 1 or max_rows < 0:
            raise ValueError(
                f"KnnBank: num_rows {num_rows} and dim {dim} must be positive, max_rows {max_rows} not negative"
            )
        self.num_rows = num_rows
        rows = min(num_rows, max_rows) if max_rows else num_rows
        self._multiplier = _multiplier(num_rows, rows)
        self.register_buffer("embeddings", torch.zeros(rows, dim, dtype=dtype))
        self.register_buffer("labels", torch.full((rows,), -1, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros(rows, dtype=torch.bool))

    def rows(self, indices: Tensor) -> Tensor:
        """The row of each video index [B]; -1 where the bank does not hold it."""
        rows = (indices.to(torch.int64) * self._multiplier) % self.num_rows
        return torch.where(rows < len(self.seen), rows, -1)

    @torch.no_grad()
    def update(self, embeddings: Tensor, indices: Tensor, labels: Tensor, valid: Tensor | None = None) -> None:
        """Store the embeddings of a step's videos, those of all ranks on every rank.

        Every rank must call this with a batch of the same size. Of a video that comes twice the later embedding is
        stored; a video without a label (-1) is not. The host does not wait for the device.

        Args:
            embeddings: [B, dim], any length.
            indices: [B] the videos' places in the manifest.
            labels: [B] their classes.
            valid: [B] bool, False for a sample that holds no video; None: all are valid.
        """
        device = self.embeddings.device
        labels = labels.to(device, non_blocking=True)
        if valid is not None:
            labels = torch.where(valid.to(device, non_blocking=True), labels, -1)
        unit = distributed.gather(unit_rows(embeddings.detach().to(device)).to(self.embeddings.dtype))
        rows = self.rows(distributed.gather(indices.to(device, non_blocking=True)))
        labels = distributed.gather(labels)
        held = (rows >= 0) & (labels >= 0)
        # Every sample writes, since the host does not know how many are held: those that are not held write to row 0.
        # Samples of one row all write the same, the last one that is held, since on a GPU their order is not known.
        rows = torch.where(held, rows, 0)
        same = (rows[:, None] == rows[None, :]) & held[None, :]
        last = len(rows) - 1 - same.flip(1).to(torch.uint8).argmax(1)
        written = same.any(1)
        self.embeddings[rows] = torch.where(written[:, None], unit[last], self.embeddings[rows])
        self.labels[rows] = torch.where(written, labels[last], self.labels[rows])
        self.seen[rows] = written | self.seen[rows]

    def take_over(self, state: Mapping[str, Tensor], origin: Tensor, num_rows: int) -> None:
        """Take over the embeddings of the videos that are left of a longer list.

        Args:
            state: a bank's of that list.
            origin: int64 [N], the place of each video in that list.
            num_rows: videos in that list.

        Raises:
            ValueError: its embeddings have another size.
        """
        if state["embeddings"].shape[1:] != self.embeddings.shape[1:]:
            sizes = state["embeddings"].shape[1], self.embeddings.shape[1]
            raise ValueError(f"a bank of embeddings of size {sizes[0]}, and {sizes[1]} is needed")
        held_before = len(state["seen"])
        before = (origin * _multiplier(num_rows, held_before)) % num_rows
        now = self.rows(torch.arange(self.num_rows))
        kept = (before < held_before) & (now >= 0)
        for name, buffer in self.named_buffers():
            buffer[now[kept].to(buffer.device)] = state[name][before[kept]].to(buffer)

    def by_row(self, numbers: Tensor) -> Tensor:
        """Order numbers of the training videos, [num_rows], as the rows that hold them, [R]."""
        rows = self.rows(torch.arange(self.num_rows))
        held = rows >= 0
        ordered = torch.zeros(len(self.seen), dtype=numbers.dtype)
        ordered[rows[held]] = numbers[held]
        return ordered

    def predict(
        self, queries: Tensor, k: int = 200, temperature: float = 0.1, same: SameVideos | None = None
    ) -> Tensor:
        """The class [Q] that the nearest rows with an embedding vote for; -1 where there are none.

        Args:
            queries: [Q, dim], any length.
            k: neighbours that vote.
            temperature: as of :func:`rhovideo.engine.evaluation.knn.neighbours.knn_vote`.
            same: as of :func:`rhovideo.engine.evaluation.knn.neighbours.knn_vote`; see :meth:`by_row`.
        """
        queries = queries.to(self.embeddings.device)
        if same is not None:
            same = SameVideos(*(numbers.to(queries.device) for numbers in same))
        return knn_vote(queries, self.embeddings, self.labels, k, temperature, self.seen, same).classes

    def accuracy(self, queries: Tensor, labels: Tensor, k: int = 200, temperature: float = 0.1) -> float:
        """Top-1 in percent of :meth:`count`; NaN if no query has a label."""
        correct, total = self.count(queries, labels, k, temperature)
        return 100.0 * correct / total if total else math.nan

    def count(
        self,
        queries: Tensor,
        labels: Tensor,
        k: int = 200,
        temperature: float = 0.1,
        same: SameVideos | None = None,
    ) -> tuple[int, int]:
        """Count the queries of *all* ranks (each its own, any number) that are right, and those with a label.

        Every rank must call this. Queries without a label (-1) are left out.

        Args:
            queries: [Q, dim] embeddings of validation videos.
            labels: [Q] their classes.
            k: neighbours that vote (KNN.K).
            temperature: KNN.T, or CONTRASTIVE.T where that is 0.
            same: as of :meth:`predict`.
        """
        labels = labels.to(self.embeddings.device)
        counts = torch.zeros(2, dtype=torch.int64, device=labels.device)
        if len(labels):
            labelled = labels >= 0
            correct = (self.predict(queries, k, temperature, same) == labels) & labelled
            counts = torch.stack([correct.sum(), labelled.sum()])
        correct, total = distributed.sum_over_ranks(counts).tolist()
        return correct, total


def _multiplier(num_rows: int, held: int) -> int:
    """The number that spreads the rows that are held over all; 1 where all are held."""
    return _spreading_multiplier(num_rows) if held < num_rows else 1


def _spreading_multiplier(modulus: int) -> int:
    """The integer nearest above 0.618 · modulus that has no divisor in common with it."""
    multiplier = max(1, round(modulus * (math.sqrt(5) - 1) / 2))
    while math.gcd(multiplier, modulus) != 1:
        multiplier += 1
    return multiplier
