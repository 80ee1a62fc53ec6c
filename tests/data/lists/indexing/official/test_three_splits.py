"""The official splits of UCF101 and HMDB51."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhovideo.data.lists.indexing.folder_index import IndexingError
from rhovideo.data.lists.indexing.official.three_splits import index_hmdb51, index_ucf101
from rhovideo.runs.official_counts import OfficialCount, read_official_count
from tests.data.lists.listed import entries, touch


@pytest.fixture
def ucf101(tmp_path):
    """Two classes of UCF101 with four videos each, and its split files."""
    names = ["ApplyEyeMakeup", "Archery"]
    splits = tmp_path / "ucfTrainTestlist"
    touch(splits / "classInd.txt").write_text("".join(f"{k + 1} {name}\r\n" for k, name in enumerate(names)))
    for k in (1, 2, 3):
        train, test = "", ""
        for label, name in enumerate(names):
            for group in range(1, 5):
                file = f"{name}/v_{name}_g0{group}_c01.avi"
                touch(tmp_path / "UCF-101" / file, b"video")
                if group == k:
                    test += f"{file}\n"
                else:
                    train += f"{file} {label + 1}\n"
        (splits / f"trainlist0{k}.txt").write_text(train)
        (splits / f"testlist0{k}.txt").write_text(test)
    return tmp_path / "UCF-101", splits


def test_ucf101_official_splits(tmp_path, ucf101):
    summaries = index_ucf101(*ucf101, tmp_path / "lists")
    assert [summary.counts for summary in summaries] == [{"train": 6, "val": 2, "test": 2}] * 3
    test2 = entries(tmp_path / "lists" / "split2" / "test.csv", tmp_path)
    assert [(Path(path).name, label) for path, label in test2] == [
        ("v_ApplyEyeMakeup_g02_c01.avi", 0),
        ("v_Archery_g02_c01.avi", 1),
    ]
    assert all(Path(path).is_file() for path, _ in test2)
    assert entries(tmp_path / "lists" / "split2" / "val.csv", tmp_path) == test2


def test_ucf101_goes_on_without_what_is_missing_and_names_it(tmp_path, ucf101, capsys):
    videos, splits = ucf101
    (videos / "Archery" / "v_Archery_g01_c01.avi").unlink()
    summaries = index_ucf101(videos, splits, tmp_path / "lists")
    # Group 1 is tested in split 1 and trained on in the others.
    assert [summary.counts for summary in summaries] == [{"train": 6, "test": 1, "val": 1}] + 2 * [
        {"train": 5, "test": 2, "val": 2}
    ]
    assert (
        "test.csv: 1 of 2 official videos (UCF101, test of split 1); 1 missing, see missing.csv"
        in capsys.readouterr().out
    )
    assert (tmp_path / "lists/split1/missing.csv").read_text().splitlines() == [
        "list,video,class,reason",
        "test,v_Archery_g01_c01,Archery,no file",
    ]
    count = read_official_count(tmp_path / "lists/split2/train.csv")
    assert count == OfficialCount("UCF101", "train of split 2", 5, 6)


def test_ucf101_names_a_file_of_the_splits_that_is_missing(tmp_path, ucf101):
    videos, splits = ucf101
    (splits / "trainlist03.txt").unlink()
    with pytest.raises(IndexingError, match=r"trainlist03\.txt is missing"):
        index_ucf101(videos, splits, tmp_path / "lists")
    assert not (tmp_path / "lists").exists()


@pytest.fixture
def hmdb51(tmp_path):
    """Two classes of HMDB51 with three videos each, and its split files."""
    splits = tmp_path / "splits"
    for name in ("wave", "brush_hair"):
        for k in (1, 2, 3):
            lines = ""
            for number in range(3):
                file = f"A [x] & #{number}.avi"
                touch(tmp_path / "hmdb51" / name / file, b"video")
                lines += f"{file} {(number + k) % 3} \n"
            touch(splits / f"{name}_test_split{k}.txt").write_text(lines)
    return tmp_path / "hmdb51", splits


def test_hmdb51_official_splits(tmp_path, hmdb51):
    index_hmdb51(*hmdb51, tmp_path / "lists")
    lists = tmp_path / "lists" / "split1"
    assert (lists / "classes.txt").read_text().split() == ["brush_hair", "wave"]
    # Of "video.avi 0|1|2", 1 trains, 2 tests, 0 is unused.
    videos = hmdb51[0]
    names = ("brush_hair", "wave")
    assert entries(lists / "train.csv", tmp_path) == [
        (f"{videos}/{name}/A [x] & #0.avi", k) for k, name in enumerate(names)
    ]
    assert entries(lists / "test.csv", tmp_path) == [
        (f"{videos}/{name}/A [x] & #1.avi", k) for k, name in enumerate(names)
    ]


def test_a_video_of_another_class_is_not_taken_for_one_of_the_same_name(tmp_path, hmdb51):
    videos, splits = hmdb51
    (videos / "wave" / "A [x] & #1.avi").unlink()
    (first, *_) = index_hmdb51(videos, splits, tmp_path / "lists")
    assert first.counts == {"train": 2, "test": 1, "val": 1}
    assert "test,A [x] & #1,wave,no file" in (tmp_path / "lists/split1/missing.csv").read_text()


def test_hmdb51_names_what_is_missing(tmp_path, hmdb51):
    videos, splits = hmdb51
    (splits / "wave_test_split2.txt").unlink()
    with pytest.raises(IndexingError, match=r"wave_test_split2\.txt is missing"):
        index_hmdb51(videos, splits, tmp_path / "lists")
    with pytest.raises(IndexingError, match="testTrainMulti_7030_splits"):
        index_hmdb51(videos, tmp_path / "nothing", tmp_path / "lists")


@pytest.mark.parametrize("emptied", ["trainlist01.txt", "testlist02.txt"])
def test_ucf101_with_an_empty_file_is_refused(tmp_path, ucf101, emptied):
    videos, splits = ucf101
    (splits / emptied).write_text("")
    number = int(Path(emptied).stem[-2:])
    with pytest.raises(IndexingError, match=f"split {number} of UCF101 lists no"):
        index_ucf101(videos, splits, tmp_path / "lists")


def test_hmdb51_with_empty_files_is_refused(tmp_path):
    for k in (1, 2, 3):
        touch(tmp_path / "splits" / f"brush_hair_test_split{k}.txt").write_text("")
    touch(tmp_path / "videos" / "a.avi", b"video")
    with pytest.raises(IndexingError, match="split 1 of HMDB51 lists no train video"):
        index_hmdb51(tmp_path / "videos", tmp_path / "splits", tmp_path / "lists")
