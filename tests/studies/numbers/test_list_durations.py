"""Table 1: the durations of the videos of lists, from real videos."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from rhovideo.cli import main
from rhovideo.studies.numbers.list_durations import read_durations
from rhovideo.studies.record import TableRecord
from tests.studies.study_folders import write


@pytest.fixture
def lists(tmp_path, synthetic_set):
    """A study of the lists of a generated set, of which each video has two seconds."""
    data = tmp_path / "data"
    shutil.copytree(synthetic_set, data)
    rows = {"all": str(data), "few": str(data / "val.csv"), "gone": str(data / "none.csv")}
    names = [*rows, "no folder"]
    return write(tmp_path / "study", TableRecord("table1", "Data sets", "", names, [""], [], lists=rows)), data


def said(capsys, study):
    assert main(["results", str(study), "--format", "markdown"]) == 0
    printed = capsys.readouterr().out
    # A run that an earlier test made in this process has left its log on the terminal.
    return printed[printed.index("### ") :]


def test_a_table_of_lists_has_their_durations(lists, capsys):
    study, _ = lists
    text = said(capsys, study)
    assert "| list | videos | mean (s) | standard deviation (s) | min (s) | max (s) |" in text
    assert "| all | 24 | 2.0 | 0.0 | 2.0 | 2.0 |" in text
    assert "| few | 6 | 2.0 | 0.0 | 2.0 | 2.0 |" in text
    assert "| gone | - | - | - | - | - |" in text
    assert "none.csv: No such file" in text
    assert "no folder: --data has no folder of this name" in text


def test_the_durations_are_kept_until_the_list_changes(lists, capsys):
    study, data = lists
    before = said(capsys, study)
    for path in data.rglob("*.mp4"):
        path.unlink()
    for path in data.glob("*.footage.jsonl"):
        path.unlink()
    assert said(capsys, study) == before
    assert len(json.loads((study / "list_durations.json").read_text())) == 2
    (data / "val.csv").write_text("gone.mp4 0\n")
    text = said(capsys, study)
    assert "| few | 1 | - | - | - | - |" in text
    assert "few: 1 of 1 videos do not say their duration" in text


def test_a_list_that_is_a_pipe_is_named(tmp_path):
    os.mkfifo(tmp_path / "train.csv")
    table = TableRecord("table1", "Data sets", "", ["mine"], [""], [], lists={"mine": str(tmp_path)})
    assert "train.csv: is a pipe or device, and no file" in str(read_durations(tmp_path, table)["mine"])
