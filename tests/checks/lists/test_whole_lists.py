"""A wrong list stops the job before it has trained for hours."""

from __future__ import annotations

import logging

import pytest

from rhovideo.checks.lists.whole_lists import check_whole_lists
from rhovideo.config import load_cfg
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.video.picture.tone_mapping import PQ
from tests.configured_runs import write_config
from tests.data.video.picture.test_tone_mapping import write_hdr

LABELLED = {split: f"{split}/a.mp4 0\n{split}/b.mp4 1\n" for split in ("train", "val", "test")}


@pytest.fixture
def configure(tmp_path):
    """Loads the configuration of a task whose lists hold these lines; two classes."""

    def load(task, *overrides, **lists):
        for split in ("train", "val", "test"):
            (tmp_path / f"{split}.csv").write_text(lists.get(split, LABELLED[split]))
        config = write_config(tmp_path / "run.yaml", tmp_path / "out", task)
        keys = ["DATA.PATH_TO_DATA_DIR", tmp_path, "DATA.MANIFEST_CACHE", tmp_path / "cache", "MODEL.NUM_CLASSES", 2]
        keys += overrides
        return load_cfg(config, [str(word) for word in keys])

    return load


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_label_beyond_the_classes(configure, split):
    with pytest.raises(ManifestError, match=rf"{split}.csv has the label 2, .* write MODEL.NUM_CLASSES 3"):
        check_whole_lists(configure("linear", **{split: "a.mp4 0\nb.mp4 2\n"}))


@pytest.mark.parametrize(
    ("task", "split"),
    [("linear", "train"), ("linear", "val"), ("linear", "test"), ("knn", "test"), ("pretrain", "val")],
)
def test_list_without_labels(configure, task, split):
    with pytest.raises(ManifestError, match=rf"{split}.csv has no labels"):
        check_whole_lists(configure(task, **{split: "a.mp4\nb.mp4\n"}))


def test_empty_list_that_is_read_at_the_end(configure):
    with pytest.raises(ManifestError, match=r"test.csv lists no video"):
        check_whole_lists(configure("finetune", test=""))


def test_pretraining_needs_no_labels(configure):
    check_whole_lists(configure("pretrain", train="a.mp4\nb.mp4\n", val=""))


def warnings_of(cfg, caplog):
    caplog.clear()
    with caplog.at_level(logging.WARNING, "rhovideo"):
        check_whole_lists(cfg)
    return caplog.text


def test_forgotten_number_of_classes_is_told(configure, caplog):
    told = warnings_of(configure("linear", "MODEL.NUM_CLASSES", 400), caplog)
    assert told.count("train.csv: labels are 0 to 1, and MODEL.NUM_CLASSES is 400: write MODEL.NUM_CLASSES 2") == 1
    assert warnings_of(configure("linear"), caplog) == ""


def test_queue_longer_than_an_epoch_is_told_with_one_that_fits(configure, caplog):
    words = ["CONTRASTIVE.TYPE", "moco", "TRAIN.BATCH_SIZE", 4, "DATA.TRAIN_CROP_NUM_TEMPORAL", 2]
    videos = "".join(f"{number}.mp4 {number % 2}\n" for number in range(31))
    queue = [*words, "CONTRASTIVE.QUEUE_LEN", 65536]
    assert "makes 31 keys" in warnings_of(configure("pretrain", *queue, train=videos), caplog)
    queue += ["CONTRASTIVE.MOCO_MULTI_VIEW_QUEUE", True]
    told = warnings_of(configure("pretrain", *queue, train=videos), caplog)
    assert "makes 62 keys" in told
    assert "write CONTRASTIVE.QUEUE_LEN 28" in told
    assert warnings_of(configure("pretrain", *words, "CONTRASTIVE.QUEUE_LEN", 28, train=videos), caplog) == ""


def test_what_the_start_says_of_the_footage_is_in_the_log_too(configure, tmp_path, caplog):
    write_hdr(tmp_path / "a.mp4", PQ, frames=6)
    write_hdr(tmp_path / "b.mp4", PQ, frames=90)
    told = warnings_of(configure("pretrain", "DATA.TRAIN_CROP_NUM_TEMPORAL", 2, train="a.mp4\nb.mp4\n"), caplog)
    assert told.count("train.csv: 2 of 2 videos are HDR (PQ 2)") == 1
    assert told.count("train.csv: 1 of 2 videos are shorter than 2 clips") == 1
    # A terminal has them from the start.
    assert all(record.for_files for record in caplog.records)
