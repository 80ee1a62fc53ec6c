"""Batches in memory that is used again: never while somebody still looks at it."""

import errno
import gc
import mmap
import os
import time
from itertools import islice

import numpy as np
import pytest
import torch

from rhovideo.data.loading import shared_slots
from rhovideo.data.loading.batches import Batch, BatchInSlot, BatchReader
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.data.loading.loader import build_loader
from rhovideo.data.loading.shared_slots import MOST_SLOTS, SlotPool

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs Linux's memfd_create")
SHAPE = (2, 3, 5)


@pytest.fixture
def pool():
    yield SlotPool("tests")
    shared_slots.unmap("tests")


def sent(pool, value):
    """What arrives of a slot that is filled with a value; worker and main process are one here."""
    slot = pool.take(int(np.prod(SHAPE)))
    slot.tensor(SHAPE).fill_(value)
    return slot.number, shared_slots.clips_at(slot.address(pool.loader), SHAPE)


def test_what_is_written_arrives_and_the_slot_is_used_again(pool):
    for value in range(5):
        number, clips = sent(pool, value)
        assert number == 0
        assert clips.dtype == torch.uint8
        assert torch.equal(clips, torch.full(SHAPE, value, dtype=torch.uint8))
        del clips


def test_a_slot_stays_as_it_is_while_any_view_of_it_lives(pool):
    _, clips = sent(pool, 1)
    view, array = clips[1, :, 2:], clips.numpy()[0]
    del clips
    gc.collect()
    assert sent(pool, 2)[0] == 1
    assert (view == 1).all()
    del view
    assert sent(pool, 3)[0] == 1
    assert (array == 1).all()
    del array
    assert sent(pool, 4)[0] == 0


def test_many_batches_at_once_find_no_slot_and_a_larger_one_another(pool):
    held = [sent(pool, value) for value in range(MOST_SLOTS)]
    assert [number for number, _ in held] == list(range(MOST_SLOTS))
    assert pool.take(1) is None
    held = held[:2]
    assert pool.take(1000) is None
    assert pool.take(1).number == 2
    assert [int(clips.max()) for _, clips in held] == [0, 1]


def test_a_larger_batch_gets_a_larger_slot(pool):
    number, clips = sent(pool, 1)
    del clips
    assert number == 0
    assert pool.take(1000).capacity == 1000


def open_files():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def test_an_exception_while_a_batch_is_read_leaves_its_slot_free(pool, small_cfg, monkeypatch):
    monkeypatch.setattr(shared_slots, "_pool", pool)
    reader = BatchReader(build_dataset(small_cfg, "train", "pretrain"))
    for _ in range(MOST_SLOTS + 1):
        with pytest.raises(IndexError):
            reader.__getitems__([SampleKey(0, 0), SampleKey(0, 1000)])
    assert isinstance(reader.__getitems__([SampleKey(0, 0)]), BatchInSlot)
    assert len(pool._slots) == 1


@pytest.mark.parametrize(("module", "name"), [(os, "memfd_create"), (os, "ftruncate"), (mmap, "mmap")])
def test_where_the_system_gives_no_such_memory_the_batch_gets_other(module, name, pool, small_cfg, monkeypatch):
    def refuse(*arguments):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(shared_slots, "_pool", pool)
    reader = BatchReader(build_dataset(small_cfg, "train", "pretrain"))
    before = open_files()
    with monkeypatch.context() as refusing:
        refusing.setattr(module, name, refuse)
        assert pool.take(10) is None
        batch = reader.__getitems__([SampleKey(0, 1)])
    assert isinstance(batch, Batch)
    assert open_files() <= before
    assert pool.take(10).number == 0


def test_a_forked_child_that_drops_its_copy_frees_nothing(pool):
    _, clips = sent(pool, 1)
    child = os.fork()
    if not child:
        del clips
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert sent(pool, 2)[0] == 1
    assert (clips == 1).all()


def test_what_a_forked_child_looks_at_stays_as_it_is(pool):
    _, clips = sent(pool, 1)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.read(reader, 1)
        os._exit(int(clips.max()))
    del clips
    number = sent(pool, 2)[0]
    os.write(writer, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    os.close(reader)
    os.close(writer)
    assert number == 1
    # Slots that came after the fork are used again.
    assert sent(pool, 3)[0] == 1


def test_what_is_forgotten_is_kept_by_those_who_look_at_it(pool):
    _, clips = sent(pool, 7)
    shared_slots.unmap("tests")
    gc.collect()
    assert (clips == 7).all()


def test_a_loader_sends_the_same_batches_through_few_slots(small_cfg, device):
    """Held batches keep what they hold while others are made; all slots are given up with the loader.

    For a GPU they come in page-locked memory.
    """
    alone = build_loader(small_cfg, "train", "pretrain")
    small_cfg.DATA_LOADER.NUM_WORKERS = 1
    small_cfg.NUM_GPUS = int(device.type == "cuda")
    loader = build_loader(small_cfg, "train", "pretrain")
    try:
        held = []
        for epoch in range(4):
            pairs = list(zip(alone.epoch(epoch), loader.epoch(epoch), strict=True))
            held.append(pairs[-1])
            del pairs
            for expected, batch in held:
                assert batch.clips.is_pinned() == (device.type == "cuda")
                assert torch.equal(batch.clips.to(device, non_blocking=True).cpu(), expected.clips)
                assert torch.equal(batch.index, expected.index)
                assert torch.equal(batch.label, expected.label)
                assert torch.equal(batch.valid, expected.valid)
        assert 1 <= len(shared_slots._mapped[loader._name]) <= MOST_SLOTS
    finally:
        loader.close()
    assert loader._name not in shared_slots._mapped
    assert torch.equal(held[0][1].clips, held[0][0].clips)


def test_more_batches_than_slots_are_right_too(small_cfg):
    small_cfg.TRAIN.BATCH_SIZE = 1
    alone = build_loader(small_cfg, "train", "pretrain")
    small_cfg.DATA_LOADER.NUM_WORKERS = 1
    loader = build_loader(small_cfg, "train", "pretrain")
    try:
        expected, batches = list(alone.epoch(0)), list(loader.epoch(0))
    finally:
        loader.close()
    assert len(batches) > MOST_SLOTS
    assert all(torch.equal(a.clips, b.clips) for a, b in zip(expected, batches, strict=True))


def test_without_such_memory_there_are_no_slots(monkeypatch):
    def refused(*arguments):
        raise PermissionError("not in this sandbox")

    monkeypatch.setattr(shared_slots, "_pool", None)
    monkeypatch.setattr(os, "memfd_create", refused)
    shared_slots.begin_pool("tests")
    assert shared_slots.own_pool() is None
    monkeypatch.undo()
    monkeypatch.setattr(shared_slots, "_pool", None)
    shared_slots.begin_pool("tests")
    assert shared_slots.own_pool() is not None


def test_epochs_that_are_abandoned_leave_no_slot_used_and_no_file_open(small_cfg):
    small_cfg.TRAIN.BATCH_SIZE = 2
    alone = build_loader(small_cfg, "train", "pretrain")
    expected = [list(alone.epoch(epoch)) for epoch in range(4)]
    small_cfg.DATA_LOADER.NUM_WORKERS = 2
    first = build_loader(small_cfg, "train", "pretrain")
    next(first.epoch())
    first.close()
    del first  # which began what all loaders share
    loader = build_loader(small_cfg, "train", "pretrain")
    before = open_files()
    try:
        for epoch, wanted in enumerate((1, 0, 3, len(expected[3]))):
            # The next epoch is begun while batches of this one are under way.
            batches = list(islice(loader.epoch(epoch), wanted))
            assert len(batches) == wanted
            for batch, right in zip(batches, expected[epoch], strict=False):
                assert torch.equal(batch.clips, right.clips)
                assert torch.equal(batch.index, right.index)
        del batches, batch
        gc.collect()
        slots = shared_slots._mapped[loader._name]
        assert {process for process, _ in slots} == {worker.pid for worker in loader._processes}
        assert [memory[0] for memory in slots.values()] == [0] * len(slots)
        del slots
    finally:
        loader.close()
    # The threads that fed the workers' queues close them when they come to it.
    deadline = time.monotonic() + 10
    while open_files() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert open_files() <= before


def memory_of_slots(loader):
    """Bytes of all that this process has mapped for a loader."""
    total = 0
    sizes = {len(memory) for memory in shared_slots._mapped[loader._name].values()}
    for descriptor in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{descriptor}"
        if os.path.islink(path) and "memfd:rhovideo-batch" in os.readlink(path) and os.stat(path).st_size in sizes:
            total += os.stat(path).st_blocks * 512
    return total


@pytest.mark.parametrize("purpose", ["eval", "train"])
def test_a_resting_evaluation_keeps_no_memory(purpose, small_cfg):
    small_cfg.DATA.TRAIN_CROP_SIZE, small_cfg.DATA.TRAIN_JITTER_SCALES = 100, [100, 110]
    alone = build_loader(small_cfg, "val", purpose)
    small_cfg.DATA_LOADER.NUM_WORKERS = 2
    loader = build_loader(small_cfg, "val", purpose)
    try:
        for epoch in range(3):
            batches = loader.epoch(epoch)
            for expected in alone.epoch(epoch):
                assert torch.equal(next(batches).clips, expected.clips)
            before, slots = memory_of_slots(loader), len(shared_slots._mapped[loader._name])
            assert before > 4 * 2 * 100 * 100 * 3
            assert next(batches, None) is None
            assert memory_of_slots(loader) == (slots * mmap.PAGESIZE if purpose == "eval" else before)
        # What is still looked at stays.
        held = list(loader.epoch())
        assert all(torch.equal(a.clips, b.clips) for a, b in zip(held, alone.epoch(), strict=True))
    finally:
        loader.close()
