"""Checks before a start of lists with several labels a video."""

from __future__ import annotations

import pytest

from rhovideo.checks.lists.job_lists import ListCheck
from rhovideo.config import load_cfg

HEADER = "original_vido_id video_id frame_id path labels"


@pytest.fixture
def findings(tmp_path):
    def find(lines, *overrides, task="finetune"):
        for split in ("train", "val", "test"):
            (tmp_path / f"{split}.csv").write_text("\n".join(lines) + "\n")
        keys = ["TASK", task, "DATA.PATH_TO_DATA_DIR", tmp_path, "DATA.MANIFEST_CACHE", tmp_path / "cache"]
        keys += ["OUTPUT_DIR", tmp_path / "out", "NUM_GPUS", 0, "TRAIN.BATCH_SIZE", 2, "MODEL.NUM_CLASSES", 4]
        return ListCheck()(load_cfg(None, [*keys, *overrides]))

    return find


@pytest.fixture
def videos(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.mp4").write_bytes(b"x")
    return ["DATA.MULTI_LABEL", True]


def errors(found):
    return [finding for finding in found if finding.severity == "error"]


def test_a_right_list_has_no_error(findings, videos):
    assert not errors(findings(['a.mp4 "0,3"', 'b.mp4 ""', 'c.mp4 "1,2"'], *videos))


def test_a_label_beyond_the_classes_is_named(findings, videos):
    (finding,) = errors(findings(['a.mp4 "0,9"', 'b.mp4 ""'], *videos))
    assert "has the label 9, but MODEL.NUM_CLASSES is 4" in finding.wrong
    assert "MODEL.NUM_CLASSES 10" in finding.write


def test_labels_from_1_are_told_without_a_command_for_other_lists(findings, videos):
    (finding,) = errors(findings(['a.mp4 "1,4"', 'b.mp4 "2,3"'], *videos))
    assert "labels start at 1" in finding.wrong
    assert "awk" not in finding.write


def test_a_list_without_any_label_says_what_to_write(findings, videos):
    found = errors(findings(['a.mp4 ""', 'b.mp4 ""'], *videos))
    assert any("has no labels, which TASK finetune needs" in finding.wrong for finding in found)
    assert any("class numbers in quotes" in finding.write for finding in found)


def test_files_that_are_not_there_are_named(findings, videos, tmp_path):
    found = errors(findings(['x.mp4 "1"', 'y.mp4 "0"', 'z.mp4 "2"'], *videos))
    assert any("x.mp4 is not there" in finding.wrong for finding in found)
    charades = [HEADER, 'v 0 0 v/1.jpg "0"', 'v 0 1 v/2.jpg ""', 'w 1 0 w/1.jpg "3"']
    found = errors(findings(charades, "TRAIN.DATASET", "charades"))
    assert any("v/1.jpg is not there" in finding.wrong for finding in found)


def test_a_wrong_line_of_frames_is_an_error_with_its_place(findings):
    found = errors(findings([HEADER, 'v 0 0 v/1.jpg "0"', "v 0 1 v/2.jpg 0;3"], "TRAIN.DATASET", "charades"))
    assert any("train.csv, line 3: '0;3' is no label" in finding.wrong for finding in found)
