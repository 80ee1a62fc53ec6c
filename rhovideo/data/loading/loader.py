"""Batches: which videos come when, for which process, and the workers that prepare them.

The order is a function of (seed, epoch) alone and a step's videos one of (order, step), so a run can go on at any
step of an epoch without decoding what came before, and the number of processes or workers changes no sample.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.util
import secrets
import warnings
import weakref
from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import wait

import torch
from fvcore.common.config import CfgNode
from torch.utils.data import DataLoader

from rhovideo import distributed
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.loading import shared_slots
from rhovideo.data.loading.batches import Batch, BatchReader
from rhovideo.data.loading.datasets import TRAINING_PURPOSES, SampleKey, VideoDataset, build_dataset
from rhovideo.data.loading.shuffling import shuffled
from rhovideo.data.loading.workers import initialise_worker, worker_context, worker_count
from rhovideo.errors import JobError
from rhovideo.randomness import Stream, generator

__all__ = ["Batch", "Loader", "WorkerDiedError", "build_loader"]


class WorkerDiedError(JobError):
    """A worker process ended without having been asked to."""


class Loader:
    """Batches of a dataset for one process of a job.

    Args:
        dataset: the videos.
        training: shuffled, only whole steps; else in the manifest's order, all videos, this process's share.
        seed: of the order (RNG_SEED).
        global_batch: videos a step of the whole job, a multiple of ``world_size * accumulate_steps`` in training.
        accumulate_steps: micro-batches that a step's videos come in (training only).
        rank: this process's number.
        world_size: the number of processes.
        num_workers: worker processes; 0 decodes in this process.
        prefetch_factor: batches that each worker prepares ahead.
        pin_memory: page-locked batches, for fast copies to a GPU.
    """

    def __init__(
        self,
        dataset: VideoDataset,
        *,
        training: bool,
        seed: int,
        global_batch: int,
        accumulate_steps: int = 1,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
        prefetch_factor: int = 2,
        pin_memory: bool = False,
    ) -> None:
        parts = world_size * accumulate_steps
        if training and global_batch % parts:
            raise ValueError(
                f"a step has {global_batch} videos (TRAIN.BATCH_SIZE x NUM_SHARDS), which {world_size} processes x "
                f"{accumulate_steps} TRAIN.ACCUMULATE_STEPS cannot share evenly: write a multiple of {parts}"
            )
        if training and len(dataset) < global_batch:
            raise ManifestError(
                f"{dataset.manifest.csv} lists {len(dataset)} videos, fewer than the {global_batch} of one step: "
                f"lower TRAIN.BATCH_SIZE"
            )
        self.dataset = dataset
        self.training = training
        self.seed = seed
        self.global_batch = global_batch
        self.accumulate_steps = accumulate_steps if training else 1
        self.rank = rank
        self.world_size = world_size
        self._micro_batch = max(global_batch // (world_size * self.accumulate_steps), 1)
        self._plan = _Plan(self)
        self._name = secrets.token_hex(8)
        weakref.finalize(self, shared_slots.forget, self._name)
        self._processes: list = []
        # Workers do not listen to SIGTERM, with which multiprocessing would end them at exit, so we do before that.
        multiprocessing.util.Finalize(self, _kill, args=(self._processes,), exitpriority=10)
        with _quiet():
            self._loader: DataLoader | None = DataLoader(
                BatchReader(dataset),
                batch_sampler=self._plan,
                num_workers=num_workers,
                collate_fn=_as_it_is,
                pin_memory=pin_memory,
                worker_init_fn=partial(_begin_worker, self._name),
                multiprocessing_context=worker_context() if num_workers else None,
                prefetch_factor=prefetch_factor if num_workers else None,
                persistent_workers=num_workers > 0,
                # Its own, or each epoch would take a number from torch's global generator.
                generator=torch.Generator(),
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch; in evaluation, the batches of this process."""
        if self.training:
            return len(self.dataset) // self.global_batch
        return -(-len(self._own_videos()) // self._micro_batch)

    def _own_videos(self) -> range:
        return range(self.rank, len(self.dataset), self.world_size)

    def epoch(self, epoch: int = 0, first_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from ``first_step`` on, ``accumulate_steps`` a step.

        Starting an epoch ends the one that is under way.

        Raises:
            WorkerDiedError: a worker was killed.
        """
        if not 0 <= first_step <= self.steps_per_epoch:
            raise ValueError(f"step {first_step} of an epoch of {self.steps_per_epoch} steps")
        if self._loader is None:
            raise RuntimeError("this loader is closed: build another one")
        self._plan.epoch, self._plan.first_step = epoch, first_step
        others = multiprocessing.active_children()
        try:
            with _quiet():
                batches = iter(self._loader)
        except BaseException as error:
            # Not all of them could be started: multiprocessing would wait for the others at exit.
            _kill([process for process in multiprocessing.active_children() if process not in others])
            # A worker that died after its last batch of one epoch is missed at the start of the next.
            self._explain_death(error)
            raise
        self._processes[:] = getattr(batches, "_workers", [])
        return self._iterate(batches)

    def _iterate(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                if not self.training:
                    # Its next epoch may be hours away.
                    shared_slots.empty(self._name)
                return
            except Exception as error:
                self._explain_death(error)
                raise
            yield batch
            # Or it would keep its memory while the next one is waited for.
            del batch

    def _explain_death(self, error: BaseException) -> None:
        if isinstance(error, OSError | EOFError):
            # The connection to a dead worker breaks a moment before the system reports its end.
            wait([worker.sentinel for worker in self._processes], timeout=2)
        dead = [worker for worker in self._processes if not worker.is_alive()]
        if not dead:
            return
        ends = ", ".join(f"{worker.pid} ({_how(worker.exitcode)})" for worker in dead)
        self.close()
        raise WorkerDiedError(
            f"rank {self.rank}: worker process {ends} died while preparing batches of {self.dataset.manifest.csv}. "
            "If the machine or the job ran out of memory, lower DATA_LOADER.NUM_WORKERS or DATA_LOADER.PREFETCH_FACTOR "
            "or ask for more; frames on their way count towards it. Where a container forbids memfd_create they lie in "
            "/dev/shm: give it more (--shm-size). If it crashed on a video, `rhovideo scan CSV` finds which"
        ) from error

    def batches_of(self, epoch: int, first_step: int = 0) -> Iterator[list[SampleKey]]:
        """The keys of each batch that :meth:`epoch` yields."""
        if not self.training:
            videos = self._own_videos()
            for first in range(first_step * self._micro_batch, len(videos), self._micro_batch):
                yield [SampleKey(epoch, index) for index in videos[first : first + self._micro_batch]]
            return
        order = shuffled(len(self.dataset), generator(Stream.SHUFFLE, self.seed, epoch))
        for step in range(first_step, self.steps_per_epoch):
            for part in range(self.accumulate_steps):
                place = self.rank * self.accumulate_steps + part
                first = step * self.global_batch + place * self._micro_batch
                yield [SampleKey(epoch, int(index)) for index in order[first : first + self._micro_batch]]

    def close(self) -> None:
        """End the workers; the loader cannot be used afterwards."""
        loader, self._loader = self._loader, None
        batches = getattr(loader, "_iterator", None)
        if batches is not None and all(worker.is_alive() for worker in self._processes):
            batches._shutdown_workers()
        _kill(self._processes)
        shared_slots.forget(self._name)


class _Plan:
    """The batch sampler that DataLoader iterates over anew for each epoch."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self.epoch = 0
        self.first_step = 0

    def __iter__(self) -> Iterator[list[SampleKey]]:
        return self._loader.batches_of(self.epoch, self.first_step)


def _as_it_is(batch: Batch) -> Batch:
    """Instead of torch's collating, which the reader has done."""
    return batch


def _begin_worker(loader: str, worker_id: int) -> None:
    initialise_worker(worker_id)
    shared_slots.begin_pool(loader)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's words on the number of workers: that is said once a job, not by each list in each process."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        yield


def _kill(processes: list) -> None:
    for process in processes:
        if process.is_alive():
            process.kill()
    for process in processes:
        process.join(timeout=5)
    processes.clear()


def _how(exit_code: int | None) -> str:
    if exit_code == -9:
        return "killed, most likely for memory"
    return f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"exit code {exit_code}"


def build_loader(cfg: CfgNode, split: str, purpose: str) -> Loader:
    """The loader of this process for a split and a purpose, see :func:`rhovideo.data.loading.datasets.build_dataset`.

    In training a step has TRAIN.BATCH_SIZE videos a machine; in evaluation a batch has this process's share of
    TRAIN.BATCH_SIZE ("eval") or TEST.BATCH_SIZE ("test") videos.
    """
    batch_size = cfg.TEST.BATCH_SIZE if purpose == "test" else cfg.TRAIN.BATCH_SIZE
    return Loader(
        build_dataset(cfg, split, purpose),
        training=purpose in TRAINING_PURPOSES,
        seed=cfg.RNG_SEED,
        global_batch=batch_size * cfg.NUM_SHARDS,
        accumulate_steps=cfg.TRAIN.ACCUMULATE_STEPS,
        rank=distributed.rank(),
        world_size=distributed.world_size(),
        num_workers=worker_count(cfg),
        prefetch_factor=cfg.DATA_LOADER.PREFETCH_FACTOR,
        pin_memory=cfg.DATA_LOADER.PIN_MEMORY and cfg.NUM_GPUS != 0 and torch.cuda.is_available(),
    )
