"""Folders as people have them: what is taken for splits, classes and videos, and what the summary says of the rest."""

import os

import pytest

from rhovideo.data.lists.indexing.folder_index import IndexingError, index_folder, list_folder
from tests.data.lists.listed import entries, touch


def index(tmp_path, *names, **keys):
    """Index a folder of these empty files: the summary, and for each list its paths below the folder with labels."""
    for name in names:
        touch(tmp_path / "videos" / name)
    summary = index_folder(tmp_path / "videos", tmp_path / "lists", **{"val_share": 0.0, **keys})
    lists = {}
    for split in ("train", "val", "test"):
        found = entries(tmp_path / "lists" / f"{split}.csv", tmp_path)
        lists[split] = {os.path.relpath(path, tmp_path / "videos"): label for path, label in found}
    return summary, lists


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("videos_train", "videos_val", "videos_test"),
        ("train_videos", "val_videos", "test_videos"),
        ("training", "validation", "testing"),
        ("Train", "VALID", "Test"),
        ("train_256", "val_256", "test_256"),
        ("k400-train", "k400-val", "k400-test"),
        ("trainset", "valset", "testset"),
    ],
)
def test_names_of_splits(tmp_path, train, val, test):
    summary, lists = index(tmp_path, f"{train}/a/1.mp4", f"{train}/b/2.mp4", f"{val}/b/3.mp4", f"{test}/a/4.mp4")
    assert lists == {
        "train": {f"{train}/a/1.mp4": 0, f"{train}/b/2.mp4": 1},
        "val": {f"{val}/b/3.mp4": 1},
        "test": {f"{test}/a/4.mp4": 0},
    }
    assert summary.classes == ["a", "b"]
    assert f"splits: {train} is train, {val} is val, {test} is test" in str(summary)


def test_a_class_with_the_name_of_a_split_stays_a_class(tmp_path):
    summary, _ = index(tmp_path, "train/1.mp4", "bus/2.mp4", "plane/3.mp4", "test flights/4.mp4")
    assert summary.classes == ["bus", "plane", "test flights", "train"]
    assert "train is taken for a class, since bus, plane, test flights are next to it" in str(summary)


def test_what_is_next_to_the_splits_is_named(tmp_path):
    summary, lists = index(
        tmp_path, "train/a/1.mp4", "train/b/2.mp4", "val/a/3.mp4", "more/a/4.mp4", "5.mp4", "val/x.gif"
    )
    assert len(lists["train"]) == 2
    assert "more: a folder next to the splits, with 1 video\n" in str(summary) + "\n"
    assert "5.mp4: a video next to the splits" in str(summary)
    assert "1 .gif (x.gif)" in str(summary)


def test_a_split_without_videos_is_said_and_drawn(tmp_path):
    (tmp_path / "videos" / "val").mkdir(parents=True)
    names = [f"train/{c}/{n}.mp4" for c in "ab" for n in range(4)]
    summary, lists = index(tmp_path, *names, val_share=0.25)
    assert "val is named like a split and holds no video" in str(summary)
    assert (len(lists["train"]), len(lists["val"])) == (6, 2)


def test_only_a_test_folder(tmp_path):
    summary, lists = index(tmp_path, "test/a/1.mp4", "test/b/2.mp4")
    assert lists["test"] == {"test/a/1.mp4": 0, "test/b/2.mp4": 1}
    assert "there is no folder for train: train.csv is empty" in str(summary)


def test_a_stray_video_does_not_take_the_labels_away(tmp_path):
    names = [f"{c}/{n}.mp4" for c in "ab" for n in range(3)]
    summary, lists = index(tmp_path, *names, "stray.mp4")
    assert summary.classes == ["a", "b"]
    assert set(lists["train"]) == set(names)
    assert f"{tmp_path}/videos/stray.mp4: not in a class folder" in str(summary)
    content, classes, _ = list_folder(tmp_path / "videos", tmp_path / "lists")
    assert classes == ["a", "b"]
    # Features are wanted of every video.
    assert b"stray.mp4\n" in content


def test_many_videos_outside_of_folders_mean_no_classes_and_one_is_named(tmp_path):
    summary, lists = index(tmp_path, "a/1.mp4", "b/2.mp4", "3.mp4", "4.mp4")
    assert len(lists["train"]) == 4
    assert "a, b are no classes, since 2 of 4 videos are in no folder, such as 3.mp4" in str(summary)


def test_files_that_are_no_videos_are_counted_by_ending_with_an_example(tmp_path):
    others = ["a/1.gif", "a/2.GIF", "b/note.txt", "b/README", "b/._1.mp4", ".DS_Store", "a/Thumbs.db", "train.csv"]
    summary, lists = index(tmp_path, "a/1.mp4", "b/1.MP4", *others)
    assert set(lists["train"]) == {"a/1.mp4", "b/1.MP4"}
    (line,) = [line for line in str(summary).splitlines() if line.startswith("skipped")]
    assert line.startswith("skipped 5 files that are no videos: 2 .gif (a/1.gif)")
    for part in ("1 .txt (b/note.txt)", "1 without an ending (b/README)", "1 hidden (b/._1.mp4)"):
        assert part in line
    assert ".DS_Store" not in line
    assert "Thumbs" not in line
    assert "train.csv" not in line


def test_a_folder_without_videos_says_what_it_holds(tmp_path):
    with pytest.raises(IndexingError, match=r"2 \.gif \(a/1\.gif\)"):
        index(tmp_path, "a/1.gif", "b/2.gif")


def test_empty_nested_and_untrained_classes_are_named(tmp_path):
    for name in ("empty", "two\nlines"):
        (tmp_path / "videos" / "train" / name).mkdir(parents=True)
    summary, lists = index(tmp_path, "train/a/1.mp4", "train/b/deep/2.mp4", "val/a/3.mp4", "val/z/4.mp4")
    assert summary.classes == ["a", "b", "z"]
    assert lists["train"]["train/b/deep/2.mp4"] == 1
    assert r"folders without a video, which are no classes: empty, 'two\nlines'" in str(summary)
    assert "1 video lies deeper than in a class folder, such as b/deep/2.mp4: its class is b" in str(summary)
    assert "classes without a training video: z" in str(summary)


def test_a_folder_around_the_classes_is_seen(tmp_path):
    summary, _ = index(tmp_path, "UCF-101/a/1.mp4", "UCF-101/b/2.mp4")
    assert "all videos are in UCF-101: if a, b in it are classes, index that folder" in str(summary)


def test_names_with_anything_but_a_line_break_are_listed(tmp_path):
    odd = [
        "a, b/x,y.mp4",
        "a, b/it's.mp4",
        'c "d"/z "1".mp4',
        'c "d"/tab\there.mp4',
        os.fsdecode(b'c "d"/\xff\xfe.mp4'),
    ]
    summary, lists = index(tmp_path, *odd, 'c "d"/line\nbreak.mp4', os.fsdecode(b"a, b/\xff.gif"))
    assert lists["train"] == {name: int(name.startswith("c")) for name in odd}
    # It can be printed, whatever the bytes of names.
    str(summary).encode("utf-8")
    assert "line break" in str(summary)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every folder")
def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    touch(tmp_path / "videos" / "locked" / "1.mp4")
    (tmp_path / "videos" / "locked").chmod(0)
    try:
        summary, _ = index(tmp_path, "a/1.mp4")
    finally:
        (tmp_path / "videos" / "locked").chmod(0o700)
    assert "locked: a folder that cannot be read" in str(summary)
