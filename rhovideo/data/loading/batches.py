"""Batches of samples, and their way from a worker to the main process.

The last operation on a view writes it to its place in the batch. If the batch is in a shared slot, the main process
reads it there, so no data is copied only to be moved. For a GPU one copy remains, which the DataLoader's thread makes
into page-locked memory (10 MB take about 0.3 ms). Page-locked slots would save this copy, but torch reports that the
GPU has finished reading only for memory of its allocator, and a slot must not be written before that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from rhovideo.data.lists.bad_videos import Failure
from rhovideo.data.loading import shared_slots
from rhovideo.data.loading.datasets import ClipDataset, Sample, SampleKey
from rhovideo.data.loading.key_frames.clip_boxes import BatchBoxes
from rhovideo.data.loading.shared_slots import Address, Slot


@dataclass
class Batch:
    """The samples of one process and one (micro-)batch.

    Attributes:
        clips: uint8 [B,V,T,S,S,3].
        index: int64 [B], the videos that are shown.
        label: int64 [B], their labels; -1 for a video without a label.
        valid: bool [B], False where no video could be read.
        failures: all videos that could not be read on the way.
        operations: float64 [B,V,K,2], changes of each view's colour that are still to be made; None if there are none.
        targets: uint8 [B,C], 1 for each of several labels of a video; None for one label a video.
        boxes: of the clips; None where the data set has none.
    """

    clips: torch.Tensor
    index: torch.Tensor
    label: torch.Tensor
    valid: torch.Tensor
    failures: list[Failure]
    operations: torch.Tensor | None = None
    targets: torch.Tensor | None = None
    boxes: BatchBoxes | None = None

    def select(self, rows: torch.Tensor) -> Batch:
        """The samples where ``rows``, bool [B], is True, with all failures."""
        operations = None if self.operations is None else self.operations[rows]
        targets = None if self.targets is None else self.targets[rows]
        boxes = None if self.boxes is None else self.boxes.select(rows)
        small = (self.index[rows], self.label[rows], self.valid[rows])
        return Batch(self.clips[rows], *small, self.failures, operations, targets, boxes)

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory; torch's DataLoader calls this method."""
        clips, index, label, valid = (t.pin_memory() for t in (self.clips, self.index, self.label, self.valid))
        targets = None if self.targets is None else self.targets.pin_memory()
        boxes = None if self.boxes is None else self.boxes.pin_memory()
        # The operations are read on the CPU.
        return Batch(clips, index, label, valid, self.failures, self.operations, targets, boxes)


class BatchInSlot:
    """A batch in a worker's shared slot; the main process unpickles it as a :class:`Batch`.

    The clips stay in the slot, which both processes have mapped. All other parts are small and are pickled.

    Args:
        slot: holds the clips.
        loader: name of the loader that the batch goes to.
        batch: its ``clips`` are a view of the slot.
    """

    def __init__(self, slot: Slot, loader: str, batch: Batch) -> None:
        self._slot = slot
        self._loader = loader
        self._batch = batch

    def __reduce__(self) -> tuple[Any, ...]:
        batch = self._batch
        operations, targets = (None if part is None else part.numpy() for part in (batch.operations, batch.targets))
        small = (batch.index.numpy(), batch.label.numpy(), batch.valid.numpy())
        boxes = None if batch.boxes is None else batch.boxes.arrays()
        address = self._slot.address(self._loader)
        return _unpickle, (address, tuple(batch.clips.shape), *small, batch.failures, operations, targets, boxes)


def _unpickle(
    address: Address,
    shape: tuple[int, ...],
    index: np.ndarray,
    label: np.ndarray,
    valid: np.ndarray,
    failures: list[Failure],
    operations: np.ndarray | None,
    targets: np.ndarray | None,
    boxes: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
) -> Batch:
    clips = shared_slots.clips_at(address, shape)
    small = (torch.from_numpy(index), torch.from_numpy(label), torch.from_numpy(valid))
    left, labels = (None if part is None else torch.from_numpy(part) for part in (operations, targets))
    return Batch(clips, *small, failures, left, labels, None if boxes is None else BatchBoxes.from_arrays(*boxes))


class BatchReader(Dataset[Batch]):
    """A data set from which a worker reads whole batches, each sample directly into the batch's memory.

    Args:
        dataset: the videos.
    """

    def __init__(self, dataset: ClipDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, keys: list[SampleKey]) -> Batch | BatchInSlot:
        """The batch of these samples; torch's DataLoader calls this method."""
        if self._sample_shape is None:
            return self._padded(keys)
        shape, pool = (len(keys), *self._sample_shape), shared_slots.own_pool()
        slot = pool.take(math.prod(shape)) if pool else None
        if pool is None or slot is None:
            return self._read(keys, _new_memory(shape))
        try:
            return BatchInSlot(slot, pool.loader, self._read(keys, slot.tensor(shape)))
        except BaseException:
            slot.release()
            raise

    def _read(self, keys: list[SampleKey], clips: torch.Tensor) -> Batch:
        return _batch(clips, [self.dataset.read(key, place.numpy()) for key, place in zip(keys, clips, strict=True)])

    def _padded(self, keys: list[SampleKey]) -> Batch:
        """The batch of clips of different sizes, each in the upper left corner of the same memory."""
        samples = [self.dataset.read(key) for key in keys]
        views, frames, *_ = samples[0].clips.shape
        height, width = (max(sample.clips.shape[side] for sample in samples) for side in (2, 3))
        clips = _new_memory((len(keys), views, frames, height, width, 3)).zero_()
        for place, sample in zip(clips, samples, strict=True):
            place[:, :, : sample.clips.shape[2], : sample.clips.shape[3]] = sample.clips
        return _batch(clips, samples)

    @cached_property
    def _sample_shape(self) -> tuple[int, ...] | None:
        return self.dataset.sample_shape()


def _new_memory(shape: tuple[int, ...]) -> torch.Tensor:
    """Memory for a batch without a slot; a worker's is shared from the start, so that sending it copies nothing."""
    clips = torch.empty(shape, dtype=torch.uint8)
    return clips if get_worker_info() is None else clips.share_memory_()


def _batch(clips: torch.Tensor, samples: list[Sample]) -> Batch:
    operations = [sample.operations for sample in samples if sample.operations is not None]
    targets = [sample.targets for sample in samples if sample.targets is not None]
    return Batch(
        clips,
        torch.tensor([sample.index for sample in samples], dtype=torch.int64),
        torch.tensor([sample.label for sample in samples], dtype=torch.int64),
        torch.tensor([sample.valid for sample in samples], dtype=torch.bool),
        [failure for sample in samples for failure in sample.failures],
        torch.stack(operations) if operations else None,
        torch.stack(targets) if targets else None,
        _boxes(samples),
    )


def _boxes(samples: list[Sample]) -> BatchBoxes | None:
    boxes = [sample.boxes for sample in samples if sample.boxes is not None]
    sizes = [(sample.clips.shape[2], sample.clips.shape[3]) for sample in samples]
    return BatchBoxes.of(boxes, sizes) if boxes else None
