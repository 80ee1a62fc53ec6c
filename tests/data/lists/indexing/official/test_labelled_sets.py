"""Something-Something V2 and Diving48 by their owners' JSON files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rhovideo.cli import main
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.indexing.folder_index import IndexingError
from rhovideo.data.lists.indexing.official.diving48 import index_diving48
from rhovideo.data.lists.indexing.official.something import index_ssv2
from rhovideo.runs.official_counts import read_official_count
from tests.data.lists.indexing.official.layouts import Copy, youtube_id
from tests.data.lists.listed import entries, touch

TEMPLATES = ["Holding [something] next to [something]", "Pushing [something] so that it falls", "Poking [something]"]


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(params=["something-something-v2-", ""])
def ssv2(request, tmp_path):
    """Annotations of 60 training and 30 validation videos, under the names of both releases, and the files."""
    labels, copy = tmp_path / "labels", Copy()
    numbers = {template.replace("[", "").replace("]", ""): str(k) for k, template in enumerate(TEMPLATES)}
    write_json(labels / f"{request.param}labels.json", numbers)
    for split, owners, first, count in (("train", "train", 1, 60), ("val", "validation", 1000, 30)):
        names = [str(first + number) for number in range(count)]
        rows = [{"id": name, "label": "a cup", "template": TEMPLATES[int(name) % 3]} for name in names]
        write_json(labels / f"{request.param}{owners}.json", rows)
        copy.write(split, names, lambda name: tmp_path / f"20bn-something-something-v2/{name}.webm")
    write_json(labels / f"{request.param}test.json", [{"id": "5"}])
    return tmp_path / "20bn-something-something-v2", labels, copy


def test_ssv2_lists_what_is_there(ssv2, tmp_path, capsys):
    videos, labels, copy = ssv2
    out = tmp_path / "lists"
    assert main(["index", str(videos), "--ssv2", str(labels), "--out", str(out)]) == 0
    for split in ("train", "val"):
        found = [(int(Path(path).stem), label) for path, label in entries(out / f"{split}.csv", tmp_path)]
        assert found == [(int(name), int(name) % 3) for name in copy.there[split]]
    assert (out / "val.csv").read_bytes() == (out / "test.csv").read_bytes()
    assert (out / "classes.txt").read_text().splitlines()[2] == "Poking something"
    printed = capsys.readouterr().out
    assert "train.csv: 50 of 60 official videos (Something-Something V2, train); 10 missing" in printed
    assert "val.csv: 25 of 30 official videos (Something-Something V2, validation); 5 missing" in printed
    told = (out / "missing.csv").read_text().splitlines()[1:]
    wanted = [(s, name, reason) for s, found in copy.missing.items() for name, reason in found]
    assert [(line.split(",")[0], line.split(",")[1], line.rsplit(",", 1)[1]) for line in told] == wanted


def test_ssv2_refuses_labels_that_do_not_fit_and_a_folder_of_lists_of_frames(ssv2, tmp_path):
    videos, labels, _ = ssv2
    touch(tmp_path / "lists/something-something-v2-labels.json")
    with pytest.raises(IndexingError, match="taken for lists of frames: write another --out"):
        index_ssv2(videos, labels, tmp_path / "lists")
    (file,) = labels.glob("*validation.json")
    write_json(file, [{"id": "1000", "template": TEMPLATES[0]}, {"id": "1001", "template": "Eating [something]"}])
    with pytest.raises(IndexingError, match=r"the template of video 1001 is not in .*labels\.json \(1 such videos\)"):
        index_ssv2(videos, labels, tmp_path / "others")
    file.write_text("[{")
    with pytest.raises(ManifestError, match="cannot be read as JSON"):
        index_ssv2(videos, labels, tmp_path / "others")
    file.unlink()
    with pytest.raises(IndexingError, match=r"has no something-something-v2-validation\.json \(or validation\.json\)"):
        index_ssv2(videos, labels, tmp_path / "others")
    assert not (tmp_path / "others").exists()


@pytest.fixture
def diving48(tmp_path):
    """Annotations of 40 training and 20 test videos of four classes, and the files."""
    folder, copy = tmp_path / "annotations", Copy()
    write_json(folder / "Diving48_vocab.json", [["Back", "15som", f"{k:02d}Twis", "FREE"] for k in range(4)])
    for split, first, count in (("train", 0, 40), ("test", 100, 20)):
        names = [f"{youtube_id(first + number)}_{number:05d}" for number in range(count)]
        rows = [
            {"vid_name": name, "label": number % 4, "start_frame": 0, "end_frame": 99}
            for number, name in enumerate(names)
        ]
        write_json(folder / f"Diving48_V2_{split}.json", rows)
        copy.write(split, names, lambda name: tmp_path / f"rgb/{name}.mp4")
    return tmp_path / "rgb", folder, copy


def test_diving48_lists_what_is_there(diving48, tmp_path, capsys):
    videos, annotations, copy = diving48
    out = tmp_path / "lists"
    assert main(["index", str(videos), "--diving48", str(annotations), "--out", str(out)]) == 0
    for split in ("train", "test"):
        found = [(Path(path).stem, label) for path, label in entries(out / f"{split}.csv", tmp_path)]
        assert found == [(name, int(name[-5:]) % 4) for name in copy.there[split]]
    assert (out / "val.csv").read_bytes() == (out / "test.csv").read_bytes()
    assert (out / "classes.txt").read_text().splitlines()[3] == "Back 15som 03Twis FREE"
    assert "test.csv: 17 of 20 official videos (Diving48 V2, test); 3 missing" in capsys.readouterr().out
    assert read_official_count(out / "train.csv").listed == 33


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "is not a list of videos such as"),
        ([{"name": "a"}], r"video 0 of the list is .*write .*vid_name"),
        ([{"vid_name": "a", "label": 4}], "has the label 4, of 4 classes"),
        ([{"vid_name": "a", "label": "x"}], "the label is 'x': write a whole number"),
    ],
)
def test_diving48_refuses_wrong_annotations(diving48, tmp_path, content, told):
    videos, annotations, _ = diving48
    write_json(annotations / "Diving48_V2_train.json", content)
    with pytest.raises(IndexingError, match=told):
        index_diving48(videos, annotations, tmp_path / "lists")


def test_diving48_refuses_files_of_two_versions(diving48, tmp_path):
    videos, annotations, _ = diving48
    (annotations / "Diving48_V2_test.json").rename(annotations / "Diving48_test.json")
    with pytest.raises(IndexingError, match="are of two versions"):
        index_diving48(videos, annotations, tmp_path / "lists")
