"""Memory that a worker and the main process share and use again, batch after batch.

A batch of clips is megabytes. In memory that is new each time, either side asks the kernel for every page of it: here
3.7 ms of a core for a sample of four clips in the worker, as much again in the main process, to write what takes 0.2 ms
to copy. So a worker keeps a few slots, each mapped once on either side. The first byte of a slot says whether it is in
use: the worker sets it, and the main process clears it when the last tensor that shows the slot is gone.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import weakref
from collections.abc import Sequence
from multiprocessing.reduction import DupFd
from typing import NamedTuple

import numpy as np
import torch

# More batches than that at a time are somebody's collection of them, which gets memory of its own.
MOST_SLOTS = 8
_FREE, _USED = 0, 1
# Clips begin on a page of their own.
_FIRST = mmap.PAGESIZE


class Address(NamedTuple):
    """What the main process needs to find a slot.

    Attributes:
        loader: the name under which :func:`forget` drops it.
        key: the worker's process and its number of the slot.
        size: bytes of the mapping.
        file: to map it from, the first time; None where the main process has mapped it.
    """

    loader: str
    key: tuple[int, int]
    size: int
    file: object | None


class Slot:
    """One piece of shared memory, in the worker.

    Args:
        number: its own among the worker's.
        capacity: bytes of a batch that it holds.

    Raises:
        OSError: the system gives no such memory.
    """

    def __init__(self, number: int, capacity: int) -> None:
        self.number = number
        self.capacity = capacity
        file = os.memfd_create("rhovideo-batch", os.MFD_CLOEXEC)
        try:
            os.ftruncate(file, _FIRST + capacity)
            self._memory = mmap.mmap(file, _FIRST + capacity)
            # Now, for where a batch is sent nobody would hear that there is no descriptor left.
            self._unsent: object | None = DupFd(file)
        finally:
            os.close(file)

    def take(self) -> bool:
        """Make it used; False if it is."""
        if self._memory[0] == _USED:
            return False
        self._memory[0] = _USED
        return True

    def release(self) -> None:
        """Make it free, where nothing of it was sent."""
        self._memory[0] = _FREE

    def tensor(self, shape: Sequence[int]) -> torch.Tensor:
        """Its memory as uint8 of a shape that fits."""
        return torch.from_numpy(_view(self._memory, shape))

    def address(self, loader: str) -> Address:
        """How to find it, to be sent to the main process."""
        file, self._unsent = self._unsent, None
        return Address(loader, (os.getpid(), self.number), _FIRST + self.capacity, file)


class SlotPool:
    """The slots of one worker.

    Args:
        loader: name of the loader that the worker belongs to.
    """

    def __init__(self, loader: str) -> None:
        self.loader = loader
        self._slots: list[Slot] = []

    def take(self, size: int) -> Slot | None:
        """A slot for ``size`` bytes that nobody uses; None if too many are in use already, or there is no memory."""
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
    """Let this process, a worker, keep slots; does nothing where the system has no such memory, or refuses it."""
    global _pool
    # Linux has it, but for some sandboxes.
    with contextlib.suppress(AttributeError, OSError):
        os.close(os.memfd_create("rhovideo-batch"))
        _pool = SlotPool(loader)


def own_pool() -> SlotPool | None:
    """This worker's slots; None in other processes."""
    return _pool


def arrived(address: Address, shape: Sequence[int]) -> torch.Tensor:
    """The clips in a slot, in the main process: uint8 of ``shape``. The slot is free once no tensor shows them."""
    known = _mapped.setdefault(address.loader, {})
    if address.file is not None:
        file = address.file.detach()
        try:
            known[address.key] = mmap.mmap(file, address.size)
        finally:
            os.close(file)
    memory = known[address.key]
    view = _view(memory, shape)
    # The tensor's storage holds this array, so it lives as long as any view of the tensor.
    weakref.finalize(view, _give_back, memory, os.getpid(), _forks).atexit = False
    return torch.from_numpy(view)


def empty(loader: str) -> None:
    """Give the memory of a loader's free slots back to the system; they are used again as if they were new.

    Only while the loader's workers rest: what one of them writes at the same time is lost.
    """
    for memory in _mapped.get(loader, {}).values():
        if memory[0] == _FREE:
            # Some sandboxes know no such advice; then the memory stays.
            with contextlib.suppress(OSError):
                memory.madvise(mmap.MADV_REMOVE, _FIRST, len(memory) - _FIRST)


def forget(loader: str) -> None:
    """Keep no slots of a loader mapped but those that tensors show."""
    _mapped.pop(loader, None)


def _view(memory: mmap.mmap, shape: Sequence[int]) -> np.ndarray:
    return np.frombuffer(memory, np.uint8, int(np.prod(shape)), _FIRST).reshape(shape)


def _give_back(memory: mmap.mmap, process: int, forks: int) -> None:
    # A forked child that drops its copy of a batch must not free the parent's, nor the parent what a child may look at.
    if os.getpid() == process and forks == _forks:
        memory[0] = _FREE


def _count_fork() -> None:
    global _forks
    _forks += 1


# Not called where another program is started, as worker processes are.
os.register_at_fork(after_in_parent=_count_fork)
