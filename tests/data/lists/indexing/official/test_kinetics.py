"""Kinetics by its owners' annotation lists, in the ways in which its files lie on disks."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from rhovideo.cli import main
from rhovideo.data.lists.indexing.folder_index import IndexingError
from rhovideo.data.lists.indexing.official.kinetics import HEADER, index_kinetics
from rhovideo.runs.official_counts import OfficialCount, read_official_count
from tests.data.lists.indexing.official.layouts import Copy, youtube_id
from tests.data.lists.listed import entries, touch

CLASSES = [f"doing thing {number:03d} (person's)" for number in range(400)]
LAYOUTS = {
    "the owners' program": ("{split}/{label}/{stamped}.mp4", "{split}/{label}"),
    "class folders without blanks": ("{label_}/{stamped}.webm", ""),
    "flat": ("{stamped}.mkv", ""),
    "without time stamps": ("{split}_256/{label_}/{id}.mp4", ""),
    "flat, without time stamps": ("{id}.avi", ""),
    "two endings": ("{split}/{id}.mp4.webm", ""),
}


def rows(split: str, first: int, count: int) -> list[dict[str, str]]:
    """Rows of an annotation list: a video of each class in turn."""
    return [
        {
            "label": CLASSES[number % 400],
            "youtube_id": youtube_id(first + number),
            "time_start": str(number % 300),
            "time_end": str(number % 300 + 10),
            "split": split,
        }
        for number in range(count)
    ]


def write_annotations(path: Path, found: list[dict[str, str]], columns: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns.split(","), extrasaction="ignore")
        table.writeheader()
        table.writerows(found)
    return path


def stamped(row: dict[str, str]) -> str:
    return f"{row['youtube_id']}_{int(row['time_start']):06d}_{int(row['time_end']):06d}"


@pytest.fixture
def annotations(tmp_path):
    """The annotation lists of 800 training and 400 validation videos; one training video is there twice."""
    train, val = rows("train", 0, 800), rows("validate", 10_000, 400)
    files = [
        write_annotations(tmp_path / "annotations/train.csv", [*train, train[5]]),
        write_annotations(tmp_path / "annotations/validate.csv", val),
    ]
    return files, {"train": train, "val": val}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_videos_that_are_there_are_listed_and_the_others_named(annotations, tmp_path, layout, capsys):
    files, parts = annotations
    copy = Copy()
    for split, own in parts.items():
        by_name = {stamped(row): row for row in own}

        def place(name: str, split: str = split, by_name: dict = by_name) -> Path:
            label = by_name[name]["label"]
            values = {"stamped": name, "id": by_name[name]["youtube_id"], "label": label, "split": split}
            return tmp_path / "videos" / LAYOUTS[layout][0].format(**values, label_=label.replace(" ", "_"))

        copy.write(split, list(by_name), place)
    summary = index_kinetics(tmp_path / "videos", files, tmp_path / "lists")
    expected = {split: len(names) for split, names in copy.there.items()}
    assert summary.counts == expected | {"test": expected["val"]}
    assert summary.classes == sorted(CLASSES)
    for split, own in parts.items():
        listed = entries(tmp_path / f"lists/{split}.csv", tmp_path)
        labels = {stamped(row): sorted(CLASSES).index(row["label"]) for row in own}
        assert [label for _, label in listed] == [labels[name] for name in copy.there[split]]
        found = [(Path(path).name, name) for (path, _), name in zip(listed, copy.there[split], strict=True)]
        assert all(file.startswith(name) or file.startswith(name[:11]) for file, name in found)
        count = read_official_count(tmp_path / f"lists/{split}.csv")
        owners = {"train": "train", "val": "validation"}[split]
        assert count == OfficialCount("Kinetics-400", owners, expected[split], len(own))
    assert (tmp_path / "lists/val.csv").read_bytes() == (tmp_path / "lists/test.csv").read_bytes()
    missing = list(csv.reader((tmp_path / "lists/missing.csv").open(newline="")))
    told = [(split, name, reason) for split, found in copy.missing.items() for name, reason in found]
    assert [(row[0], row[1], row[3]) for row in missing[1:]] == told
    printed = capsys.readouterr().out
    assert f"val.csv: {expected['val']} of 400 official videos (Kinetics-400, validation); 72 missing" in printed
    assert "1 videos are twice in the annotations of train, and count once" in printed


def test_copies_of_a_video_count_once_and_that_of_its_split_and_class_is_taken(tmp_path):
    (row,) = rows("train", 7, 1)
    file = write_annotations(tmp_path / "train.csv", [row])
    best = touch(tmp_path / f"videos/train/{row['label']}/{stamped(row)}.mp4", b"video")
    touch(tmp_path / f"videos/val/{row['label']}/{stamped(row)}.mp4", b"video")
    touch(tmp_path / f"videos/{stamped(row)}.webm", b"video")
    summary = index_kinetics(tmp_path / "videos", [file], tmp_path / "lists")
    assert summary.counts == {"train": 1}
    assert entries(tmp_path / "lists/train.csv", tmp_path) == [(str(best), 0)]
    assert any("2 files are copies of listed videos" in note for note in summary.notes)


def test_a_name_without_time_stamps_is_of_the_class_in_whose_folder_it_lies(tmp_path):
    """One YouTube video may be in several classes, with other seconds."""
    one, two, three = rows("train", 7, 3)
    two |= {"youtube_id": one["youtube_id"]}
    file = write_annotations(tmp_path / "train.csv", [one, two, three])
    in_two = touch(tmp_path / f"videos/{two['label']}/{one['youtube_id']}.mp4", b"video")
    flat = touch(tmp_path / f"videos/{three['youtube_id']}.mp4", b"video")
    index_kinetics(tmp_path / "videos", [file], tmp_path / "lists")
    assert entries(tmp_path / "lists/train.csv", tmp_path) == [(str(in_two), 1), (str(flat), 2)]
    assert "the id is in several rows" in (tmp_path / "lists/missing.csv").read_text()


def test_a_file_of_other_seconds_is_not_taken_and_named(tmp_path):
    one, two = rows("train", 7, 2)
    file = write_annotations(tmp_path / "train.csv", [one, two])
    touch(tmp_path / f"videos/{stamped(one)}.mp4", b"video")
    touch(tmp_path / f"videos/{two['youtube_id']}_000099_000109.mp4", b"video")
    index_kinetics(tmp_path / "videos", [file], tmp_path / "lists")
    assert "a file of other seconds of this video" in (tmp_path / "lists/missing.csv").read_text()


def test_a_test_list_without_labels_is_listed_alone(tmp_path):
    own = rows("test", 7, 3)
    file = write_annotations(tmp_path / "test.csv", own, "youtube_id,time_start,time_end,split")
    for row in own:
        touch(tmp_path / f"videos/{stamped(row)}.mp4", b"video")
    assert index_kinetics(tmp_path / "videos", [file], tmp_path / "lists").counts == {"test": 3}
    both = [file, write_annotations(tmp_path / "train.csv", rows("train", 7, 3))]
    summary = index_kinetics(tmp_path / "videos", both, tmp_path / "others")
    assert summary.counts == {"train": 3}
    assert any("the 3 official test videos are in no list" in note for note in summary.notes)


def test_the_owners_json_is_the_same(annotations, tmp_path):
    files, parts = annotations
    for row in [row for own in parts.values() for row in own]:
        touch(tmp_path / f"videos/{stamped(row)}.mp4", b"video")
    index_kinetics(tmp_path / "videos", files, tmp_path / "lists")
    for split, own in parts.items():
        values = {
            row["youtube_id"]: {
                "annotations": {"label": row["label"], "segment": [float(row["time_start"]), float(row["time_end"])]},
                "duration": 10.0,
                "subset": row["split"],
                "url": f"https://www.youtube.com/watch?v={row['youtube_id']}",
            }
            for row in own
        }
        (tmp_path / f"json_{split}.json").write_text(json.dumps(values))
    index_kinetics(tmp_path / "videos", [tmp_path / "json_train.json", tmp_path / "json_val.json"], tmp_path / "other")
    for name in ("train.csv", "val.csv", "test.csv", "classes.txt", "official.json"):
        assert (tmp_path / "lists" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("video,class\na,b\n", rf"line 1.*has no column youtube_id, time_start, time_end.*`{HEADER}`"),
        ("<!DOCTYPE html>\n<html>\n", rf"line 1.*no column youtube_id.*`{HEADER}`"),
        ("", "line 1"),
        (f"{HEADER}\n", "lists no video"),
        (f"{HEADER}\nabseiling,abc,ten,20,train\n", r"line 2: the time_start is 'ten': write a whole number"),
        (f"{HEADER}\nabseiling,abc,nan,20,train\n", r"line 2: the time_start is 'nan'"),
        (f"{HEADER}\nabseiling,abc,10,20,trian\n", r"line 2: the split is 'trian': write train, validate or test"),
        (f"{HEADER}\nabseiling,a/b,10,20,train\n", r"line 2: the youtube_id is 'a/b'"),
        (f"{HEADER}\n,abcdefghijk,10,20,train\n", "abcdefghijk_000010_000020 has no label"),
        (f'{HEADER}\n"absei\nling",abc,10,20,train\n', "abc_000010_000020 has a label of several lines"),
        (f"{HEADER}\nabseiling,abc,{'9' * 500},20,train\n", rf"the time_start is '{'9' * 40}': write"),
        (f"{HEADER}\nabseiling,abc,20,10,train\n", r"list\.csv, line 2: 'abc' ends at second 10, before it starts at"),
        (f"{HEADER}\nabseiling,abc,10\n", "line 2: 3 fields, and the header has 5"),
        (f"{HEADER}\nabseiling, and more,abc,10,20,train\n", "line 2: 6 fields"),
    ],
)
def test_a_wrong_annotation_list_is_refused_with_what_is_expected(tmp_path, text, told):
    (tmp_path / "list.csv").write_text(text)
    touch(tmp_path / "videos/a.mp4", b"video")
    with pytest.raises(IndexingError, match=told):
        index_kinetics(tmp_path / "videos", [tmp_path / "list.csv"], tmp_path / "lists")
    assert not (tmp_path / "lists").exists()


def test_a_segment_of_the_json_that_ends_before_it_starts_is_refused(tmp_path):
    entry = {"annotations": {"label": "abseiling", "segment": [20.0, 10.0]}, "subset": "train"}
    (tmp_path / "list.json").write_text(json.dumps({"abc": entry}))
    with pytest.raises(IndexingError, match=r"the entry of 'abc': its segment ends at second 10, before it starts"):
        index_kinetics(tmp_path, [tmp_path / "list.json"], tmp_path / "lists")


def test_the_command_says_what_is_missing_and_what_is_wrong(annotations, tmp_path, capsys):
    _, parts = annotations
    videos = tmp_path / "videos"
    touch(videos / "another.mp4", b"video")
    command = ["index", str(videos), "--kinetics", str(tmp_path / "annotations"), "--out", str(tmp_path / "lists")]
    assert main(command) == 2
    assert "none of the 1,200 official videos of Kinetics-400 is below" in capsys.readouterr().err
    for row in parts["val"]:
        touch(videos / f"{stamped(row)}.mp4", b"video")
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "train.csv is not written: 0 of 800 official videos (Kinetics-400, train); 800 missing" in printed
    assert "val.csv: 400 of 400 official videos (Kinetics-400, validation)\n" in printed
    assert "1 other videos below" in printed
    assert not (tmp_path / "lists/train.csv").exists()
    assert main(command) == 2
    assert "already holds val.csv, test.csv" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert main([*command, "--force", "--no-labels"]) == 2


def test_a_count_is_never_shown_for_a_list_that_has_changed(annotations, tmp_path):
    files, parts = annotations
    for row in parts["val"]:
        touch(tmp_path / f"videos/{stamped(row)}.mp4", b"video")
    index_kinetics(tmp_path / "videos", files, tmp_path / "lists")
    lists = (tmp_path / "lists").rename(tmp_path / "moved")
    (lists / "val.csv").rename(lists / "mine.csv")
    assert str(read_official_count(lists / "mine.csv")) == "400 of 400 official videos (Kinetics-400, validation)"
    (lists / "mine.csv").write_bytes((lists / "mine.csv").read_bytes().split(b"\n", 1)[1])
    assert read_official_count(lists / "mine.csv") is None
    (lists / "official.json").write_text("{")
    assert read_official_count(lists / "test.csv") is None


def test_the_owners_annotations_are_never_replaced(tmp_path, capsys):
    own = rows("train", 7, 2)
    file = write_annotations(tmp_path / "data/train.csv", own)
    before = file.read_bytes()
    for row in own:
        touch(tmp_path / f"data/{stamped(row)}.mp4", b"video")
    command = ["index", "--kinetics", str(file), str(tmp_path / "data"), "--force"]
    assert main(command) == 2
    assert "is the owners' annotation list, which a list would replace" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert main([*command, "--out", str(tmp_path / "lists")]) == 0


def test_a_file_of_classes_fixes_their_numbers(tmp_path):
    own = rows("validate", 7, 3)
    file = write_annotations(tmp_path / "val.csv", own)
    for row in own:
        touch(tmp_path / f"videos/{stamped(row)}.mp4", b"video")
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{row['label']}\n" for row in reversed(own)))
    index_kinetics(tmp_path / "videos", [file], tmp_path / "lists", class_file=names)
    assert [label for _, label in entries(tmp_path / "lists/val.csv", tmp_path)] == [2, 1, 0]
    names.write_text(f"{own[0]['label']}\n")
    with pytest.raises(IndexingError, match=r"names\.txt has no class .doing thing 001.*2 are missing"):
        index_kinetics(tmp_path / "videos", [file], tmp_path / "others", class_file=names)
