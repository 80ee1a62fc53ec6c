"""Every accuracy comes with its interval and the numbers of its classes, the same on any number of processes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from rhovideo.cli import main
from rhovideo.engine.evaluation.intervals import in_words, wilson
from tests.protocols.test_eval import CPU, MOCO, QUICK


def _evaluate(data: Path, protocol: str, out: Path, *words: object) -> dict:
    command = ["eval", MOCO, "--data", data, "--protocol", protocol, "--out", out, *words]
    assert main([str(word) for word in command]) == 0
    return json.loads((out / "eval.json").read_text())


def _rows(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def lists(synthetic_set, tmp_path):
    """Lists whose test videos are 7, a number that two processes cannot halve; the first cannot be read."""
    folder = tmp_path / "lists"
    folder.mkdir()
    for split in ("train", "val", "test"):
        lines = [f"{synthetic_set}/{line}" for line in (synthetic_set / f"{split}.csv").read_text().splitlines()]
        if split == "test":
            (folder / "broken.mp4").write_bytes(b"no video" * 100)
            lines.insert(0, f"{folder}/broken.mp4 1")
        (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")
    (folder / "classes.txt").write_bytes((synthetic_set / "classes.txt").read_bytes())
    return folder


def _check_classes(found: dict, out: Path, lists: Path) -> None:
    predictions, classes = _rows(out / "predictions.csv"), _rows(out / "per_class.csv")
    listed = [line.rsplit(" ", 1) for line in (lists / "test.csv").read_text().splitlines()[1:]]
    assert [[row["path"], row["label"]] for row in predictions] == listed
    right = sum(row["label"] == row["prediction"] for row in predictions)
    assert found["value"] == pytest.approx(100 * right / 6, abs=1e-3)
    assert found["interval"] == pytest.approx(wilson(right, 6), abs=1e-3)
    assert all(0 < float(row["confidence"]) <= 1 for row in predictions)
    names = (lists / "classes.txt").read_text().split()
    assert [row["name"] for row in classes] == [each["name"] for each in found["per_class"]] == names
    assert (sum(int(row["videos"]) for row in classes), sum(int(row["correct"]) for row in classes)) == (6, right)
    assert sum(count for _, _, count in found["confusion"]) == 6
    assert sum(count for label, one, count in found["confusion"] if label == one) == right


def test_linear_classifier(lists, tmp_path, capsys):
    found = _evaluate(lists, "linear", tmp_path / "alone", *QUICK)
    words = in_words(found["interval"])
    assert f"top-1      {found['value']:6.2f} % (95 %: {words})" in capsys.readouterr().out
    assert f"(95 %: {words})" in (tmp_path / "alone/stdout.log").read_text()
    _check_classes(found, tmp_path / "alone", lists)
    assert main(["results", str(tmp_path / "alone"), "--format", "csv"]) == 0
    assert words in capsys.readouterr().out
    # Two processes test each video once.
    checkpoint = tmp_path / "alone/checkpoints/checkpoint_epoch_00001.pyth"
    places = ["--data", lists, "--protocol", "test", "--out", tmp_path / "two", *CPU, "NUM_CPU_PROCESSES", 2]
    assert main(["eval", str(checkpoint), *map(str, places)]) == 0
    together = json.loads((tmp_path / "two/eval.json").read_text())
    assert (together["value"], together["per_class"]) == (found["value"], found["per_class"])
    _check_classes(together, tmp_path / "two", lists)


def test_nearest_neighbours(lists, tmp_path, capsys):
    found = _evaluate(lists, "knn", tmp_path / "out", *CPU, "KNN.NUM_CLIPS", 1)
    assert f"(95 %: {in_words(found['interval'])})" in capsys.readouterr().out
    assert f"knn_top1: {found['value']:.2f} % (95 %: " in (tmp_path / "out/stdout.log").read_text()
    assert found["results"]["knn_videos"] == 6
    _check_classes(found, tmp_path / "out", lists)
    neighbours = _rows(tmp_path / "out/neighbours.csv")
    assert [row["rank"] for row in neighbours] == ["1", "2", "3", "4", "5"] * 6
    trained = dict(line.rsplit(" ", 1) for line in (lists / "train.csv").read_text().splitlines())
    assert all(trained[row["neighbour"]] == row["neighbour_label"] for row in neighbours)
    first = [row for row in neighbours if row["rank"] == "1"]
    nearest = sum(row["label"] == row["neighbour_label"] for row in first)
    assert found["results"]["recall_at_1"] == pytest.approx(100 * nearest / 6, abs=1e-3)
    cosines = [float(row["similarity"]) for row in neighbours[:5]]
    assert cosines == sorted(cosines, reverse=True)
    main(["results", str(tmp_path), "--format", "csv"])
    (row,) = csv.DictReader(capsys.readouterr().out.splitlines())
    assert row["95 %"] == in_words(found["interval"])
    two = _evaluate(lists, "knn", tmp_path / "two", *CPU, "KNN.NUM_CLIPS", 1, "NUM_CPU_PROCESSES", 2)
    assert (two["value"], two["confusion"]) == (found["value"], found["confusion"])
    _check_classes(two, tmp_path / "two", lists)


def test_fast_protocol_is_a_logistic_regression_on_the_features(lists, tmp_path, capsys):
    found = _evaluate(lists, "fast", tmp_path / "out", *CPU, "KNN.NUM_CLIPS", 1)
    shown = capsys.readouterr().out
    assert f"(95 %: {in_words(found['interval'])})" in shown
    assert "no figure to compare with: no fast figure was released" in shown
    assert found["lists"]["test"] == {"listed": 7, "unreadable": 1, "used": 6, "in_train": 0}
    _check_classes(found, tmp_path / "out", lists)
    assert "Test: top-1" in (tmp_path / "out/stdout.log").read_text()
    # Extracting and probing by hand is the same.
    for split in ("train", "test"):
        places = ["--data", lists / f"{split}.csv", "--out", tmp_path / "set" / split, "--clips", 1, *CPU]
        assert main(["extract", MOCO, *map(str, places)]) == 0
    assert main(["probe", str(tmp_path / "set"), "--kind", "logistic"]) == 0
    probed = json.loads((tmp_path / "set/probe_logistic/probe.json").read_text())
    assert (probed["value"], probed["chosen"]["C"]) == (found["value"], found["results"]["strength"])
    two = _evaluate(lists, "fast", tmp_path / "two", *CPU, "KNN.NUM_CLIPS", 1, "NUM_CPU_PROCESSES", 2)
    assert (two["value"], two["confusion"]) == (found["value"], found["confusion"])
