"""The loader: the order of videos, the share of each process, and the workers that prepare the batches.

The order depends only on seed and epoch, and a step's videos only on order and step (those of a mixture as in
:mod:`rhovideo.data.loading.mixing`). So a run can go on at any step of
an epoch without decoding earlier videos, and no sample depends on the number of processes or workers.
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
from typing import Any

import numpy as np
import torch
from fvcore.common.config import CfgNode
from torch.utils.data import DataLoader

from rhovideo import distributed
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.mixtures import Mixture
from rhovideo.data.loading import shared_slots, worker_warnings
from rhovideo.data.loading.batches import Batch, BatchReader
from rhovideo.data.loading.datasets import TRAINING_PURPOSES, ClipDataset, SampleKey, build_dataset
from rhovideo.data.loading.mixing import MixtureOrder
from rhovideo.data.loading.shuffling import Order, shuffled
from rhovideo.data.loading.workers import describe_exit, initialise_worker, worker_context, worker_count
from rhovideo.errors import JobError
from rhovideo.randomness import Stream, generator

__all__ = ["Batch", "Loader", "WorkerDiedError", "build_loader"]


class WorkerDiedError(JobError):
    """A worker process has crashed or was killed."""


class Loader:
    """Batches of a dataset for one process of a job.

    Args:
        dataset: the videos.
        training: shuffled, and whole steps only; False: this process's share of all videos, in the manifest's order.
        seed: of the order (RNG_SEED).
        global_batch: videos of one step of the whole job; in training a multiple of ``world_size * accumulate_steps``.
        accumulate_steps: micro-batches into which a step's videos are divided (training only).
        rank: of this process.
        world_size: processes of the job.
        num_workers: worker processes; 0 decodes in this process.
        prefetch_factor: batches that each worker prepares in advance.
        pin_memory: page-locked batches, for fast copies to a GPU.

    Raises:
        ValueError: the processes cannot share a step evenly.
        ManifestError: the list has fewer videos than one step.
    """

    def __init__(
        self,
        dataset: ClipDataset,
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
        self._drawn: tuple[int, Order] | None = None
        mixture: Mixture | None = getattr(dataset.manifest, "mixture", None) if training else None
        steps = len(dataset) // global_batch
        self._mixed = MixtureOrder(mixture, seed, global_batch, steps) if mixture else None
        self._plan = _Plan(self)
        self._name = secrets.token_hex(8)
        weakref.finalize(self, shared_slots.unmap, self._name)
        self._processes: list[Any] = []
        # Workers ignore SIGTERM, with which multiprocessing would end them at exit, so they are killed before that.
        multiprocessing.util.Finalize(self, _kill, args=(self._processes,), exitpriority=10)
        shown = worker_warnings.shared_folder() if num_workers and not rank else ""
        with _quiet():
            self._loader: DataLoader[Batch] | None = DataLoader(
                BatchReader(dataset),
                batch_sampler=self._plan,
                num_workers=num_workers,
                collate_fn=_unchanged,
                pin_memory=pin_memory,
                worker_init_fn=partial(_begin_worker, self._name, shown),
                multiprocessing_context=worker_context() if num_workers else None,
                prefetch_factor=prefetch_factor if num_workers else None,
                persistent_workers=num_workers > 0,
                # Without it each epoch would take a number from torch's global generator.
                generator=torch.Generator(),
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch; in evaluation, batches of this process."""
        if self.training:
            return len(self.dataset) // self.global_batch
        return -(-len(self._own_videos()) // self._micro_batch)

    def _own_videos(self) -> range:
        return range(self.rank, len(self.dataset), self.world_size)

    def epoch(self, epoch: int = 0, first_step: int = 0) -> Iterator[Batch]:
        """Read an epoch, which ends an unfinished one.

        Args:
            epoch: its number, from 0.
            first_step: steps to skip; their videos are not decoded.

        Returns:
            The batches, ``accumulate_steps`` of them per step.

        Raises:
            ValueError: the epoch does not have so many steps.
            RuntimeError: the loader is closed.
            WorkerDiedError: a worker has crashed or was killed.
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
            # Only some workers could be started, and multiprocessing would wait for those at exit.
            _kill([process for process in multiprocessing.active_children() if process not in others])
            # A worker that died after its last batch of an epoch is noticed at the start of the next.
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
                    # The next epoch may be hours away.
                    shared_slots.return_memory(self._name)
                return
            except Exception as error:
                self._explain_death(error)
                raise
            yield batch
            # Frees its memory before the next batch is waited for.
            del batch

    def _explain_death(self, error: BaseException) -> None:
        if isinstance(error, OSError | EOFError):
            # The connection to a dead worker breaks shortly before the system reports its end.
            wait([worker.sentinel for worker in self._processes], timeout=2)
        dead = [worker for worker in self._processes if not worker.is_alive()]
        if not dead:
            return
        ends = ", ".join(f"{worker.pid} ({describe_exit(worker.exitcode)})" for worker in dead)
        self.close()
        raise WorkerDiedError(
            f"rank {self.rank}: worker process {ends} died while preparing batches of {self.dataset.manifest.csv}. "
            "If the machine or the job ran out of memory, lower DATA_LOADER.NUM_WORKERS or DATA_LOADER.PREFETCH_FACTOR "
            "or ask for more; prepared batches need memory too. Where a container forbids memfd_create, batches are in "
            "/dev/shm: make that larger (--shm-size). If it crashed on a video, `rhovideo scan CSV` finds the video"
        ) from error

    def batches_of(self, epoch: int, first_step: int = 0) -> Iterator[list[SampleKey]]:
        """The keys of each batch of :meth:`epoch`; the arguments are the same."""
        if not self.training:
            videos = self._own_videos()
            for first in range(first_step * self._micro_batch, len(videos), self._micro_batch):
                yield [SampleKey(epoch, index) for index in videos[first : first + self._micro_batch]]
            return
        for step in range(first_step, self.steps_per_epoch):
            indices, epochs = self._step(epoch, step)
            for part in range(self.accumulate_steps):
                first = (self.rank * self.accumulate_steps + part) * self._micro_batch
                own = slice(first, first + self._micro_batch)
                yield list(map(SampleKey, epochs[own].tolist(), indices[own].tolist()))

    def step_videos(self, epoch: int, step: int) -> np.ndarray:
        """The rows of the list that all processes together take in a training step, int64 [global batch]."""
        return self._step(epoch, step)[0]

    def _step(self, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of a training step, and the epochs of their addresses, int64 [global batch] each."""
        if self._mixed is not None:
            return self._mixed.step(epoch, step)
        first = step * self.global_batch
        return self._order(epoch)[first : first + self.global_batch], np.full(self.global_batch, epoch)

    def _order(self, epoch: int) -> Order:
        """The order of an epoch's videos; the last one is kept."""
        if self._drawn is None or self._drawn[0] != epoch:
            order = shuffled(len(self.dataset), generator(Stream.SHUFFLE, self.seed, epoch))
            self._drawn = epoch, order
        return self._drawn[1]

    def close(self) -> None:
        """End the workers, after which the loader cannot be used."""
        loader, self._loader = self._loader, None
        batches = getattr(loader, "_iterator", None)
        if batches is not None and all(worker.is_alive() for worker in self._processes):
            batches._shutdown_workers()
        _kill(self._processes)
        shared_slots.unmap(self._name)


class _Plan:
    """The batch sampler, over which DataLoader iterates once in each epoch."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self.epoch = 0
        self.first_step = 0

    def __iter__(self) -> Iterator[list[SampleKey]]:
        return self._loader.batches_of(self.epoch, self.first_step)


def _unchanged(batch: Any) -> Any:
    """The batch itself, in place of torch's collating: the reader returns whole batches."""
    return batch


def _begin_worker(loader: str, shown: str, worker_id: int) -> None:
    initialise_worker(worker_id)
    worker_warnings.show_once(shown)
    shared_slots.begin_pool(loader)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide torch's warning about the number of workers, which our log has once per job and not for each loader."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        yield


def _kill(processes: list[Any]) -> None:
    for process in processes:
        if process.is_alive():
            process.kill()
    for process in processes:
        process.join(timeout=5)
    processes.clear()


def build_loader(cfg: CfgNode, split: str, purpose: str) -> Loader:
    """Build this process's loader of a split for a purpose.

    A training step has TRAIN.BATCH_SIZE videos per machine. In evaluation a batch has this process's share of
    TEST.BATCH_SIZE videos ("test") or TRAIN.BATCH_SIZE videos (other purposes).

    Args:
        cfg: a loaded configuration.
        split: "train", "val" or "test".
        purpose: "pretrain", "train", "eval", "test" or "knn", see
            :func:`rhovideo.data.loading.datasets.build_dataset`.

    Returns:
        The loader.
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
