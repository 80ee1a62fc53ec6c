"""Several processes that go on from one checkpoint: each machine reads its bytes once, and all take the same one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from rhovideo import distributed
from rhovideo.engine.checkpoints import checkpoint
from rhovideo.engine.checkpoints.checkpoint import FORMAT, newest_checkpoint_of_all, save_checkpoint
from rhovideo.errors import WeightsError
from rhovideo.runs.folder import checkpoint_path
from tests.processes import run_processes

PARTS = {"epoch_layout": {}, "optimizer_state": {}, "scaler_state": {}, "task_state": {}, "task": "pretrain", "cfg": ""}
# Large records, and small ones.
WEIGHTS = {"large": torch.arange(2.0**21), **{f"small_{number}": torch.full((2**10,), number) for number in range(64)}}


def save(folder, epoch) -> Path:
    path = checkpoint_path(folder, epoch, 0)
    position = {"epoch": epoch, "step": 0, "global_step": epoch}
    save_checkpoint({"format": FORMAT, "model_state": WEIGHTS, **PARTS, **position}, path, keep=0)
    return path


def read(folder, of_a_machine):
    """What a process gets, and the bytes that it reads for it."""
    os.environ["LOCAL_RANK"] = str(distributed.rank() % of_a_machine)
    before = bytes_read()
    found = newest_checkpoint_of_all(folder)
    after = bytes_read()
    if found is None:
        return {"path": "", "bytes": after - before}
    path, content = found
    return {"path": str(path), "bytes": after - before, "weights": dict(content["model_state"])}


def bytes_read() -> int:
    """Of files, by this process; what is mapped is not among them."""
    (line,) = [line for line in Path("/proc/self/io").read_text().splitlines() if line.startswith("rchar")]
    return int(line.split()[1])


@pytest.mark.parametrize("of_a_machine", [4, 2])
def test_each_machine_reads_the_bytes_once(of_a_machine, tmp_path):
    path = save(tmp_path, 3)
    size = path.stat().st_size
    found = run_processes(read, 4, tmp_path, of_a_machine)
    for rank, mine in enumerate(found):
        assert mine["path"] == str(path)
        assert all(torch.equal(mine["weights"][name], value) for name, value in WEIGHTS.items())
        # Its list of contents is read by all.
        least, most = (0.99, 1.1) if rank % of_a_machine == 0 else (0, 0.1)
        assert least * size <= mine["bytes"] <= most * size, rank


def test_all_pass_over_a_damaged_one(tmp_path):
    good, bad = save(tmp_path, 3), save(tmp_path, 4)
    with bad.open("r+b") as file:
        file.seek(bad.stat().st_size // 2)
        file.write(b"\xff" * 8)
    found = run_processes(read, 2, tmp_path, 2)
    assert [mine["path"] for mine in found] == [str(good)] * 2


def test_what_one_machine_alone_cannot_read_is_passed_over_by_all(tmp_path):
    good, bad = save(tmp_path, 3), save(tmp_path, 4)
    found = run_processes(read_where_it_is_missing, 2, tmp_path, bad)
    assert [mine["path"] for mine in found] == [str(good)] * 2


def read_where_it_is_missing(folder, bad):
    """As read, with one process a machine; the second machine has an I/O error in the newest file."""
    if distributed.rank() == 1:
        look = checkpoint.check_values
        checkpoint.check_values = lambda path: refuse(path) if path == bad else look(path)
    return read(folder, 1)


def refuse(path):
    raise WeightsError(f"{path}: cannot be read")


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert [mine["path"] for mine in run_processes(read, 2, tmp_path, 2)] == ["", ""]
