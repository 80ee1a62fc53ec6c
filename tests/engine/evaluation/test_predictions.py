from __future__ import annotations

import csv
import os

import numpy as np
import pytest

from rhovideo.engine.evaluation.predictions import (
    Predictions,
    read_class_numbers,
    read_predictions,
    write_neighbours,
    write_predictions,
)

ODD = os.fsdecode(b'gr\xfc\xdf, "a".mp4')


@pytest.fixture
def predictions():
    return Predictions([ODD, "b.mp4", "c.mp4"], np.array([0, 0, 2]), np.array([0, 2, -1]), np.array([0.9, 0.5, 0.0]))


def test_written_predictions_are_read_again(predictions, tmp_path):
    write_predictions(tmp_path, predictions, ["walk", "", os.fsdecode(b"\xff")])
    found = read_predictions(tmp_path)
    assert found.paths == predictions.paths
    assert found.labels.tolist() == [0, 0, 2]
    assert found.predicted.tolist() == [0, 2, -1]
    assert found.confidence.tolist() == [0.9, 0.5, 0.0]
    assert (tmp_path / "predictions.csv").read_bytes().startswith(b"path,label,prediction,confidence\n")
    assert (tmp_path / "confusion.csv").read_text() == "label,prediction,count\n0,0,1\n0,2,1\n2,-1,1\n"
    first, last = read_class_numbers(tmp_path)["per_class"]
    assert (first["class"], first["name"], first["videos"], first["correct"], first["accuracy"]) == (
        0,
        "walk",
        2,
        1,
        50,
    )
    assert 0 < first["low"] < 50 < first["high"] < 100
    assert last["name"] == "\ufffd"
    assert read_predictions(tmp_path / "none") is None
    assert read_class_numbers(tmp_path / "none") == {}


def test_neighbours_keep_odd_names(tmp_path):
    write_neighbours(tmp_path, [(ODD, 1, 1, "b.mp4", 2, 0.25)])
    with (tmp_path / "neighbours.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        header, row = csv.reader(file)
    assert header == ["path", "label", "rank", "neighbour", "neighbour_label", "similarity"]
    assert row == [ODD, "1", "1", "b.mp4", "2", "0.25"]
