"""Lists of videos with several labels: what is read, and what is said where a line is wrong."""

from __future__ import annotations

import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.lists.multi_label.label_sets import read_label_set
from rhovideo.data.lists.multi_label.video_lists import LabelSetManifest
from rhovideo.data.loading.targets import multi_hot


@pytest.fixture
def opened(tmp_path):
    def open_list(text, **how):
        csv = tmp_path / "train.csv"
        csv.write_bytes(text if isinstance(text, bytes) else text.encode())
        return LabelSetManifest.open(csv, cache_dir=tmp_path / "cache", **how)

    return open_list


def test_every_way_to_write_labels(opened, tmp_path):
    lines = ['a.mp4 "3,9,21"', "two words.mp4 21,3", "b.mp4 7", "", 'c.mp4 ""', "d.mp4\t'9, 3,3'", '/abs/e.mp4 "0"']
    manifest = opened("\ufeff" + "\r\n".join(lines))
    assert [manifest.label_set(i) for i in range(6)] == [(3, 9, 21), (3, 21), (7,), (), (3, 9), (0,)]
    paths = [manifest.path(i) for i in range(6)]
    assert paths == [
        *(str(tmp_path / name) for name in ("a.mp4", "two words.mp4", "b.mp4", "c.mp4", "d.mp4")),
        paths[5],
    ]
    assert paths[5] == "/abs/e.mp4"
    assert [manifest.line(i) for i in range(6)] == [1, 2, 3, 5, 6, 7]
    assert (manifest.num_classes, manifest.label_numbers) == (22, [0, 3, 7, 9, 21])
    # Who takes one label a video is told that there is none.
    assert (manifest.label(0), manifest.has_labels) == (-1, False)
    assert manifest.labels.tolist() == [-1] * 6
    # A part of a video has the labels of the whole.
    assert manifest.label_set(0, 5, 9) == (3, 9, 21)
    again = pickle.loads(pickle.dumps(manifest))
    assert (again.label_set(1), again.path(1)) == ((3, 21), paths[1])


@pytest.mark.parametrize("separator", [",", ";", ", ", "\t", " "])
def test_separators(opened, separator):
    manifest = opened(f'x,1.mp4{separator}"2,5"\ny.mp4{separator}"4"\nz.mp4{separator}""\n', separator=separator)
    assert [manifest.label_set(i) for i in range(3)] == [(2, 5), (4,), ()]
    assert os.path.basename(manifest.path(0)) == "x,1.mp4"


def test_names_that_are_no_text_keep_their_bytes(opened):
    assert os.fsencode(opened(b'caf\xe9.mp4 "1"\n').path(0)).endswith(b"caf\xe9.mp4")


def test_a_list_without_any_label(opened):
    manifest = opened('a.mp4 ""\nb.mp4 ""\n')
    assert (manifest.num_classes, manifest.label_numbers) == (0, [])


@pytest.mark.parametrize(
    ("text", "how", "said"),
    [
        ("a.mp4 3,x", {}, r"train\.csv, line 1: .*'x' is no label: write whole numbers"),
        ('a.mp4 "1"\nb.mp4 "1,-2"\n', {}, "line 2: .*'-2' is no label"),
        ('a.mp4 "1,2', {}, "quote at one end only"),
        ("a.mp4 99999999999", {}, "is no label"),
        ("a.mp4 1,,2", {}, "'' is no label"),
        ("a.mp4 ½", {}, "is no label"),
        ("a.mp4", {}, r'line 1: .*has no labels: write `path "3,9,21"`'),
        (' "3"', {}, "no ' ' between path and labels|the path is empty"),
        ('a.mp4"3"', {}, "no ' ' between path and labels"),
        ('a.mp4 "3"', {"separator": ";"}, "no ';' between path and labels"),
        ("a.mp4,3,9", {"separator": ","}, "need quotes"),
        ("", {}, "lists no video"),
        (b"a.mp4 \0", {}, "line 1: is no UTF-8 text"),
        ('original_vido_id video_id frame_id path labels\n1 0 0 a.jpg "3"\n', {}, "write TRAIN.DATASET charades"),
        ('a.mp4 "1"', {"separator": ""}, "DATA.PATH_LABEL_SEPARATOR is empty"),
    ],
)
def test_a_wrong_line_is_named_with_what_to_write(opened, text, how, said):
    with pytest.raises(ManifestError, match=said):
        opened(text, **how)


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such list"):
        LabelSetManifest.open(tmp_path / "train.csv")


@given(st.lists(st.integers(0, 2**31 - 1), max_size=6), st.sampled_from(["", '"', "'"]))
def test_labels_come_back_in_order_and_once(labels, quote):
    assert read_label_set(f"{quote}{','.join(map(str, labels))}{quote}") == tuple(sorted(set(labels)))


def test_multi_hot_rows():
    assert multi_hot((0, 3), 5).tolist() == [1, 0, 0, 1, 0]
    assert multi_hot((), 2).tolist() == [0, 0]


def test_a_list_that_is_read_as_one_label_a_video_says_which_key_to_write(tmp_path):
    (tmp_path / "train.csv").write_text('a.mp4 "3,9"\n')
    with pytest.raises(ManifestError, match=r"line 1: .*labels in quotes: write DATA\.MULTI_LABEL True") as error:
        Manifest.open(tmp_path / "train.csv", cache_dir=tmp_path / "cache")
    assert error.value.keys == ("DATA.MULTI_LABEL",)
