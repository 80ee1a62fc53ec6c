"""Videos that were replaced under their old names are found by their sizes, and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rhovideo.checks import video_sizes
from rhovideo.checks.finished_runs import compare_inputs
from rhovideo.checks.video_sizes import look_at_videos, with_sizes, write_sizes
from rhovideo.config import load_cfg
from rhovideo.runs.inputs import VideoSizes, measure, read_inputs, record_start


@pytest.fixture
def cfg(tmp_path):
    """A test list of eight files of 100 to 107 bytes, and one that is not there."""
    (tmp_path / "videos").mkdir()
    for number in range(8):
        (tmp_path / f"videos/{number}.mp4").write_bytes(bytes(100 + number))
    (tmp_path / "test.csv").write_text("".join(f"videos/{number}.mp4 0\n" for number in range(9)))
    (tmp_path / "c.pyth").write_bytes(b"weights")
    (tmp_path / "out").mkdir()
    words = ["TASK", "test", "DATA.PATH_TO_DATA_DIR", tmp_path, "TEST.CHECKPOINT_FILE_PATH", tmp_path / "c.pyth"]
    words += ["DATA.MANIFEST_CACHE", tmp_path / "cache"]
    return load_cfg(None, [str(word) for word in (*words, "OUTPUT_DIR", tmp_path / "out")])


def record(cfg) -> VideoSizes:
    """What a start leaves; the sizes of the test list's videos in sum."""
    now = measure(cfg)
    sizes = look_at_videos(cfg, now)
    write_sizes(cfg.OUTPUT_DIR, sizes)
    record_start(cfg.OUTPUT_DIR, with_sizes(now, sizes))
    (item,) = (item for item in read_inputs(cfg.OUTPUT_DIR).inputs if item.role == "test list")
    return item.videos


def compared(cfg) -> tuple[list[str], list[str]]:
    found = compare_inputs(cfg, Path(cfg.OUTPUT_DIR))
    return found.differences, found.notes


def test_the_sum_of_the_sizes_is_with_the_list(cfg):
    found = record(cfg)
    assert (found.listed, found.looked_at, found.missing, found.remote) == (9, 9, 1, 0)
    assert found.bytes == sum(range(100, 108))
    assert compared(cfg) == ([], [])


def test_replaced_videos_are_named_with_both_sizes(cfg, tmp_path):
    record(cfg)
    (tmp_path / "videos/3.mp4").write_bytes(bytes(2345))
    (difference,) = compared(cfg)[0]
    assert difference == (
        "1 of the 9 videos of the test list has another size than when it was measured on: "
        "videos/3.mp4 (103 → 2345 bytes)"
    )
    # One that was not there, and so was not measured, changes the number too.
    for number in (5, 6, 8):
        (tmp_path / f"videos/{number}.mp4").write_bytes(bytes(7))
    (difference,) = compared(cfg)[0]
    assert "4 of the 9 videos" in difference
    assert difference.endswith("videos/6.mp4 (106 → 7 bytes) and 1 more")
    record(cfg)
    assert compared(cfg) == ([], [])


def test_a_video_that_is_not_there_now_is_no_difference_and_is_said(cfg, tmp_path):
    record(cfg)
    (tmp_path / "videos/3.mp4").unlink()
    differences, (note,) = compared(cfg)
    assert differences == []
    assert "1 of the 9 videos of the test list is not there now" in note


def test_lists_in_another_folder_have_the_same_sizes(cfg, tmp_path):
    first = record(cfg)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("videos", "test.csv"):
        (tmp_path / name).rename(moved / name)
    other = cfg.clone()
    other.defrost()
    other.DATA.PATH_TO_DATA_DIR = str(moved)
    assert compared(other) == ([], [])
    assert record(other) == first


def test_of_a_long_list_always_the_same_videos_are_looked_at(cfg, tmp_path, monkeypatch):
    monkeypatch.setattr(video_sizes, "MOST_VIDEOS", 4)
    found = record(cfg)
    assert (found.listed, found.looked_at) == (9, 4)
    assert compared(cfg) == ([], [])
    for number in range(9):
        (tmp_path / f"videos/{number}.mp4").write_bytes(bytes(7))
    (difference,) = compared(cfg)[0]
    assert "4 of the 4 videos of the test list that were looked at (it lists 9) have another size" in difference


def test_urls_are_not_looked_at(cfg, tmp_path, monkeypatch):
    (tmp_path / "test.csv").write_text("s3://bucket/a.mp4 0\nvideos/1.mp4 0\n")
    asked = []
    real = video_sizes.os.stat
    monkeypatch.setattr(video_sizes.os, "stat", lambda path, **how: asked.append(str(path)) or real(path, **how))
    found = record(cfg)
    assert (found.looked_at, found.remote, found.missing) == (1, 1, 0)
    assert "1 URLs not looked at" in str(found)
    assert not [path for path in asked if "bucket" in path]
    (tmp_path / "videos/1.mp4").write_bytes(b"")
    (difference,) = compared(cfg)[0]
    assert "videos/1.mp4 (101 → 0 bytes)" in difference


@pytest.mark.parametrize("damage", [None, b"", b"PK\x03\x04 and no more"])
def test_without_the_single_sizes_their_sum_still_tells(cfg, tmp_path, damage):
    record(cfg)
    path = tmp_path / "out/video_sizes.npz"
    path.unlink() if damage is None else path.write_bytes(damage)
    assert compared(cfg) == ([], [])
    (tmp_path / "videos/3.mp4").write_bytes(b"")
    (difference,) = compared(cfg)[0]
    assert "videos of the test list have another size" in difference
    assert "video_sizes.npz, which would name them, is gone or damaged" in difference


def test_a_record_without_sizes_is_said(cfg):
    record_start(cfg.OUTPUT_DIR, measure(cfg))
    differences, (note,) = compared(cfg)
    assert differences == []
    assert "the sizes of the videos of the test list are not on record" in note


def test_a_resume_with_replaced_videos_keeps_the_earlier_sum(cfg, tmp_path):
    first = record(cfg)
    record(cfg)
    assert read_inputs(cfg.OUTPUT_DIR).history == []
    (tmp_path / "videos/3.mp4").write_bytes(b"")
    record(cfg)
    (earlier,) = read_inputs(cfg.OUTPUT_DIR).history
    assert [item["videos"]["sha256"] for item in earlier["inputs"] if item["videos"]] == [first.sha256]


def test_the_sizes_of_many_videos_take_little_room(cfg, tmp_path):
    (tmp_path / "test.csv").write_text("".join(f"{number}.mp4 0\n" for number in range(20_000)))
    rng = np.random.default_rng(0)
    now = measure(cfg)
    sizes = look_at_videos(cfg, now)
    sizes["test"].sizes[:] = rng.integers(10**5, 10**7, 20_000)
    write_sizes(cfg.OUTPUT_DIR, sizes)
    assert (tmp_path / "out/video_sizes.npz").stat().st_size < 6 * 20_000
