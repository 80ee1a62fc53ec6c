"""`rhovideo data subset` and `data merge`: nested draws, and mixtures as written."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhovideo.cli import main
from rhovideo.data.curation.subsets import drawing_order
from rhovideo.data.lists.manifest import Manifest
from rhovideo.runs.official_counts import OfficialCount, add_official_counts, read_official_count
from tests.data.curation.lists import write_list

ODD = ["a b.mp4", "-dash.mp4", "ünï.mp4", "q'\".mp4", "ünï/x y.mkv"]


def rows(csv: Path, separator: str = " ", prefix: str = "") -> list[tuple[str, int]]:
    manifest = Manifest.open(csv, separator=separator, prefix=prefix, cache_dir=csv.parent / "cache")
    return [(manifest.path(row), manifest.label(row)) for row in range(len(manifest))]


@pytest.fixture
def uneven(tmp_path):
    """A list of 400 videos of five classes, half of them in the first; two in the last."""
    labels = [0] * 200 + [1] * 100 + [2] * 60 + [3] * 38 + [4] * 2
    return write_list(tmp_path / "lists/train.csv", [f"v{k:03d}.mp4" for k in range(400)], labels)


@pytest.mark.parametrize("balanced", [[], ["--balanced"]])
def test_smaller_subsets_are_inside_larger_ones_of_the_same_seed(uneven, tmp_path, balanced, capsys):
    draws = {}
    for number in (10, 128, 240, 399):
        out = tmp_path / f"{number}/train.csv"
        assert main(["data", "subset", str(uneven), "--number", str(number), *balanced, "--out", str(out)]) == 0
        draws[number] = rows(out)
        assert len(draws[number]) == number
        # In the order of the list.
        assert draws[number] == [row for row in rows(uneven) if row in set(draws[number])]
    assert set(draws[10]) < set(draws[128]) < set(draws[240]) < set(draws[399])
    assert "240 of 400 videos, drawn with seed 0; 5 classes" in capsys.readouterr().out
    other = tmp_path / "other.csv"
    assert main(["data", "subset", str(uneven), "--number", "128", *balanced, "--seed", "1", "--out", str(other)]) == 0
    assert set(rows(other)) != set(draws[128])
    counts = Counter(label for _, label in draws[128])
    if balanced:
        # Two of the smallest class are all; the others share the rest.
        assert counts[4] == 2
        assert sorted(counts[k] for k in range(4)) == [31, 31, 32, 32]
    else:
        assert abs(counts[0] - 64) < 20


def test_the_draw_is_the_same_wherever_the_videos_lie(tmp_path):
    """Another machine has them under another folder."""
    drawn = []
    for place in ("here", "on/another/disk"):
        csv = write_list(tmp_path / place / "train.csv", [f"{k % 3}/v{k:03d}.mp4" for k in range(60)])
        assert main(["data", "subset", str(csv), "--number", "20", "--out", str(csv.with_name("small.csv"))]) == 0
        drawn.append(csv.with_name("small.csv").read_text())
    assert drawn[0] == drawn[1]


def test_a_subset_of_a_subset_and_of_a_shorter_list_is_the_same_draw(uneven, tmp_path):
    large, small, direct = (tmp_path / name / "x.csv" for name in ("large", "small", "direct"))
    assert main(["data", "subset", str(uneven), "--number", "240", "--out", str(large)]) == 0
    assert main(["data", "subset", str(large), "--number", "128", "--out", str(small)]) == 0
    assert main(["data", "subset", str(uneven), "--number", "128", "--out", str(direct)]) == 0
    assert rows(small) == rows(direct)
    shorter = uneven.with_name("shorter.csv")
    shorter.write_text("".join(uneven.read_text().splitlines(keepends=True)[50:]))
    assert main(["data", "subset", str(shorter), "--number", "100", "--out", str(tmp_path / "s.csv")]) == 0
    assert {row for row in rows(direct) if row in set(rows(shorter))} >= set(rows(tmp_path / "s.csv")) & set(
        rows(direct)
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 2**32))
def test_balanced_draws_are_as_even_as_the_classes_allow(labels, seed):
    keys = np.random.default_rng(seed).integers(2**63, size=len(labels)).astype(np.uint64)
    order = drawing_order(keys, np.array(labels))
    assert sorted(order.tolist()) == list(range(len(labels)))
    have = Counter(labels)
    for number in range(1, len(labels) + 1):
        drawn = Counter(np.array(labels)[order[:number]].tolist())
        full = max(drawn.values())
        assert all(drawn[label] >= min(full - 1, have[label]) for label in have)


def test_a_subset_keeps_odd_names_separators_class_names_and_the_official_count(tmp_path):
    csv = write_list(tmp_path / "one/train.csv", ODD, [0, 1, 2, 1, 0], "\t")
    (csv.parent / "classes.txt").write_text("a\nb\nc\n")
    add_official_counts({csv: OfficialCount("Kinetics-400", "train", 5, 7)})
    out = tmp_path / "two/train.csv"
    assert main(["data", "subset", str(csv), "--number", "5", "--separator", "\t", "--out", str(out)]) == 0
    assert rows(out, "\t") == [(f"{tmp_path}/one/{name}", k) for name, k in zip(ODD, [0, 1, 2, 1, 0], strict=True)]
    assert (out.parent / "classes.txt").read_text() == "a\nb\nc\n"
    assert read_official_count(out) == OfficialCount("Kinetics-400", "train", 5, 7)
    # Lists of another folder may not get names that mean other classes.
    (out.parent / "classes.txt").write_text("a\nx\nc\n")
    words = ["data", "subset", str(csv), "--number", "4", "--separator", "\t", "--out", str(out), "--force"]
    before = out.read_bytes()
    assert main(words) == 2
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--number", "401"], "write a --number from 1 to 400, not 401"),
        (["--number", "0"], "write a --number from 1 to 400, not 0"),
    ],
)
def test_a_subset_that_cannot_be_drawn_is_refused(uneven, tmp_path, words, told, capsys):
    assert main(["data", "subset", str(uneven), *words, "--out", str(tmp_path / "o.csv")]) == 2
    assert told in capsys.readouterr().err
    plain = write_list(tmp_path / "plain.csv", ["a.mp4", "b.mp4"])
    words = ["--number", "1", "--balanced", "--out", str(tmp_path / "o.csv")]
    assert main(["data", "subset", str(plain), *words]) == 2
    assert "2 of 2 videos have no label" in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


def test_merging_joins_lists_and_counts_a_video_once(tmp_path, capsys):
    one = write_list(tmp_path / "one/train.csv", ODD, [0, 1, 2, 1, 0])
    two = write_list(tmp_path / "two/train.csv", ["c.mp4", "../one/-dash.mp4"], [2, 1])
    out = tmp_path / "out/both.csv"
    assert main(["data", "merge", str(one), str(two), "--out", str(out)]) == 0
    assert rows(out) == [*rows(one), (f"{tmp_path}/two/c.mp4", 2)]
    assert (
        "6 videos of 2 lists; 1 times a video is in several lists or twice in one, and once here"
        in capsys.readouterr().out
    )
    write_list(two, ["c.mp4", "../one/-dash.mp4"], [2, 0])
    assert main(["data", "merge", str(one), str(two), "--out", str(tmp_path / "o.csv")]) == 2
    assert "has the label 0, and 1 in " in capsys.readouterr().err


def test_merging_with_weights_writes_a_mixture(tmp_path, capsys):
    one = write_list(tmp_path / "one/train.csv", ODD, [0, 1, 2, 1, 0])
    two = write_list(tmp_path / "two/train.csv", ["c.mp4", "../one/-dash.mp4"], [2, 1])
    out = tmp_path / "out/train.csv"
    assert main(["data", "merge", str(one), str(two), "--weights", "3", "0.5", "--out", str(out)]) == 0
    assert rows(out)[:6] == [*rows(one), (f"{tmp_path}/two/c.mp4", 2)]
    manifest = Manifest.open(out, cache_dir=tmp_path / "cache")
    assert manifest.mixture.shares == (6, 1)
    assert [(part.name, part.first, part.count) for part in manifest.mixture.parts] == [
        ("one/train", 0, 5),
        ("two/train", 5, 2),
    ]
    told = capsys.readouterr().out
    assert "one/train: 5 videos, 85.71% of the samples" in told
    assert "in several lists, and then counts in each" in told
    # Its parts go through the other commands.
    assert main(["data", "subset", str(out), "--number", "4", "--out", str(tmp_path / "out/small.csv")]) == 0
    small = Manifest.open(tmp_path / "out/small.csv", cache_dir=tmp_path / "cache")
    assert len(small) == sum(part.count for part in small.mixture.parts) == 4
    assert main(["data", "stats", str(out), "--workers", "1"]) == 0
    assert "mixture      one/train: 5 videos, 85.71% of the samples" in capsys.readouterr().out
    assert main(["data", "merge", str(out), str(one), "--weights", "1", "1", "--out", str(tmp_path / "m.csv")]) == 2
    assert "is a mixture already" in capsys.readouterr().err
    assert main(["data", "merge", str(out), str(one), "--out", str(tmp_path / "plain.csv")]) == 0
    assert Manifest.open(tmp_path / "plain.csv", cache_dir=tmp_path / "cache").mixture is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--weights", "1"], "1 weights for 2 lists"),
        (["--weights", "1", "0"], "--weights: the weight is '0': write a number above 0"),
        (["--weights", "1", "1e9"], "--weights: the weight is '1e9'"),
        (["--weights", "0.3333333", "0.6666667"], "write weights with fewer digits"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(tmp_path, words, told, capsys):
    lists = [str(write_list(tmp_path / f"{k}.csv", [f"{k}.mp4"])) for k in range(2)]
    assert main(["data", "merge", *lists, "--out", str(tmp_path / "o.csv"), *words]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


def test_lists_whose_labels_do_not_go_together_are_refused(tmp_path, capsys):
    one = write_list(tmp_path / "one/train.csv", ["a.mp4", "b.mp4"], [0, 1])
    two = write_list(tmp_path / "two/train.csv", ["c.mp4", "d.mp4"], [0, 1])
    plain = write_list(tmp_path / "plain/train.csv", ["e f.mp4"])
    out = tmp_path / "out/train.csv"
    (one.parent / "classes.txt").write_text("run\nwalk\n")
    (two.parent / "classes.txt").write_text("walk\nrun\n")
    assert main(["data", "merge", str(one), str(two), "--out", str(out)]) == 2
    assert "number their classes in two ways" in capsys.readouterr().err
    assert main(["data", "merge", str(one), str(plain), "--out", str(out)]) == 2
    assert "write --no-labels" in capsys.readouterr().err
    assert main(["data", "merge", str(one), str(one), "--out", str(one), "--force"]) == 2
    assert "is the list that is read" in capsys.readouterr().err
    assert main(["data", "merge", str(one), "--out", str(out)]) == 2
    assert not out.parent.exists()
    assert main(["data", "merge", str(one), str(two), str(plain), "--no-labels", "--out", str(out)]) == 0
    assert [(os.path.relpath(path, tmp_path), label) for path, label in rows(out)] == [
        ("one/a.mp4", -1),
        ("one/b.mp4", -1),
        ("two/c.mp4", -1),
        ("two/d.mp4", -1),
        ("plain/e f.mp4", -1),
    ]
    assert not (out.parent / "classes.txt").exists()


def test_lines_at_the_top_stay_since_the_new_list_is_read_with_the_same_settings(tmp_path):
    one = write_list(tmp_path / "one.csv", ["path", "a.mp4", "b.mp4"], ["label", 0, 1], ",")
    two = write_list(tmp_path / "two.csv", ["path", "c.mp4"], ["label", 1], ",")
    how = ["--separator", ",", "--skip-rows", "1"]
    options = {"separator": ",", "skip_rows": 1, "cache_dir": tmp_path / "cache"}
    for number, words in enumerate(
        (
            ["subset", str(one), "--number", "2"],
            ["merge", str(one), str(two)],
            ["merge", str(one), str(two), "--weights", "1", "2"],
        )
    ):
        out = tmp_path / f"out{number}.csv"
        assert main(["data", *words, *how, "--out", str(out)]) == 0
        assert out.read_text().splitlines()[0] == "path,label"
        manifest = Manifest.open(out, **options)
        names = [os.path.basename(manifest.path(row)) for row in range(len(manifest))]
        assert names == ["a.mp4", "b.mp4", "c.mp4"][: 3 if number else 2]
        assert (manifest.mixture is not None) == (number == 2)
