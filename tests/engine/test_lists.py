"""A wrong list stops the job before it has trained for hours."""

from __future__ import annotations

import pytest

from rhovideo.config import load_cfg
from rhovideo.data.csv_parsing import ManifestError
from rhovideo.engine.lists import check_lists
from tests.runs import write_config

LABELLED = "a.mp4 0\nb.mp4 1\n"


@pytest.fixture
def configure(tmp_path):
    """Loads the configuration of a task whose lists hold these lines; two classes."""

    def load(task, **lists):
        for split in ("train", "val", "test"):
            (tmp_path / f"{split}.csv").write_text(lists.get(split, LABELLED))
        config = write_config(tmp_path / "run.yaml", tmp_path / "out", task)
        keys = ["DATA.PATH_TO_DATA_DIR", tmp_path, "DATA.MANIFEST_CACHE", tmp_path / "cache", "MODEL.NUM_CLASSES", 2]
        return load_cfg(config, [str(word) for word in keys])

    return load


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_label_beyond_the_classes(configure, split):
    with pytest.raises(ManifestError, match=rf"{split}.csv has the label 2, .* write MODEL.NUM_CLASSES 3"):
        check_lists(configure("linear", **{split: "a.mp4 0\nb.mp4 2\n"}))


@pytest.mark.parametrize(
    ("task", "split"),
    [("linear", "train"), ("linear", "val"), ("linear", "test"), ("knn", "test"), ("pretrain", "val")],
)
def test_list_without_labels(configure, task, split):
    with pytest.raises(ManifestError, match=rf"{split}.csv has no labels"):
        check_lists(configure(task, **{split: "a.mp4\nb.mp4\n"}))


def test_empty_list_that_is_read_at_the_end(configure):
    with pytest.raises(ManifestError, match=r"test.csv lists no video"):
        check_lists(configure("finetune", test=""))


def test_pretraining_needs_no_labels(configure):
    check_lists(configure("pretrain", train="a.mp4\nb.mp4\n", val=""))
