"""Which files a job on lists of frames needs, asked before it starts."""

from __future__ import annotations

import pytest

from rhovideo.checks.files import check_files
from rhovideo.checks.lists.job_lists import ListCheck
from rhovideo.config import load_cfg
from rhovideo.config.list_names import needed_splits
from tests.frame_lists import write_frame_lists

NAME = "something-something-v2-{}.json"


@pytest.fixture
def folder(tmp_path):
    return write_frame_lists(tmp_path / "ssv2", train=8, val=4, frames=3)


def configure(folder, task, *words):
    keys = ["TRAIN.DATASET", "ssv2", "DATA.PATH_TO_DATA_DIR", folder, "DATA.PATH_PREFIX", folder / "frames"]
    keys += [
        "NUM_GPUS",
        0,
        "OUTPUT_DIR",
        folder / "out",
        "TRAIN.BATCH_SIZE",
        4,
        "CONTRASTIVE.QUEUE_LEN",
        8,
        "MODEL.NUM_CLASSES",
        3,
    ]
    return load_cfg(None, ["TASK", task, *keys, *words])


def rehearse(cfg):
    return list(ListCheck()(cfg))


def missing(folder, task, *words):
    return [finding.wrong.split()[3].rstrip(",") for finding in check_files(configure(folder, task, *words))]


def test_everything_is_there_and_no_test_list_is_asked_for(folder):
    for task in ("finetune", "pretrain"):
        assert check_files(configure(folder, task)) == []
        assert ListCheck()(configure(folder, task)) == []
    assert needed_splits(configure(folder, "finetune")) == ("train", "val", "test")


@pytest.mark.parametrize(
    ("file", "split"),
    [("val.csv", "val"), (NAME.format("validation"), "val"), (NAME.format("train"), "train")],
)
def test_missing_file_is_named(folder, file, split):
    (folder / file).unlink()
    assert set(missing(folder, "finetune")) == {file}
    assert missing(folder, "finetune", "TRAIN.EVAL_PERIOD", 0, "TEST.ENABLE", False) == [file] * (split == "train")


def test_pretraining_goes_without_labels_or_with_all_of_them(folder):
    (folder / NAME.format("train")).unlink()
    assert missing(folder, "pretrain", "CONTRASTIVE.KNN_ON", False) == [NAME.format("train")]
    (folder / NAME.format("labels")).unlink()
    assert needed_splits(configure(folder, "pretrain")) == ("train",)
    assert check_files(configure(folder, "pretrain")) == []
    assert ListCheck()(configure(folder, "pretrain")) == []


def test_what_is_wrong_in_a_file_is_found_before_a_job_waits_in_a_queue(folder):
    words = ["MODEL.NUM_CLASSES", 2, "TEST.ENABLE", False, "TRAIN.EVAL_PERIOD", 0]
    (finding,) = ListCheck()(configure(folder, "finetune", *words))
    assert "has the label 2, but MODEL.NUM_CLASSES is 2" in finding.wrong
    (folder / NAME.format("labels")).write_text("{")
    findings = ListCheck()(configure(folder, "finetune"))
    assert all("cannot be read as JSON" in finding.wrong for finding in findings)
    assert len(findings) == 1, "the labels of all three lists stand in that one file"


def test_wrong_prefix_is_found_before_a_job_waits_in_a_queue(folder):
    findings = ListCheck()(configure(folder, "finetune", "DATA.PATH_PREFIX", folder, "TRAIN.EVAL_PERIOD", 0))
    assert {finding.keys[0] for finding in findings} == {"DATA.PATH_PREFIX"}
    assert "100/100_000001.png is not there" in findings[0].wrong
