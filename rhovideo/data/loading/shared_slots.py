"""Memory that a worker and the main process share and use again, batch after batch.

A batch of clips has megabytes. In new memory, each process has to get every page of it from the kernel. Without slots a
loader takes 5 to 8 % more CPU time for a sample (340x256 videos, rho 2 and 4, 1 and 2 workers, Xeon). So a worker keeps
a few slots, which each process maps once. The first byte of a slot is its flag: the worker sets it when it takes the
slot, and the main process clears it when no tensor uses the slot any more.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import weakref
from collections.abc import Sequence
from multiprocessing.reduction import DupFd
from typing import Any, NamedTuple

import numpy as np
import torch

# With more batches than that at a time, the caller collects them, and the rest get new memory.
MOST_SLOTS = 8
_FREE, _USED = 0, 1
# Clips begin on the page after the flag.
_FIRST = mmap.PAGESIZE


class Address(NamedTuple):
    """The place of a slot, for the main process.

    Attributes:
        loader: name of the loader, for :func:`unmap`.
        key: the worker's process id and the slot's number.
        size: bytes of the mapping.
        file: the memory's file, the first time; None where the main process has mapped the slot.
    """

    loader: str
    key: tuple[int, int]
    size: int
    file: Any


class Slot:
    """A piece of shared memory, in the worker.

    Args:
        number: the slot's place among the worker's slots.
        capacity: bytes of the largest batch that fits.

    Raises:
        OSError: the system has no such memory.
    """

    def __init__(self, number: int, capacity: int) -> None:
        self.number = number
        self.capacity = capacity
        file = os.memfd_create("rhovideo-batch", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, _FIRST + capacity)
            self._memory = mmap.mmap(file, _FIRST + capacity)
            # Here, since an error about missing descriptors would be lost where the batch is sent.
            self._unsent: Any = DupFd(file)
        finally:
            os.close(file)

    def take(self) -> bool:
        """Mark the slot as used; False if it is used already."""
        if self._memory[0] == _USED:
            return False
        self._memory[0] = _USED
        return True

    def release(self) -> None:
        """Mark the slot as free; only for a slot whose batch was not sent."""
        self._memory[0] = _FREE

    def tensor(self, shape: Sequence[int]) -> torch.Tensor:
        """The slot's memory as uint8 of a shape that fits."""
        return torch.from_numpy(_view(self._memory, shape))

    def address(self, loader: str) -> Address:
        """The place of the slot, to be sent to the main process."""
        file, self._unsent = self._unsent, None
        return Address(loader, (os.getpid(), self.number), _FIRST + self.capacity, file)


class SlotPool:
    """The slots of one worker.

    Args:
        loader: name of the worker's loader.
    """

    def __init__(self, loader: str) -> None:
        self.loader = loader
        self._slots: list[Slot] = []

    def take(self, size: int) -> Slot | None:
        """Take a free slot.

        Args:
            size: bytes of the batch.

        Returns:
            The slot; None if too many are in use, or there is no memory.
        """
        for slot in self._slots:
            if slot.capacity >= size and slot.take():
                return slot
        if len(self._slots) == MOST_SLOTS:
            return None
        try:
            slot = Slot(len(self._slots), size)
        except OSError:
            # No file descriptor left, no address space, or a sandbox that forbids it.
            return None
        slot.take()
        self._slots.append(slot)
        return slot


_pool: SlotPool | None = None
_mapped: dict[str, dict[tuple[int, int], mmap.mmap]] = {}
_forks = 0


def begin_pool(loader: str) -> None:
    """Let this process, a worker, keep slots; does nothing where the system has no memory that can be shared so."""
    global _pool
    # Linux has it, except in some sandboxes.
    with contextlib.suppress(AttributeError, OSError):
        os.close(os.memfd_create("rhovideo-batch"))
        _pool = SlotPool(loader)


def own_pool() -> SlotPool | None:
    """This worker's slots; None in other processes."""
    return _pool


def clips_at(address: Address, shape: Sequence[int]) -> torch.Tensor:
    """The clips in a slot, in the main process; the slot becomes free when no tensor uses them any more.

    Args:
        address: of the slot.
        shape: of the clips.

    Returns:
        uint8 of ``shape``, a view of the slot.
    """
    known = _mapped.setdefault(address.loader, {})
    if address.file is not None:
        file = address.file.detach()
        try:
            known[address.key] = mmap.mmap(file, address.size)
        finally:
            os.close(file)
    memory = known[address.key]
    view = _view(memory, shape)
    # The tensor's storage keeps this array, so it lives as long as any view of the tensor.
    weakref.finalize(view, _give_back, memory, os.getpid(), _forks).atexit = False
    return torch.from_numpy(view)


def return_memory(loader: str) -> None:
    """Return the memory of a loader's free slots to the system; the slots can be used again.

    Only between epochs: data that a worker writes at the same time is lost.

    Args:
        loader: the loader's name.
    """
    for memory in _mapped.get(loader, {}).values():
        if memory[0] == _FREE:
            # Some sandboxes do not support this; then the memory stays.
            with contextlib.suppress(OSError):
                memory.madvise(mmap.MADV_REMOVE, _FIRST, len(memory) - _FIRST)


def unmap(loader: str) -> None:
    """Unmap the slots of a loader; those that tensors use stay until the tensors are gone."""
    _mapped.pop(loader, None)


def _view(memory: mmap.mmap, shape: Sequence[int]) -> np.ndarray:
    return np.frombuffer(memory, np.uint8, math.prod(shape), _FIRST).reshape(tuple(shape))


def _give_back(memory: mmap.mmap, process: int, forks: int) -> None:
    # A forked child that drops its copy of a batch must not free the parent's slot, and the parent must not free a slot
    # that a child may still use.
    if os.getpid() == process and forks == _forks:
        memory[0] = _FREE


def _count_fork() -> None:
    global _forks
    _forks += 1


# Python does not call it where another program is started, as is the case for workers.
os.register_at_fork(after_in_parent=_count_fork)
