"""Lists in parts with weights, as every reader of lists takes them."""

from __future__ import annotations

import pickle
from fractions import Fraction
from pathlib import Path

import pytest

from rhovideo.data.lists.csv_parsing import ManifestError, read_rows
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.lists.mixtures import mark_line, parse_weight, read_mixture, whole_shares

ODD = ["a b.mp4", "-dash.mp4", "#mixture.mp4", "ünï cödé.mp4", "'quote\".mp4"]


def write_mixture(path: Path, parts: list[tuple[str, str, list[str]]], end: str = "\n") -> Path:
    lines = b""
    for name, weight, rows in parts:
        lines += mark_line(name, weight).replace(b"\n", end.encode()) + "".join(f"{row}{end}" for row in rows).encode()
    path.write_bytes(lines)
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_the_lines_of_parts_are_no_videos(tmp_path, end, labelled, mark):
    rows = [f"{name} {k}" if labelled else name for k, name in enumerate(ODD)]
    csv = write_mixture(tmp_path / "list.csv", [("one", "3", rows[:2]), ('"two" {}', "0.5", rows[2:])], end)
    csv.write_bytes(mark + csv.read_bytes())
    manifest = Manifest.open(csv, cache_dir=tmp_path / "cache")
    assert [manifest.path(row) for row in range(len(manifest))] == [f"{tmp_path}/{name}" for name in ODD]
    assert manifest.labels.tolist() == ([0, 1, 2, 3, 4] if labelled else [-1] * 5)
    parts = [(part.name, part.weight, part.first, part.count) for part in manifest.mixture.parts]
    assert parts == [("one", Fraction(3), 0, 2), ('"two" {}', Fraction(1, 2), 2, 3)]
    assert manifest.mixture.shares == (6, 1)
    assert manifest.mixture == read_mixture(csv)
    assert pickle.loads(pickle.dumps(manifest)).mixture == manifest.mixture
    assert [manifest.mixture.rows_beside(row) for row in range(5)] == [(0, 2)] * 2 + [(2, 3)] * 3
    lines = csv.read_bytes().split(b"\n")
    for row, name in enumerate(ODD):
        assert name.encode() in lines[manifest.line(row) - 1]


def test_blocks_of_any_size_give_the_same_rows(tmp_path):
    rows = [f"video{k}.mp4 {k % 3}" for k in range(50)]
    csv = write_mixture(tmp_path / "list.csv", [("one", "3", rows[:20]), ("two", "1", rows[20:])])
    whole = [row.labels.tolist() for row in read_rows(csv, " ", 0)]
    for size in (1, 37, 100):
        assert [label for row in read_rows(csv, " ", 0, size) for label in row.labels.tolist()] == whole[0]


def test_other_separators_and_skipped_rows(tmp_path):
    csv = write_mixture(tmp_path / "list.csv", [("one", "3", ["a b.mp4,1"]), ("two", "1", ["c.mp4,0"])])
    csv.write_bytes(b"path,label\n" + csv.read_bytes())
    manifest = Manifest.open(csv, separator=",", skip_rows=1, cache_dir=tmp_path / "cache")
    assert (len(manifest), manifest.mixture.shares) == (2, (3, 1))
    with pytest.raises(ManifestError, match=r"line 4: begins a part of a mixture.*do not skip it with DATA\.SKIP_ROWS"):
        Manifest.open(csv, separator=",", skip_rows=2, cache_dir=tmp_path / "cache")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('a.mp4 1\n#mixture {"weight": "3", "list": "x"}\nb.mp4 1\n', "line 2: begins a part of a mixture"),
        ('#mixture {"weight": "3", "list": "x"}\n', "lists no video"),
        ('#mixture {"weight": "3", "list": "x"}\n' * 2 + "a.mp4 1\n", "line 1: the part 'x' lists no video"),
        ('#mixture {"weight": "0", "list": "x"}\na.mp4 1\n', "line 1: .*the weight is '0': write a number above 0"),
        ('#mixture {"weight": "-1", "list": "x"}\na.mp4 1\n', "the weight is '-1'"),
        ('#mixture {"weight": "nan", "list": "x"}\na.mp4 1\n', "the weight is 'nan'"),
        ('#mixture {"weight": "1e999999999", "list": "x"}\na.mp4 1\n', "the weight is"),
        ('#mixture {"list": "x"}\na.mp4 1\n', r'write `#mixture \{"weight": "3", "list": "curated"\}`'),
        ('#mixture {"weight\na.mp4 1\n', "line 1: cannot be read as a part"),
        (
            '#mixture {"weight": "0.333333", "list": "x"}\na.mp4 1\n#mixture {"weight": "1", "list": "y"}\nb.mp4 1\n',
            "come out even only after 1,333,333 samples.*fewer digits",
        ),
    ],
)
def test_wrong_parts_are_refused_with_the_line(tmp_path, text, told):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(ManifestError, match=told):
        Manifest.open(tmp_path / "list.csv", cache_dir=tmp_path / "cache")


def test_weights_are_exact_numbers():
    assert [parse_weight(text) for text in ("3", "0.1", "3/4", ".5")] == [
        3,
        Fraction(1, 10),
        Fraction(3, 4),
        Fraction(1, 2),
    ]
    assert whole_shares([Fraction(1, 10), Fraction(2, 10), Fraction(7, 10)]) == (1, 2, 7)


def test_a_plain_list_is_no_mixture(tmp_path):
    (tmp_path / "list.csv").write_text("\n\n#mixture.mp4 1\n")
    assert read_mixture(tmp_path / "list.csv") is None
    assert Manifest.open(tmp_path / "list.csv", cache_dir=tmp_path / "cache").mixture is None
