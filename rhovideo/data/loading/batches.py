"""Samples put together to batches, and their way from a worker to the main process.

The last operation on a view writes it to its place in its batch, and where that is a shared slot the main process finds
it there: between the decoder's picture and the batch nothing is copied only to be moved. For a GPU one copy is left, by
the DataLoader's thread into page-locked memory (10 MB are copied in some 0.3 ms). Page-locked slots would save it, but
torch knows only of its own allocator's memory when the GPU has read it, and a slot must not be written before that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from rhovideo.data.lists.bad_videos import Failure
from rhovideo.data.loading import shared_slots
from rhovideo.data.loading.datasets import Sample, SampleKey, VideoDataset
from rhovideo.data.loading.shared_slots import Address, Slot


@dataclass
class Batch:
    """The samples of one process and one (micro-)batch.

    Attributes:
        clips: uint8 [B,V,T,S,S,3].
        index, label: int64 [B], of the videos shown; label -1 where there is none.
        valid: bool [B], False where no video could be read.
        failures: every video that could not be read on the way.
        operations: float64 [B,V,K,2], what is yet to be done to the colour of each view; None if nothing is.
    """

    clips: torch.Tensor
    index: torch.Tensor
    label: torch.Tensor
    valid: torch.Tensor
    failures: list[Failure]
    operations: torch.Tensor | None = None

    def select(self, rows: torch.Tensor) -> Batch:
        """The samples where ``rows``, bool [B], is true; all failures stay."""
        operations = None if self.operations is None else self.operations[rows]
        return Batch(self.clips[rows], self.index[rows], self.label[rows], self.valid[rows], self.failures, operations)

    def pin_memory(self) -> Batch:
        """Itself in page-locked memory (called by torch's DataLoader)."""
        tensors = (tensor.pin_memory() for tensor in (self.clips, self.index, self.label, self.valid))
        # The operations are read on the CPU.
        return Batch(*tensors, self.failures, self.operations)


class Shipment:
    """A batch on its way out of a worker, which arrives as a :class:`Batch`.

    Its clips lie in a slot that both sides have mapped; all else is small and travels in the message.

    Args:
        slot: with the clips.
        loader: name of the loader that it goes to.
        batch: its ``clips`` show the slot.
    """

    def __init__(self, slot: Slot, loader: str, batch: Batch) -> None:
        self._slot = slot
        self._loader = loader
        self._batch = batch

    def __reduce__(self) -> tuple:
        batch = self._batch
        operations = None if batch.operations is None else batch.operations.numpy()
        small = (batch.index.numpy(), batch.label.numpy(), batch.valid.numpy())
        address = self._slot.address(self._loader)
        return _arrive, (address, tuple(batch.clips.shape), *small, batch.failures, operations)


def _arrive(
    address: Address,
    shape: tuple[int, ...],
    index: np.ndarray,
    label: np.ndarray,
    valid: np.ndarray,
    failures: list[Failure],
    operations: np.ndarray | None,
) -> Batch:
    clips = shared_slots.arrived(address, shape)
    small = (torch.from_numpy(values) for values in (index, label, valid))
    return Batch(clips, *small, failures, None if operations is None else torch.from_numpy(operations))


class BatchReader(Dataset):
    """A dataset of which a worker reads whole batches, each sample right into the batch's memory.

    Args:
        dataset: the videos.
    """

    def __init__(self, dataset: VideoDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, keys: list[SampleKey]) -> Batch | Shipment:
        """The batch of these samples (called by torch's DataLoader, by this name)."""
        shape, pool = (len(keys), *self._sample_shape), shared_slots.own_pool()
        slot = pool.take(math.prod(shape)) if pool else None
        if slot is None:
            return self._read(keys, _new_memory(shape))
        try:
            return Shipment(slot, pool.loader, self._read(keys, slot.tensor(shape)))
        except BaseException:
            slot.release()
            raise

    def _read(self, keys: list[SampleKey], clips: torch.Tensor) -> Batch:
        return _batch(clips, [self.dataset.read(key, place.numpy()) for key, place in zip(keys, clips, strict=True)])

    @cached_property
    def _sample_shape(self) -> tuple[int, ...]:
        return self.dataset.sample_shape()


def _new_memory(shape: tuple[int, ...]) -> torch.Tensor:
    """Of a batch for which there is no slot; what is to leave a worker is best in shared memory from the start."""
    clips = torch.empty(shape, dtype=torch.uint8)
    return clips if get_worker_info() is None else clips.share_memory_()


def _batch(clips: torch.Tensor, samples: list[Sample]) -> Batch:
    return Batch(
        clips,
        torch.tensor([sample.index for sample in samples], dtype=torch.int64),
        torch.tensor([sample.label for sample in samples], dtype=torch.int64),
        torch.tensor([sample.valid for sample in samples], dtype=torch.bool),
        [failure for sample in samples for failure in sample.failures],
        None if samples[0].operations is None else torch.stack([sample.operations for sample in samples]),
    )
