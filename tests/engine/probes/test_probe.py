"""``rhovideo probe`` as a user calls it, on the features of real videos and on made-up ones."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest

from rhovideo.cli import main
from rhovideo.engine.evaluation.intervals import wilson
from tests.engine.tasks.test_extract import extract

KINDS = ("linear", "logistic", "knn")
ODD = os.fsdecode(b"\xff.mp4")


def write_features(folder: Path, values: np.ndarray, labels, broken=(), **identity) -> Path:
    """The files of a finished extraction."""
    (folder / "list").mkdir(parents=True)
    np.save(folder / "features.npy", values.astype(np.float16))
    with (folder / "manifest.csv").open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("row", "path", "label", "ok"))
        for row, label in enumerate(labels):
            name = ODD if row == 0 else f"{row}.mp4"
            writer.writerow((row, f"/{folder.name}/{name}", label, int(row not in broken)))
    (folder / "list/classes.txt").write_text("up\ndown\nleft\n")
    known = {"checkpoint_sha256": "a", "dim": values.shape[-1], "videos": len(labels), "videos_sha256": folder.name}
    (folder / "extract.json").write_text(json.dumps(known | identity))
    return folder


@pytest.fixture
def clouds(tmp_path):
    """Three classes that the first numbers of a feature tell apart, among noise; one training row is broken."""
    rng = np.random.default_rng(0)
    for name, videos in (("train", 90), ("test", 45)):
        labels = np.arange(videos) % 3
        values = rng.normal(size=(videos, 16))
        values[np.arange(videos), labels] += 4
        write_features(tmp_path / "set" / name, values, labels, broken=[5] if name == "train" else [])
    return tmp_path / "set"


def probe(features: Path, kind: str, *words: object) -> int:
    return main([str(word) for word in ("probe", features, "--kind", kind, *words)])


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_told_apart(clouds, kind, capsys):
    assert probe(clouds, kind) == 0
    shown = capsys.readouterr().out
    found = json.loads((clouds / f"probe_{kind}/probe.json").read_text())
    assert (found["train_videos"], found["test_videos"], found["unreadable"]) == (89, 45, 1)
    right = round(found["value"] * 45 / 100)
    assert right > 40
    assert found["interval"] == wilson(right, 45)
    assert f"{right} of 45 (chance 33 %)" in shown
    # The best comes first and is the chosen one; of equals it is the one with the lowest loss.
    assert found["chosen"].items() <= found["tried"][0].items()
    ranks = [(-each["held_out"], each["loss"] if each.get("loss") is not None else math.inf) for each in found["tried"]]
    assert ranks == sorted(ranks)
    assert len({rank[0] for rank in ranks}) < len(ranks)
    table = shown.partition("best settings")[2].splitlines()
    assert [line.endswith("<- chosen") for line in table[2:4]] == [True, False]
    assert all(f"{value:g}" in table[2] for value in found["chosen"].values())
    assert [each["name"] for each in found["per_class"]] == ["up", "down", "left"]
    with (clouds / f"probe_{kind}/predictions.csv").open(errors="surrogateescape", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["path"] == f"/test/{ODD}"
    assert sum(row["label"] == row["prediction"] for row in rows) == right
    # The same again gives the same.
    assert probe(clouds, kind, "--out", clouds / "again") == 0
    assert (clouds / "again/predictions.csv").read_bytes() == (clouds / f"probe_{kind}/predictions.csv").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_test_videos_choose_nothing(clouds, kind, tmp_path):
    """With other labels of the test videos the settings and the predictions stay the same."""
    values = np.load(clouds / "test/features.npy")
    write_features(tmp_path / "other/test", values, np.roll(np.arange(45) % 3, 1))
    found = []
    for test in (clouds / "test", tmp_path / "other/test"):
        assert probe(clouds / "train", kind, "--test", test, "--out", tmp_path / "out") == 0
        kept = json.loads((tmp_path / "out/probe.json").read_text())
        with (tmp_path / "out/predictions.csv").open(errors="surrogateescape", newline="") as file:
            found.append((kept["chosen"], kept["tried"], [row["prediction"] for row in csv.DictReader(file)]))
    assert found[0] == found[1]


def test_more_labels_are_better_and_draws_spread(clouds, capsys):
    assert probe(clouds, "lowshot", "--labels", 1, 10, 50, "--draws", 6) == 0
    rows = json.loads((clouds / "probe_lowshot/probe.json").read_text())["low_shot"]
    assert [len(row["draws"]) for row in rows] == [6, 6, 6]
    assert rows[0]["value"] < rows[1]["value"]
    assert rows[0]["deviation"] == pytest.approx(np.std(rows[0]["draws"], ddof=1))
    assert rows[0]["interval"][0] < rows[0]["value"] < rows[0]["interval"][1]
    # Of 50 labels there are only 29 of one class, so every draw is the same.
    assert (rows[2]["fewest"], rows[2]["deviation"]) == (29, 0)
    assert "a class has only 29" in capsys.readouterr().out


def test_a_test_video_that_is_a_training_video_is_no_neighbour_of_its_own(clouds, capsys):
    """Features that say nothing: with its own video each test video would be right."""
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(300, 16)), rng.integers(0, 3, 300)
    write_features(clouds / "noise", values, labels)
    assert probe(clouds / "noise", "knn", "--test", clouds / "noise") == 0
    told = capsys.readouterr()
    assert "warning: 300 of 300 test videos are training videos too" in told.err
    assert json.loads((clouds / "noise/probe_knn/probe.json").read_text())["value"] < 55


def test_features_that_do_not_belong_together(clouds, capsys):
    values, labels = np.zeros((6, 16)), [0, 1, 2, 0, 1, 2]
    other = write_features(clouds / "other", values, labels, checkpoint_sha256="b")
    assert probe(clouds / "train", "knn", "--test", other) == 1
    assert "of different encoders or settings (checkpoint_sha256: a and b)" in capsys.readouterr().err
    (other / "extract.json").write_bytes((clouds / "test/extract.json").read_bytes())
    (other / "list/classes.txt").write_text("down\nup\nleft\n")
    assert probe(clouds / "train", "knn", "--test", other) == 1
    assert "number their classes differently" in capsys.readouterr().err
    write_features(clouds / "unlabelled", values, [""] * 6)
    assert probe(clouds / "train", "knn", "--test", clouds / "unlabelled") == 1
    assert "has no labels" in capsys.readouterr().err
    (other / "features.npy").unlink()
    assert probe(clouds / "train", "knn", "--test", other) == 1
    assert "start the same `rhovideo extract` again" in capsys.readouterr().err
    assert probe(clouds / "train", "knn") == 1
    assert "write --test" in capsys.readouterr().err


@pytest.mark.parametrize(("split", "wrong"), [("train", np.nan), ("test", np.inf)])
@pytest.mark.parametrize("kind", [*KINDS, "lowshot"])
def test_features_that_are_not_finite_give_no_number(clouds, kind, split, wrong, capsys):
    values = np.load(clouds / split / "features.npy")
    values[7, 3] = wrong
    np.save(clouds / split / "features.npy", values)
    assert probe(clouds, kind) == 1
    shown = capsys.readouterr()
    assert f"{clouds / split}/features.npy: 1 of" in shown.err
    assert "the first is row 7" in shown.err
    assert "top-1" not in shown.out


def test_features_that_are_not_finite_do_not_matter_where_no_video_was_read(clouds):
    values = np.load(clouds / "train/features.npy")
    values[5] = np.nan
    np.save(clouds / "train/features.npy", values)
    assert probe(clouds, "knn") == 0


@pytest.mark.parametrize("content", ["path\na.mp4\n", "path,label,ok\na.mp4,up,1\n", "path,label,ok\na.mp4\n", "\0"])
def test_a_damaged_manifest_is_named(clouds, content, capsys):
    np.save(clouds / "train/features.npy", np.zeros((1, 16), np.float16))
    (clouds / "train/manifest.csv").write_text(content)
    assert probe(clouds, "knn") == 1
    assert "manifest.csv" in capsys.readouterr().err


def test_test_videos_of_classes_that_were_not_trained_are_counted(clouds, capsys):
    assert probe(clouds, "knn") == 0
    assert "without a training video" not in capsys.readouterr().err
    lines = (clouds / "train/manifest.csv").read_text(errors="surrogateescape").splitlines()
    kept = [re.sub(r",[012],", ",1,", line) for line in lines]
    (clouds / "train/manifest.csv").write_text("\n".join(kept) + "\n", errors="surrogateescape")
    assert probe(clouds, "knn") == 0
    assert "30 of 45 test videos are of classes without a training video" in capsys.readouterr().err


def test_features_of_real_videos(synthetic_set, tmp_path, capsys):
    # The lists may be in two folders.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    rows = (synthetic_set / "test.csv").read_text().splitlines()
    (elsewhere / "test.csv").write_text("".join(f"{synthetic_set}/{row}\n" for row in rows))
    for split, folder in (("train", synthetic_set), ("test", elsewhere)):
        assert extract(folder / f"{split}.csv", tmp_path / "set" / split, "--clips", 1) == 0
    assert probe(tmp_path / "set", "logistic") == 0
    assert "24 training and 6 test videos of 3 classes" in capsys.readouterr().out
