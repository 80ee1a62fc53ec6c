from __future__ import annotations

import os
from pathlib import Path

import pytest

from rhovideo.data.lists.indexing.folder_index import IndexingError, index_folder, list_folder
from tests.data.lists.listed import entries, touch


def test_folder_without_classes_is_told_and_written_as_such(tmp_path):
    for number in range(4):
        (tmp_path / f"{number}.mp4").touch()
    (tmp_path / "classes.txt").write_text("of an earlier list\n")
    summary = index_folder(tmp_path, tmp_path, force=True)
    assert "10% of the videos" in str(summary)
    assert "no labels" in str(summary)
    assert not (tmp_path / "classes.txt").exists()


def test_class_folders(tmp_path, capsys):
    videos = tmp_path / "my videos"
    made = {
        touch(videos / name / f"clip {k} 7.{end}")
        for name in ("été", "b c", "a")
        for k in range(10)
        for end in ("mp4", "AVI")
    }
    touch(videos / "a" / "notes.txt")
    touch(videos / "a" / ".hidden.mp4")
    summary = index_folder(videos, tmp_path / "lists", val_share=0.2, seed=3)
    train, val, test = (entries(tmp_path / "lists" / f"{split}.csv", tmp_path) for split in ("train", "val", "test"))
    assert {Path(path) for path, _ in train + val} == made
    assert len(train) + len(val) == len(made)
    assert test == val
    classes = (tmp_path / "lists" / "classes.txt").read_text(encoding="utf-8").splitlines()
    assert classes == ["a", "b c", "été"] == summary.classes
    for path, label in train + val:
        assert Path(path).parent.name == classes[label]
    assert [sum(label == k for _, label in val) for k in range(3)] == [4, 4, 4]
    printed = capsys.readouterr().out
    assert "train.csv 48" in printed
    assert "3 classes" in printed


def test_split_depends_on_the_seed_alone(tmp_path):
    for name in ("a", "b"):
        for k in range(10):
            touch(tmp_path / "videos" / name / f"{k}.mp4")
    contents = []
    for number, seed in enumerate((1, 1, 2)):
        index_folder(tmp_path / "videos", tmp_path / str(number), seed=seed, val_share=0.5)
        contents.append((tmp_path / str(number) / "val.csv").read_bytes())
    assert contents[0] == contents[1] != contents[2]


def test_loose_videos_have_no_labels_and_read_back(tmp_path):
    names = ["my holiday 2014.mp4", "a.mp4", "sub/deep er/b 5.MOV", " leading.mp4"]
    for name in names:
        touch(tmp_path / "videos" / name)
    index_folder(tmp_path / "videos", tmp_path / "videos", val_share=0.0)
    found = entries(tmp_path / "videos" / "train.csv", tmp_path)
    assert {os.path.normpath(path) for path, _ in found} == {str(tmp_path / "videos" / name) for name in names}
    assert {label for _, label in found} == {-1}
    assert not (tmp_path / "videos" / "classes.txt").exists()
    assert not (tmp_path / "videos" / "train.csv").read_text().startswith("/")


def test_unlabelled_paths_with_other_endings_read_back(tmp_path):
    touch(tmp_path / "videos" / "a b.vid 5")
    touch(tmp_path / "videos" / "c.vid 5")
    index_folder(tmp_path / "videos", tmp_path / "lists", val_share=0.0, endings=(".vid 5",))
    found = entries(tmp_path / "lists" / "train.csv", tmp_path)
    assert found == [(str(tmp_path / "videos" / name), -1) for name in ("a b.vid 5", "c.vid 5")]


def test_split_folders_are_used(tmp_path):
    for split, names in {"train": ("x", "y"), "Validation": ("y",), "test": ("x",)}.items():
        for name in names:
            touch(tmp_path / "videos" / split / name / f"{split}.mp4")
    index_folder(tmp_path / "videos", tmp_path / "lists")
    read = {split: entries(tmp_path / "lists" / f"{split}.csv", tmp_path) for split in ("train", "val", "test")}
    assert [label for _, label in read["train"]] == [0, 1]
    assert [(Path(path).name, label) for path, label in read["val"]] == [("Validation.mp4", 1)]
    assert [(Path(path).name, label) for path, label in read["test"]] == [("test.mp4", 0)]


def test_links_are_followed_and_circles_end(tmp_path):
    real = touch(tmp_path / "elsewhere" / "a.mp4")
    videos = tmp_path / "videos"
    (videos / "c1").mkdir(parents=True)
    touch(videos / "c2" / "b.mp4")
    (videos / "c1" / "link.mp4").symlink_to(real)
    (videos / "c1" / "broken.mp4").symlink_to(tmp_path / "nothing.mp4")
    (videos / "c2" / "circle").symlink_to(videos)
    summary = index_folder(videos, tmp_path / "lists", val_share=0.0)
    found = entries(tmp_path / "lists" / "train.csv", tmp_path)
    assert found == [(str(videos / "c1" / "link.mp4"), 0), (str(videos / "c2" / "b.mp4"), 1)]
    assert any("broken.mp4" in item for item in summary.left_out)


def test_name_with_a_line_break_is_left_out(tmp_path):
    touch(tmp_path / "videos" / "a\nb.mp4")
    touch(tmp_path / "videos" / "c.mp4")
    summary = index_folder(tmp_path / "videos", tmp_path / "lists", val_share=0.0)
    assert len(entries(tmp_path / "lists" / "train.csv", tmp_path)) == 1
    assert len(summary.left_out) == 1


def test_refuses_to_overwrite_without_force(tmp_path):
    touch(tmp_path / "videos" / "a.mp4")
    index_folder(tmp_path / "videos", tmp_path / "lists", val_share=0.0)
    touch(tmp_path / "videos" / "b.mp4")
    with pytest.raises(IndexingError, match=r"already holds train\.csv"):
        index_folder(tmp_path / "videos", tmp_path / "lists", val_share=0.0)
    index_folder(tmp_path / "videos", tmp_path / "lists", val_share=0.0, force=True)
    assert len(entries(tmp_path / "lists" / "train.csv", tmp_path)) == 2


@pytest.mark.parametrize(
    ("files", "keys", "said"),
    [
        ([], {}, "is not a folder"),
        (["a.txt"], {}, "no video below"),
        (["a.mp4", "c/b.mp4"], {"labels": True}, "is not in a class folder"),
        (["a.mp4"], {"val_share": 1.0}, "share of validation"),
        (["val/a.mp4", "train/a.mp4", "valid/a.mp4"], {}, "keep one of them"),
    ],
)
def test_what_cannot_be_indexed(tmp_path, files, keys, said):
    for name in files:
        touch(tmp_path / "videos" / name)
    with pytest.raises(IndexingError, match=said):
        index_folder(tmp_path / "videos", tmp_path / "lists", **keys)


def test_one_list_of_a_folder_is_what_index_writes_split_by_split(tmp_path):
    for name in ("train/cat/b.mp4", "train/dog/a.mp4", "test/cat/c.mp4"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    index_folder(tmp_path / "videos", tmp_path / "lists", val_share=0)
    content, classes, left_out = list_folder(tmp_path / "videos", tmp_path / "lists")
    written = [(tmp_path / "lists" / f"{split}.csv").read_bytes() for split in ("train", "test")]
    assert content == b"".join(written)
    assert (classes, left_out) == (["cat", "dog"], [])
    with pytest.raises(IndexingError, match="no video below"):
        list_folder(tmp_path / "lists", tmp_path)
