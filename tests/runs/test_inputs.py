"""The record of what a result was measured on: content decides, and no time stamp."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from rhovideo.config import load_cfg
from rhovideo.config.task_defaults import MEASURES
from rhovideo.errors import JobError
from rhovideo.runs.inputs import changed_inputs, changes, input_files, measure, read_inputs, record_start
from rhovideo.runs.lineage import lineage


@pytest.fixture
def cfg(tmp_path):
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text(f"{split}_a.mp4 0\n\n{split}_b.mp4 1\n")
    (tmp_path / "classes.txt").write_text("hop\nrun\n")
    (tmp_path / "c.pyth").write_bytes(b"weights")
    (tmp_path / "out").mkdir()
    words = ["TASK", "knn", "DATA.PATH_TO_DATA_DIR", tmp_path, "TEST.CHECKPOINT_FILE_PATH", tmp_path / "c.pyth"]
    return load_cfg(None, [str(word) for word in (*words, "OUTPUT_DIR", tmp_path / "out")])


def test_every_file_is_recorded_by_its_whole_content(cfg, tmp_path):
    record = record_start(tmp_path / "out", measure(cfg))
    assert read_inputs(tmp_path / "out") == record
    found = {item.role: (Path(item.path).name, item.rows) for item in record.inputs}
    assert found == {
        "train list": ("train.csv", 2),
        "test list": ("test.csv", 2),
        "class names": ("classes.txt", None),
        "checkpoint": ("c.pyth", None),
    }
    for item in record.inputs:
        assert item.sha256 == hashlib.sha256(Path(item.path).read_bytes()).hexdigest()
    assert len(record.code["sha256"]) == 64


@pytest.mark.parametrize("name", ["train.csv", "test.csv", "classes.txt", "c.pyth"])
def test_another_file_with_the_same_size_and_time_is_another_input(cfg, tmp_path, name):
    before, stamps = measure(cfg), (tmp_path / name).stat()
    content = (tmp_path / name).read_bytes()
    (tmp_path / "new").write_bytes(content[:-2] + b"x\n")
    os.utime(tmp_path / "new", ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    (tmp_path / "new").replace(tmp_path / name)
    (change,) = changes(before, measure(cfg))
    assert str(tmp_path / name) in str(change)
    (tmp_path / name).write_bytes(content)
    assert changes(before, measure(cfg)) == []


def test_a_list_that_is_gone_is_a_change_and_new_class_names_are_none(cfg, tmp_path):
    before = measure(cfg)
    (tmp_path / "classes.txt").unlink()
    assert changes(before, measure(cfg)) == []
    assert changes(measure(cfg), before) == []
    (tmp_path / "test.csv").unlink()
    assert [str(change) for change in changes(before, measure(cfg))] == [f"the test list {tmp_path}/test.csv is gone"]


def test_a_resume_on_other_inputs_keeps_the_earlier_ones_in_the_history(cfg, tmp_path):
    first = record_start(tmp_path / "out", measure(cfg))
    assert record_start(tmp_path / "out", measure(cfg)).history == []
    (tmp_path / "train.csv").write_text("train_a.mp4 0\n")
    later = record_start(tmp_path / "out", measure(cfg))
    assert [entry["inputs"][0]["sha256"] for entry in later.history] == [first.inputs[0].sha256]


def test_a_folder_of_an_earlier_version_has_no_record_and_a_damaged_one_is_named(tmp_path):
    assert read_inputs(tmp_path) is None
    for damage in ("{", "[]", json.dumps({"inputs": [{"role": "x"}]})):
        (tmp_path / "inputs.json").write_text(damage)
        with pytest.raises(JobError, match=r"inputs\.json: cannot be read .* write another OUTPUT_DIR"):
            read_inputs(tmp_path)


@pytest.mark.parametrize("task", MEASURES)
def test_the_checkpoint_of_every_task_that_measures_is_an_input(cfg, tmp_path, task):
    other = cfg.clone()
    other.defrost()
    other.TASK = task
    assert dict(input_files(other))["checkpoint"] == tmp_path / "c.pyth"
    record_start(tmp_path / "out", measure(other))
    (tmp_path / "c.pyth").write_bytes(b"other weights")
    assert [change.was.role for change in changed_inputs(other, tmp_path / "out")] == ["checkpoint"]


@pytest.mark.parametrize("trains", [True, False])
def test_a_training_that_only_measures_is_of_its_own_checkpoint(cfg, tmp_path, trains):
    """TRAIN.ENABLE False measures the result of the training, not what it began with."""
    own = tmp_path / "out/checkpoints/checkpoint_epoch_00001.pyth"
    own.parent.mkdir()
    own.touch()
    other = cfg.clone()
    other.defrost()
    other.TEST.CHECKPOINT_FILE_PATH, other.TRAIN.CHECKPOINT_FILE_PATH = "", str(tmp_path / "c.pyth")
    other.TRAIN.ENABLE = trains
    assert dict(input_files(other))["checkpoint"] == (tmp_path / "c.pyth" if trains else own)


@pytest.mark.parametrize("task", MEASURES)
def test_the_lineage_of_every_task_that_measures_begins_with_its_checkpoint(cfg, tmp_path, task):
    trained, run = tmp_path / "trained", tmp_path / "out"
    (trained / "checkpoints").mkdir(parents=True)
    shutil.copy(tmp_path / "c.pyth", trained / "checkpoints/checkpoint_epoch_00001.pyth")
    (trained / "config.yaml").write_text("TASK: pretrain\n")
    checkpoint = trained / "checkpoints/checkpoint_epoch_00001.pyth"
    (run / "config.yaml").write_text(f"TASK: {task}\nTEST: {{CHECKPOINT_FILE_PATH: {checkpoint}}}\n")
    assert lineage(run) == [trained, run]
