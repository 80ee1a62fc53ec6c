from __future__ import annotations

import re

import pytest

from rhovideo.data.lists.boxes.label_maps import read_label_map
from rhovideo.data.lists.csv_parsing import ManifestError


@pytest.mark.parametrize(
    "text",
    [
        'item {\n  name: "stand"\n  id: 12\n}\nitem {\n  name: "bend/bow (at the waist)"\n  id: 1\n}\n',
        'label {\n  name: "stand"\n  label_id: 12\n  label_type: PERSON_MOVEMENT\n}\n'
        'label { label_id: 1 name: "bend/bow (at the waist)" }\n',
        "12,stand\n\n1, bend/bow (at the waist)\n",
    ],
)
def test_forms_of_a_label_map(tmp_path, text):
    file = tmp_path / "map.pbtxt"
    file.write_text(text)
    assert list(read_label_map(file).items()) == [(1, "bend/bow (at the waist)"), (12, "stand")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no class"),
        ('item {\n  name: "a"\n  id: 1\n}\nitem {\n  name: "b"\n}\n', "line 5: a class without"),
        ('item {\n  name: "a"\n  id: one\n}\n', "line 1: a class without"),
        ("1,a\n1,b\n", "line 2: the number 1 is there twice"),
        ("1,a\nstand\n", "line 2: 'stand'"),
    ],
)
def test_wrong_label_map_is_named(tmp_path, text, said):
    file = tmp_path / "map.pbtxt"
    file.write_text(text)
    with pytest.raises(ManifestError, match=said):
        read_label_map(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('item {\n  name: "a"\n  id: 1\n}\nitem {\n  name: "b"\n  id: 2\n', "line 5: a `{` without its other end"),
        ('item {\n  name: "a"\n  id: 1\n}\n}\n', "line 5: a `}` without its other end"),
        ('item { name: "a" id: 0 }', "line 1: the number is 0: write one from 1"),
        ("99999999999999999999,a\n", "line 1: the number is 99999999999999999999: write one from 1"),
    ],
)
def test_class_that_would_be_missed_is_named(tmp_path, text, said):
    (tmp_path / "map.pbtxt").write_text(text)
    with pytest.raises(ManifestError, match=re.escape(said)):
        read_label_map(tmp_path / "map.pbtxt")
