from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from rhovideo.data.loading.datasets import build_dataset
from rhovideo.data.loading.loader import Loader, WorkerDiedError, build_loader
from rhovideo.data.loading.workers import worker_context
from tests.data.conftest import NUM_VIDEOS
from tests.data.loading.test_datasets import broken_list

GLOBAL_BATCH = 4
STEPS = NUM_VIDEOS // GLOBAL_BATCH


def make_loader(cfg, purpose="pretrain", **keys) -> Loader:
    keys = {"training": purpose in ("pretrain", "train"), "seed": 5, "global_batch": GLOBAL_BATCH, **keys}
    return Loader(build_dataset(cfg, "train", purpose), **keys)


def content(batches) -> list[tuple[list[int], bytes]]:
    return [(batch.index.tolist(), batch.clips.numpy().tobytes()) for batch in batches]


@pytest.fixture(scope="module")
def worker_loader_keys():
    return {"num_workers": 2, "prefetch_factor": 2}


def test_batches_hold_tensors_of_the_promised_types(small_cfg):
    loader = build_loader(small_cfg, "train", "pretrain")
    assert loader.global_batch == 4
    assert loader.steps_per_epoch == STEPS
    batch = next(loader.epoch(0))
    assert batch.clips.shape == (4, 3, 2, 16, 16, 3)
    assert batch.clips.dtype == torch.uint8
    assert batch.index.dtype == batch.label.dtype == torch.int64
    assert batch.valid.dtype == torch.bool
    assert batch.label.tolist() == [index % 3 for index in batch.index.tolist()]


def test_an_epoch_is_a_permutation_less_the_last_incomplete_step(small_cfg):
    loader = make_loader(small_cfg)
    orders = [[key.index for keys in loader.batches_of(epoch) for key in keys] for epoch in (0, 1)]
    for order in orders:
        assert len(order) == len(set(order)) == STEPS * GLOBAL_BATCH
    assert orders[0] != orders[1]
    assert orders[0] != sorted(orders[0])
    other_seed = make_loader(small_cfg, seed=6)
    assert orders[0] != [key.index for keys in other_seed.batches_of(0) for key in keys]


@pytest.mark.parametrize(("world_size", "accumulate_steps"), [(2, 1), (4, 1), (1, 2), (2, 2)])
def test_number_of_processes_changes_nothing(small_cfg, world_size, accumulate_steps):
    alone = content(make_loader(small_cfg).epoch(1))
    keys = {"world_size": world_size, "accumulate_steps": accumulate_steps}
    ranks = [content(make_loader(small_cfg, rank=rank, **keys).epoch(1)) for rank in range(world_size)]
    for step, (indices, clips) in enumerate(alone):
        parts = [
            ranks[rank][step * accumulate_steps + part]
            for rank in range(world_size)
            for part in range(accumulate_steps)
        ]
        assert [index for part, _ in parts for index in part] == indices
        assert b"".join(part for _, part in parts) == clips
    assert all(len(rank) == STEPS * accumulate_steps for rank in ranks)


def test_workers_and_first_step_change_nothing(small_cfg, worker_loader_keys):
    alone = content(make_loader(small_cfg).epoch(2))
    assert content(make_loader(small_cfg).epoch(2, first_step=STEPS)) == []
    assert content(make_loader(small_cfg).epoch(2, first_step=2)) == alone[2:]
    loader = make_loader(small_cfg, **worker_loader_keys)
    try:
        # An epoch that was left leaves nothing behind, and taking batches draws nothing from torch's generator.
        torch.manual_seed(3)
        expected = torch.rand(3)
        torch.manual_seed(3)
        list(islice(loader.epoch(0), 2))
        assert content(loader.epoch(2)) == alone
        assert content(loader.epoch(2, first_step=3)) == alone[3:]
        assert torch.equal(torch.rand(3), expected)
        pids = {worker.pid for worker in loader._processes}
        assert content(loader.epoch(1)) != alone
        assert {worker.pid for worker in loader._processes} == pids
        _check_shield(pids)
    finally:
        loader.close()
    assert not any(_runs(pid) for pid in pids)
    with pytest.raises(RuntimeError, match="closed"):
        loader.epoch(0)


def _check_shield(pids) -> None:
    """Workers ignore the signals that are meant for the main process, and hold them back before they can ignore any."""
    for pid in pids:
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        blocked = int(status["SigBlk"], 16)
        ignored = int(status["SigIgn"], 16)
        caught = int(status["SigCgt"], 16)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
            assert blocked >> (number - 1) & 1
            assert ignored >> (number - 1) & 1
            assert not caught >> (number - 1) & 1


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_skipped_steps_are_not_decoded(small_cfg, tmp_path):
    broken_list(tmp_path, set(range(12)))
    small_cfg.DATA.PATH_TO_DATA_DIR = str(tmp_path)
    loader = make_loader(small_cfg, "eval")
    tried = [failure.index for batch in loader.epoch(0, first_step=2) for failure in batch.failures]
    assert tried == [8, 9, 10, 11]


@pytest.mark.parametrize("purpose", ["eval", "test"])
def test_evaluation_shows_every_video_once_in_order(small_cfg, purpose):
    seen = {}
    for rank in range(4):
        loader = make_loader(small_cfg, purpose, rank=rank, world_size=4, global_batch=8)
        batches = list(loader.epoch(0))
        indices = [index for batch in batches for index in batch.index.tolist()]
        assert indices == list(range(rank, NUM_VIDEOS, 4))
        assert len(batches) == loader.steps_per_epoch == -(-len(indices) // 2)
        seen.update({int(i): clips for batch in batches for i, clips in zip(batch.index, batch.clips, strict=True)})
    alone = torch.cat([batch.clips for batch in make_loader(small_cfg, purpose).epoch(0)])
    assert sorted(seen) == list(range(NUM_VIDEOS))
    assert torch.equal(torch.stack([seen[i] for i in range(NUM_VIDEOS)]), alone)


def test_failures_reach_the_batch(small_cfg, tmp_path):
    broken_list(tmp_path, {2, 5})
    small_cfg.DATA.PATH_TO_DATA_DIR = str(tmp_path)
    batches = list(make_loader(small_cfg, "eval").epoch(0))
    assert torch.cat([batch.valid for batch in batches]).tolist() == [i not in (2, 5) for i in range(12)]
    assert [failure.index for batch in batches for failure in batch.failures] == [2, 5]
    trained = list(make_loader(small_cfg).epoch(0))
    assert all(batch.valid.all() for batch in trained)
    assert {failure.index for batch in trained for failure in batch.failures} == {2, 5}
    assert not {2, 5} & {index for batch in trained for index in batch.index.tolist()}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"global_batch": 6, "world_size": 4}, "multiple of 4"),
        ({"global_batch": 6, "world_size": 2, "accumulate_steps": 2}, "multiple of 4"),
        ({"global_batch": 20}, "lists 19 videos, fewer than the 20"),
    ],
)
def test_impossible_batches_say_what_to_write(small_cfg, keys, said):
    with pytest.raises(ValueError, match=said):
        make_loader(small_cfg, **keys)


def test_first_step_beyond_the_epoch(small_cfg):
    with pytest.raises(ValueError, match="5 of an epoch of 4"):
        make_loader(small_cfg).epoch(0, first_step=5)


def test_worker_that_dies_between_epochs_is_named(small_cfg, worker_loader_keys):
    loader = make_loader(small_cfg, **worker_loader_keys)
    list(loader.epoch(0))
    os.kill(loader._processes[0].pid, signal.SIGKILL)
    with pytest.raises(WorkerDiedError, match=r"memory.*DATA_LOADER\.NUM_WORKERS"):
        list(loader.epoch(1))


def test_killed_worker_is_an_error_not_a_hang(small_cfg, worker_loader_keys):
    loader = make_loader(small_cfg, **worker_loader_keys)
    batches = loader.epoch(0)
    next(batches)
    pids = [worker.pid for worker in loader._processes]
    begin = time.monotonic()
    os.kill(pids[0], signal.SIGKILL)
    with pytest.raises(WorkerDiedError, match=r"memory.*DATA_LOADER\.NUM_WORKERS"):
        _exhaust(loader, batches)
    assert time.monotonic() - begin < 30
    assert not any(_runs(pid) for pid in pids)


def _exhaust(loader, batches) -> None:
    """Take all there is: what the dead worker had finished may still arrive."""
    list(batches)
    list(loader.epoch(1))


KILLED_TRAINER = """
import contextlib, multiprocessing.forkserver, os, pickle, signal, sys, threading
from rhovideo.data.loading.loader import Loader

def send(server, finished):
    # What a preemption or Ctrl-C sends to every process of a job, again and again from their first moment on.
    while not finished.wait(0.0005):
        with open(f"/proc/{server}/task/{server}/children") as children:
            everyone = [server, *map(int, children.read().split())]
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            for pid in everyone:
                # What the server runs for a moment while it imports has ended by now.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

if __name__ == "__main__":
    dataset = pickle.load(open(sys.argv[1], "rb"))
    loader = Loader(dataset, training=True, seed=1, global_batch=4, num_workers=2)
    server = multiprocessing.forkserver._forkserver._forkserver_pid
    finished = threading.Event()
    sender = threading.Thread(target=send, args=(server, finished), daemon=True)
    sender.start()
    batches = loader.epoch(0)
    pids = [worker.pid for worker in loader._processes]
    print(*pids, flush=True)
    assert sum(1 for _ in batches) == 4
    finished.set()
    sender.join()
    for pid in (server, *pids):
        assert open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit(7)
"""


@pytest.mark.parametrize(("end", "code"), [("kill", -9), ("leave", 7)])
def test_workers_end_with_the_trainer(small_cfg, tmp_path, end, code):
    (tmp_path / "dataset.pkl").write_bytes(pickle.dumps(build_dataset(small_cfg, "train", "pretrain")))
    (tmp_path / "trainer.py").write_text(KILLED_TRAINER)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(tmp_path / "trainer.py"), str(tmp_path / "dataset.pkl"), end]
    with (tmp_path / "out").open("w") as out:
        done = subprocess.run(command, env=environment, stdout=out, timeout=60)
    assert done.returncode == code
    pids = [int(pid) for pid in (tmp_path / "out").read_text().split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)


def test_the_main_process_keeps_its_own_signal_mask():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        assert signal.SIGUSR1 in mask
        assert signal.SIGTERM not in mask
        worker_context()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# In fresh interpreters, each of which has a fork server of its own.
FOREIGN_SERVER = """
import multiprocessing, pickle, sys
from pathlib import Path
from rhovideo.data.loading.loader import Loader

if __name__ == "__main__":
    multiprocessing.forkserver.ensure_running()
    dataset = pickle.load(open(sys.argv[1], "rb"))
    loader = Loader(dataset, training=True, seed=1, global_batch=4, num_workers=1)
    assert sum(1 for _ in loader.epoch(0)) == 4
    print(*[worker.pid for worker in loader._processes], flush=True)
    sys.stdin.read()
    loader.close()
"""
NO_MORE_PROCESSES = """
import multiprocessing, pickle, sys
from multiprocessing.popen_forkserver import Popen
from rhovideo.data.loading.loader import Loader

if __name__ == "__main__":
    dataset = pickle.load(open(sys.argv[1], "rb"))
    loader = Loader(dataset, training=True, seed=1, global_batch=4, num_workers=2)
    launch, started = Popen._launch, []

    def refuse_the_second(popen, process):
        if started:
            raise OSError(24, "Too many open files")
        launch(popen, process)
        started.append(popen)

    Popen._launch = refuse_the_second
    loader.epoch(0)
"""


@pytest.fixture
def start_trainer(small_cfg, tmp_path):
    """Starts a script that is given a pickled dataset."""
    started = []

    def start(script, **pipes) -> subprocess.Popen:
        (tmp_path / "dataset.pkl").write_bytes(pickle.dumps(build_dataset(small_cfg, "train", "pretrain")))
        (tmp_path / "trainer.py").write_text(script)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(tmp_path / "trainer.py"), str(tmp_path / "dataset.pkl")]
        started.append(subprocess.Popen(command, env=environment, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_workers_of_another_librarys_server_shut_out_signals_too(start_trainer):
    trainer = start_trainer(FOREIGN_SERVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    _check_shield([int(pid) for pid in trainer.stdout.readline().split()])
    trainer.communicate("", timeout=60)
    assert trainer.returncode == 0


def test_workers_that_cannot_be_started_end_the_trainer(start_trainer):
    trainer = start_trainer(NO_MORE_PROCESSES, stderr=subprocess.PIPE)
    _, said = trainer.communicate(timeout=60)
    assert trainer.returncode == 1
    assert "Too many open files" in said.splitlines()[-1]


def test_bytes_are_what_the_dataset_gives(small_cfg):
    loader = make_loader(small_cfg)
    keys = next(loader.batches_of(0))
    batch = next(loader.epoch(0))
    assert np.array_equal(batch.clips, np.stack([loader.dataset[key].clips for key in keys]))


WARNING_WORKERS = """
import warnings
from rhovideo.data.loading.loader import Loader

class Warns:
    def __init__(self, dataset):
        self.dataset, self.manifest = dataset, dataset.manifest

    def __len__(self):
        return len(self.dataset)

    def sample_shape(self):
        return self.dataset.sample_shape()

    def read(self, *arguments):
        warnings.warn("a library warns")
        warnings.warn(f"of video {arguments[0].index}")
        return self.dataset.read(*arguments)
"""
WARNING_MAIN = """
import pickle, sys
import warns
from rhovideo.data.loading.datasets import build_dataset

if __name__ == "__main__":
    cfg = pickle.load(open(sys.argv[1], "rb"))
    dataset = warns.Warns(build_dataset(cfg, "train", "pretrain"))
    for rank in (0, 0, 1):
        list(warns.Loader(dataset, training=False, seed=0, global_batch=2, num_workers=2, rank=rank).epoch(0))
"""


def test_a_librarys_warning_is_shown_once_by_all_workers_of_all_loaders(small_cfg, tmp_path):
    (tmp_path / "warns.py").write_text(WARNING_WORKERS)
    (tmp_path / "main.py").write_text(WARNING_MAIN)
    (tmp_path / "cfg").write_bytes(pickle.dumps(small_cfg))
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, tmp_path / "main.py", tmp_path / "cfg"],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("UserWarning: a library warns") == 1
    # Two workers share the videos, and each has its own.
    assert all(done.stderr.count(f"UserWarning: of video {index}\n") == 1 for index in range(NUM_VIDEOS))
    assert not list(tmp_path.glob("rhovideo-warnings-*"))
