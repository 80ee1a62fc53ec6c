"""Test videos that were trained on, and videos that count twice or have two labels, are told before the start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from rhovideo.data.lists import same_videos
from tests.checks.lists.list_findings import findings_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of two sizes and four contents."""
    for number in range(8):
        (tmp_path / f"{number}.mp4").write_bytes(bytes([number]) * (100 + number % 2))
    return tmp_path


def _told(folder: Path, task: str = "linear", **lists: list[str]) -> list[str]:
    usual = {"train": ["0.mp4 0", "1.mp4 1"], "val": ["2.mp4 0", "3.mp4 1"], "test": ["4.mp4 0", "5.mp4 1"]}
    for split, lines in (usual | lists).items():
        (folder / f"{split}.csv").write_text("".join(f"{line}\n" for line in lines))
    findings = findings_of(folder, task, classes=2)
    assert all(finding.severity == "warning" for finding in findings)
    return [str(finding) for finding in findings if finding.keys[0] == "DATA.PATH_TO_DATA_DIR"]


def test_lists_without_common_videos_are_fine(folder):
    assert _told(folder) == []
    assert _told(folder, "knn") == []


def test_test_videos_in_the_training_list_are_counted(folder):
    [told] = _told(folder, test=["5.mp4 1", "./0.mp4 0", "1.mp4 1"])
    assert f"test.csv: 2 of 3 videos are in train.csv too, the first is {folder}/./0.mp4" in told
    [told] = _told(folder, "knn", test=["0.mp4 0"])
    assert "its only video is in train.csv too" in told


def test_a_link_and_a_copy_are_the_same_video(folder):
    os.symlink(folder / "0.mp4", folder / "link.mp4")
    shutil.copy(folder / "1.mp4", folder / "copy.mp4")
    [told] = _told(folder, val=["link.mp4 0", "copy.mp4 1", "3.mp4 1"])
    assert "val.csv: 2 of 3 videos are in train.csv too" in told


def test_long_lists_are_compared_by_path_alone(folder, monkeypatch):
    monkeypatch.setattr(same_videos, "MOST_CONTENTS", 3)
    shutil.copy(folder / "1.mp4", folder / "copy.mp4")
    os.symlink(folder, folder / "elsewhere")
    [told] = _told(folder, test=["copy.mp4 1", "elsewhere/0.mp4 0"])
    assert "1 of 2 videos is in train.csv too" in told


def test_a_video_with_two_labels_and_one_that_counts_twice(folder):
    [told] = _told(folder, train=["0.mp4 0", "1.mp4 1", "0.mp4 1"])
    assert f"train.csv: 1 video has two labels, the first is {folder}/0.mp4 with 0 and 1" in told
    [told] = _told(folder, test=["4.mp4 0", "4.mp4 0", "5.mp4 1"])
    assert "test.csv: 1 of 3 rows repeat a video" in told
    # A training list may hold a video more often, to train on it more.
    assert _told(folder, train=["0.mp4 0", "0.mp4 0", "1.mp4 1"]) == []


def test_validation_of_a_pretraining_counts_too(folder):
    words = {"train": ["0.mp4 0", "1.mp4 1"], "val": ["0.mp4 0"]}
    [told] = _told(folder, "pretrain", **words)
    assert "each is left out of its own neighbours" in told


def test_a_list_of_the_same_size_and_time_is_read_again(folder):
    assert _told(folder, test=["4.mp4 0"]) == []
    written = (folder / "test.csv").stat().st_mtime_ns
    (folder / "test.csv").write_text("0.mp4 0\n")
    os.utime(folder / "test.csv", ns=(written, written))
    told = [str(finding) for finding in findings_of(folder, "linear", classes=2)]
    assert any("test.csv: its only video is in train.csv too" in one for one in told)
