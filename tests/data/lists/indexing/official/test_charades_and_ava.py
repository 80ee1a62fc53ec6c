"""Charades and AVA by their owners' CSV files: videos, and folders of frames."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from rhovideo.cli import main
from rhovideo.data.lists.frame_lists import FrameListManifest, read_frame_list
from rhovideo.data.lists.indexing.folder_index import IndexingError
from rhovideo.data.lists.indexing.official.ava import index_ava
from rhovideo.data.lists.indexing.official.charades import index_charades
from rhovideo.runs.official_counts import read_official_count
from tests.data.lists.indexing.official.layouts import Copy, youtube_id
from tests.data.lists.listed import entries, touch
from tests.videos import write_video

CHARADES = [
    "id",
    "subject",
    "scene",
    "quality",
    "relevance",
    "verified",
    "script",
    "objects",
    "descriptions",
    "actions",
    "length",
]


def charades_id(number: int) -> str:
    return f"{number:03d}GP"


def actions(number: int) -> list[tuple[int, float, float]]:
    """Classes with their seconds; each fifth video has none."""
    if number % 5 == 4:
        return []
    return [(number % 157, 0.5, 1.25), ((number + 40) % 157, 1.0, 2.0), (number % 157, 1.75, 1.875)]


@pytest.fixture
def charades(tmp_path):
    """The annotations of 30 training and 20 test videos of two seconds."""
    folder = tmp_path / "Charades"
    folder.mkdir()
    (folder / "Charades_v1_classes.txt").write_text("".join(f"c{k:03d} Doing thing {k}\n" for k in range(157)))
    for owners, first, count in (("train", 0, 30), ("test", 500, 20)):
        with (folder / f"Charades_v1_{owners}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(CHARADES)
            for number in range(first, first + count):
                text = ";".join(f"c{label:03d} {start:.2f} {end:.3f}" for label, start, end in actions(number))
                script = 'A person says "hello, you", and\nleaves.'
                table.writerow(
                    [charades_id(number), "HR43", "Kitchen", "6", "7", "Yes", script, "a;b", "c;d", text, "2.00"]
                )
    return folder


def test_charades_videos_have_all_their_classes(charades, tmp_path, capsys):
    copy, out = Copy(), tmp_path / "lists"
    for split, first, count in (("train", 0, 30), ("val", 500, 20)):
        names = [charades_id(number) for number in range(first, first + count)]
        copy.write(split, names, lambda name: tmp_path / f"Charades_v1_480/{name}.mp4")
    assert main(["index", str(tmp_path / "Charades_v1_480"), "--charades", str(charades), "--out", str(out)]) == 0
    for split in ("train", "val"):
        lines = (out / f"{split}.csv").read_text().splitlines()
        wanted = []
        for name in copy.there[split]:
            labels = sorted({label for label, _, _ in actions(int(name[:3]))})
            wanted.append(f'{tmp_path}/Charades_v1_480/{name}.mp4 "{",".join(map(str, labels))}"')
        assert lines == wanted
        count = read_official_count(out / f"{split}.csv")
        assert (count.dataset, count.split) == ("Charades", {"train": "train", "val": "test"}[split])
        assert (count.listed, count.official) == (len(copy.there[split]), {"train": 30, "val": 20}[split])
    assert (out / "val.csv").read_bytes() == (out / "test.csv").read_bytes()
    assert (out / "classes.txt").read_text().splitlines()[92] == "Doing thing 92"
    assert "val.csv: 17 of 20 official videos (Charades, test); 3 missing" in capsys.readouterr().out


def test_charades_frames_have_the_classes_of_their_moment(charades, tmp_path, capsys):
    frames, out = tmp_path / "Charades_v1_rgb", tmp_path / "lists"
    for number in (0, 1, 4, 500, 501):
        for place in range(48):
            name = charades_id(number)
            touch(frames / name / f"{name}-{place + 1:06d}.jpg", b"picture")
    (frames / charades_id(501) / f"{charades_id(501)}-000017.jpg").unlink()
    index_charades(frames, charades, out)
    rows = [line.split() for line in (out / "train.csv").read_text().splitlines()]
    assert rows[0] == ["original_vido_id", "video_id", "frame_id", "path", "labels"]
    assert len(rows) == 1 + 3 * 48
    for name, _, place, path, text in rows[1:]:
        time = int(place) / 24
        labels = sorted({label for label, start, end in actions(int(name[:3])) if start <= time <= end})
        assert text == f'"{",".join(map(str, labels))}"'
        assert (frames / path).is_file()
        assert path.endswith(f"-{int(place) + 1:06d}.jpg")
    assert {row[4] for row in rows[1:49]} == {'""', '"0"', '"0,40"', '"40"'}
    assert list(read_frame_list(out / "val.csv")) == [charades_id(500)]
    manifest = FrameListManifest.open(out / "train.csv", labels=None, prefix=str(frames), cache_dir=tmp_path / "cache")
    assert len(manifest) == 3
    assert f"val,{charades_id(501)},,frames 17 to 17 are not there" in (out / "missing.csv").read_text()
    printed = capsys.readouterr().out
    assert "val.csv: 1 of 20 official videos (Charades, test); 19 missing" in printed
    assert "frames: 24 a second" in printed
    assert not (out / "test.csv").exists()


def test_charades_frames_at_another_rate_get_their_classes_by_it(charades, tmp_path, capsys):
    for number in (0, 1, 500):
        for place in range(20):
            name = charades_id(number)
            touch(tmp_path / "frames" / name / f"{name}-{place + 1:06d}.jpg", b"picture")
    index_charades(tmp_path / "frames", charades, tmp_path / "lists")
    assert "frames: 10 a second, not 24 as the owners'" in capsys.readouterr().out
    rows = [line.split() for line in (tmp_path / "lists/train.csv").read_text().splitlines()[1:21]]
    assert [int(row[2]) for row in rows if '"40"' in row[4] or "40" in row[4]] == list(range(10, 20))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("c157 1 2", "line 2: the action 'c157 1 2' is not a class of c000 to c156"),
        ("c001 1", "is not a class of c000 to c156 and its seconds: write `c092 11.90 21.20`"),
        ("Holding 1 2", "is not a class"),
        (
            "c001 1 2;c002 2.5 1.5",
            "train.csv, line 2: the action 'c002 2.5 1.5' ends at second 1.5, before it starts at ",
        ),
    ],
)
def test_charades_refuses_wrong_actions(charades, tmp_path, row, told):
    file = charades / "Charades_v1_train.csv"
    file.write_text(f"id,actions,length\nA,{row},2\n")
    touch(tmp_path / "videos/A.mp4", b"video")
    with pytest.raises(IndexingError, match=told):
        index_charades(tmp_path / "videos", charades, tmp_path / "lists")


@pytest.mark.parametrize("length", ["", "nan", "inf", "-3", "1e400"])
def test_charades_refuses_lengths_that_are_no_seconds(charades, tmp_path, length):
    (charades / "Charades_v1_train.csv").write_text(f"id,actions,length\nA,c001 1 2,{length}\n")
    touch(tmp_path / "videos/A.mp4", b"video")
    with pytest.raises(IndexingError, match=f"line 2: the length is '{length}': write seconds"):
        index_charades(tmp_path / "videos", charades, tmp_path / "lists")


def test_charades_refuses_other_files(charades, tmp_path):
    touch(tmp_path / "videos/A.mp4", b"video")
    (charades / "Charades_v1_test.csv").write_text("path label\na.mp4 1\n")
    with pytest.raises(
        IndexingError, match=r"Charades_v1_test\.csv, line 1.*no column id, actions, length.*id,subject"
    ):
        index_charades(tmp_path / "videos", charades, tmp_path / "lists")
    (charades / "Charades_v1_classes.txt").write_text("c000 One\nc002 Two\n")
    with pytest.raises(IndexingError, match="line 2: 'c002 Two': write `c001 NAME` of the next class"):
        index_charades(tmp_path / "videos", charades, tmp_path / "lists")
    with pytest.raises(IndexingError, match=r"has no Charades_v1_classes\.txt: unpack Charades\.zip there"):
        index_charades(tmp_path / "videos", tmp_path / "videos", tmp_path / "lists")


@pytest.fixture
def ava(tmp_path):
    """The boxes of 20 training and 10 validation videos, some with several boxes."""
    folder = tmp_path / "annotations"
    folder.mkdir()
    names = {"train": [youtube_id(n) for n in range(20)], "val": [youtube_id(n) for n in range(100, 110)]}
    for split, own in names.items():
        rows = [f"{name},{902 + k:04d},0.077,0.151,0.283,0.811,{80 - k},1\n" for name in own for k in range(2)]
        (folder / f"ava_{split}_v2.2.csv").write_text("".join([*rows, rows[0]]))
    return folder, names


def test_ava_videos_are_listed_by_their_names(ava, tmp_path, capsys):
    annotations, names = ava
    copy, out = Copy(), tmp_path / "lists"
    for split, own in names.items():
        copy.write(split, own, lambda name: tmp_path / f"trainval/{name}.mkv")
    write_video(tmp_path / f"trainval/{copy.there['val'][0]}.mkv", num_frames=5)
    assert main(["index", str(tmp_path / "trainval"), "--ava", str(annotations), "--out", str(out)]) == 0
    for split in ("train", "val"):
        assert [Path(path).stem for path, _ in entries(out / f"{split}.csv", tmp_path)] == copy.there[split]
        assert [label for _, label in entries(out / f"{split}.csv", tmp_path)] == [-1] * len(copy.there[split])
    printed = capsys.readouterr().out
    assert "train.csv: 17 of 20 official videos (AVA v2.2, train); 3 missing" in printed
    assert "1 files have 15 minutes or less: they begin with second 900" in printed


def test_ava_frames_are_listed_as_pyslowfast_reads_them(ava, tmp_path, capsys):
    annotations, names = ava
    there = [names["train"][0], names["train"][3], names["val"][1]]
    for name in there:
        for place in range(40):
            touch(tmp_path / f"frames/{name}/{name}_{place + 1:06d}.jpg", b"picture")
    index_ava(tmp_path / "frames", annotations, tmp_path / "lists")
    lines = (tmp_path / "lists/train.csv").read_text().splitlines()
    assert lines[:2] == [
        "original_vido_id video_id frame_id path labels",
        f'{there[0]} 0 0 {there[0]}/{there[0]}_000001.jpg ""',
    ]
    assert lines[41] == f'{there[1]} 3 0 {there[1]}/{there[1]}_000001.jpg ""'
    assert len(lines) == 81
    printed = capsys.readouterr().out
    assert "train.csv: 2 of 20 official videos (AVA v2.2, train); 18 missing" in printed
    assert "far fewer than 27,000 frames" in printed


@pytest.mark.parametrize(
    "row",
    [
        *("video_id,middle_frame_timestamp,person_box", "a,902,0.1,0.2,0.3,x,80,1", "a,902,1,2,3,4,80", "a b c"),
        *("a,-902,0.1,0.2,0.3,0.4,80,1", "a,902,0.1,0.2,0.3,0.4,stand,1", "a,902,0.1,0.2,0.3,0.4,,1"),
    ],
)
def test_ava_refuses_other_files(ava, tmp_path, row):
    annotations, _ = ava
    (annotations / "ava_val_v2.2.csv").write_text(f"{row}\n")
    touch(tmp_path / "videos/a.mp4", b"video")
    with pytest.raises(IndexingError, match=r"ava_val_v2\.2\.csv, line 1.*video, second, x1, y1, x2, y2 in 0 to 1"):
        index_ava(tmp_path / "videos", annotations, tmp_path / "lists")
