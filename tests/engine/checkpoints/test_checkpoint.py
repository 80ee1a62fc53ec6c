from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from rhovideo.config import get_cfg
from rhovideo.engine.checkpoints.checkpoint import (
    FORMAT,
    CheckpointError,
    checkpoint_to_measure,
    newest_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from rhovideo.runs.folder import checkpoint_path, list_checkpoints


def save(folder, epoch, step=0, keep=0, **other):
    path = checkpoint_path(folder, epoch, step)
    content = {"format": FORMAT, "task": "linear", "cfg": "", "epoch": epoch, "step": step, "global_step": 1}
    content |= {key: {} for key in ("optimizer_state", "scaler_state", "task_state", "epoch_layout")}
    content |= {"model_state": {"weight": torch.arange(1000.0)}} | other
    save_checkpoint(content, path, keep)
    return path


def test_newest_is_the_furthest_not_the_last_written(tmp_path):
    for epoch, step in [(2, 0), (10, 0), (2, 7), (9, 120)]:
        save(tmp_path, epoch, step)
    path, state = newest_checkpoint(tmp_path)
    assert (state["epoch"], state["step"]) == (10, 0)
    assert path == checkpoint_path(tmp_path, 10, 0)
    assert torch.equal(state["model_state"]["weight"], torch.arange(1000.0))


@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty"])
def test_damaged_checkpoint_is_passed_over(tmp_path, damage, caplog):
    good, bad = save(tmp_path, 3), save(tmp_path, 4)
    content = bytearray(bad.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "one bit":
        content[content.index(torch.arange(1000.0).numpy().tobytes()) + 1234] ^= 1
    else:
        content = b""
    bad.write_bytes(bytes(content))
    path, _ = newest_checkpoint(tmp_path)
    assert path == good
    assert str(bad) in caplog.text


@pytest.mark.parametrize("other", [{"model_state": {}}, {"model_state": None}, {"optimizer_state": None}])
def test_a_checkpoint_without_weights_or_another_part_is_passed_over(tmp_path, other, caplog):
    good, bad = save(tmp_path, 3), save(tmp_path, 4, **other)
    path, state = newest_checkpoint(tmp_path)
    assert path == good
    assert len(state["model_state"]) == 1
    assert f"{bad}: " in caplog.text
    assert next(iter(other)) in caplog.text


def test_what_is_harmless_is_no_damage(tmp_path):
    path = save(tmp_path, 3, task_state={"seen": {1, 2}, "rate": np.float32(0.5), "mask": np.array([True])})
    state = read_checkpoint(path)["task_state"]
    assert (state["seen"], state["rate"], state["mask"].tolist()) == ({1, 2}, 0.5, [True])


def test_file_that_would_run_code_is_refused(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = checkpoint_path(tmp_path, 1, 0)
    path.parent.mkdir()
    torch.save({"format": FORMAT, "payload": Payload()}, path)
    with pytest.raises(CheckpointError, match="checkpoint_epoch_00001"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_only_the_last_ones_are_kept_and_leftovers_removed(tmp_path):
    leftover = checkpoint_path(tmp_path, 1, 0).parent / ".checkpoint_epoch_00001.pyth.123.tmp"
    leftover.parent.mkdir()
    leftover.write_bytes(b"killed while writing")
    for epoch in range(1, 6):
        save(tmp_path, epoch, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == [
        "checkpoint_epoch_00005.pyth",
        "checkpoint_epoch_00004.pyth",
    ]
    assert not leftover.exists()


def test_failed_write_leaves_the_older_checkpoint(tmp_path, monkeypatch):
    good = save(tmp_path, 1)

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(CheckpointError, match=r"no space left.*again. The last checkpoint is .*goes on"):
        save(tmp_path, 2, keep=1)
    assert [path.name for path in good.parent.iterdir()] == [good.name]
    assert newest_checkpoint(tmp_path)[0] == good


def test_the_whole_file_is_synced_before_it_takes_its_name(tmp_path, monkeypatch):
    sizes, path, sync = [], checkpoint_path(tmp_path, 1, 0), os.fsync

    def record(descriptor):
        sizes.append((os.fstat(descriptor).st_size, path.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    save(tmp_path, 1)
    assert sizes[0] == (path.stat().st_size, False)
    assert read_checkpoint(path)["epoch"] == 1


def test_run_without_checkpoints_has_none(tmp_path):
    assert newest_checkpoint(tmp_path) is None


def test_a_training_configuration_without_training_measures_what_it_has_trained(tmp_path):
    cfg = get_cfg()
    cfg.OUTPUT_DIR = str(tmp_path)
    assert checkpoint_to_measure(cfg) == ""
    cfg.TRAIN.CHECKPOINT_FILE_PATH = "began_with.pyth"
    own = save(tmp_path, 3)
    found = []
    for cfg.TRAIN.ENABLE in (True, False):
        found.append(checkpoint_to_measure(cfg))
    assert found == ["began_with.pyth", str(own)]
    cfg.TRAIN.CHECKPOINT_FILE_PATH = ""
    assert checkpoint_to_measure(cfg) == str(own)
    cfg.TEST.CHECKPOINT_FILE_PATH = "named.pyth"
    assert checkpoint_to_measure(cfg) == "named.pyth"
