"""Lists that a job cannot use are refused before it starts, and what may be a mistake in them is warned of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rhovideo.checks.lists import list_contents
from rhovideo.checks.lists.job_lists import ListCheck
from rhovideo.config.files.reading import load_cfg
from rhovideo.config.findings import Finding
from rhovideo.data.lists import csv_parsing

WORDS = ["TASK", "linear", "NUM_GPUS", 0, "TRAIN.BATCH_SIZE", 1]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Lists of files that are there, empty ones: nothing is decoded."""
    for number in range(20):
        (tmp_path / f"{number}.mp4").touch()
    for split in ("train", "val", "test"):
        _write(tmp_path, split, [f"{number}.mp4 {number % 3}" for number in range(20)] * 4)
    return tmp_path


def _write(folder: Path, split: str, lines: list[str]) -> None:
    (folder / f"{split}.csv").write_text("\n".join(lines) + "\n")


def _findings(folder: Path, task: str = "linear", *overrides: object) -> list[Finding]:
    return ListCheck()(load_cfg(None, [*WORDS, "TASK", task, "DATA.PATH_TO_DATA_DIR", folder, *overrides]))


def _errors(folder: Path, task: str = "linear", *overrides: object) -> list[Finding]:
    return [finding for finding in _findings(folder, task, *overrides) if finding.severity == "error"]


def test_videos_that_are_elsewhere_are_refused_with_the_first_line_that_names_one(videos):
    _write(videos, "val", ["", "elsewhere/1.mp4 0", "elsewhere/2.mp4 1"])
    [finding] = _errors(videos)
    assert finding.keys[0] == "DATA.PATH_PREFIX"
    assert f"{videos}/val.csv, line 2: {videos}/elsewhere/1.mp4 is not there" in finding.wrong


def test_relative_paths_start_from_the_prefix(videos, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    assert _errors(videos, "linear", "DATA.PATH_PREFIX", videos) == []
    assert len(_errors(videos, "linear", "DATA.PATH_PREFIX", other)) == 3


def test_absolute_paths_that_are_elsewhere_blame_the_list(videos):
    _write(videos, "train", [f"/elsewhere/{number}.mp4 0" for number in range(20)])
    [finding] = _errors(videos)
    assert finding.keys == ("DATA.PATH_TO_DATA_DIR",)
    assert re.search(r"/elsewhere/0.mp4 is not there, nor are 15 of the 15 others", finding.wrong)


def test_a_few_missing_videos_are_warned_of_and_left_to_the_training(videos):
    (videos / "0.mp4").unlink()
    (videos / "7.mp4").unlink()
    findings = _findings(videos, "linear", "MODEL.NUM_CLASSES", 3)
    findings = [finding for finding in findings if "looked for" in finding.wrong]
    assert [finding.severity for finding in findings] == ["warning"] * 3
    assert re.search(
        r"train.csv: \d of the 16 videos looked for are not there: the first is .*/0.mp4", findings[0].wrong
    )


@pytest.mark.parametrize(
    ("lines", "key", "said"),
    [
        (["0.mp4,0", "1.mp4,1"], "DATA.PATH_LABEL_SEPARATOR", r"train.csv, line 1: no ' ' between path and label"),
        (["0.mp4 0", "1.mp4"], "DATA.PATH_TO_DATA_DIR", r"train.csv, line 2: .* has no label"),
        (["0.mp4", "1.mp4"], "DATA.PATH_TO_DATA_DIR", r"train.csv has no labels, which TASK linear needs"),
        (["0.mp4 0", "1.mp4 400"], "MODEL.NUM_CLASSES", r"label 400, but MODEL.NUM_CLASSES is 400"),
        ([""], "DATA.PATH_TO_DATA_DIR", r"train.csv lists no video"),
    ],
)
def test_rows_that_training_would_refuse_are_refused(videos, lines, key, said):
    _write(videos, "train", lines)
    [finding] = _errors(videos)
    assert finding.keys[0] == key
    assert re.search(said, finding.wrong)


def test_a_long_list_is_read_to_its_end(videos):
    _write(videos, "train", ["0.mp4 0"] * 100_000 + ["a row without a label"])
    [finding] = _errors(videos)
    assert "train.csv, line 100001: " in finding.wrong


def test_a_list_that_several_jobs_read_is_read_once_until_it_changes(videos, monkeypatch):
    read = []
    monkeypatch.setattr(
        list_contents, "read_rows", lambda *words: read.append(words[0].name) or csv_parsing.read_rows(*words)
    )
    check = ListCheck()
    for _ in range(2):
        check(load_cfg(None, [*WORDS, "DATA.PATH_TO_DATA_DIR", videos]))
    once = len(read)
    assert set(read) == {"train.csv", "val.csv", "test.csv"}
    _write(videos, "train", ["0.mp4 0"] * 7)
    check(load_cfg(None, [*WORDS, "DATA.PATH_TO_DATA_DIR", videos]))
    assert set(read[once:]) == {"train.csv"}


@pytest.mark.parametrize(("rows", "batch", "told"), [(20, 20, False), (20, 21, True), (9_000, 8_500, False)])
def test_a_batch_that_the_list_does_not_fill_is_refused(videos, rows, batch, told):
    _write(videos, "train", ["0.mp4 0"] * rows)
    findings = _errors(videos, "finetune", "TRAIN.BATCH_SIZE", batch)
    assert [finding.keys[0] for finding in findings] == ["TRAIN.BATCH_SIZE"] * told
    if told:
        assert f"lists {rows} videos, fewer than the {batch} of one step" in findings[0].wrong
        assert findings[0].write == f"{rows} or less"
    assert _errors(videos, "knn", "TRAIN.BATCH_SIZE", 10_000, "TEST.CHECKPOINT_FILE_PATH", "x.pyth") == []


def test_no_queue_is_proposed_for_a_list_that_is_shorter_than_a_step(videos):
    _write(videos, "train", ["0.mp4 0"] * 20)
    words = ("CONTRASTIVE.TYPE", "moco", "CONTRASTIVE.QUEUE_LEN", 420, "TRAIN.BATCH_SIZE")
    assert [finding.keys[0] for finding in _findings(videos, "pretrain", *words, 21)] == ["TRAIN.BATCH_SIZE"]
    assert _findings(videos, "pretrain", *words, 20)[0].keys[0] == "CONTRASTIVE.QUEUE_LEN"


@pytest.mark.parametrize(
    ("machines", "processes", "write"),
    [
        (2, 3, "9 or less"),
        (3, 4, "4 or less"),
        (8, 4, "a list of 32 videos or more, or ask for fewer machines or processes"),
    ],
)
def test_a_smaller_batch_that_is_proposed_can_be_shared(videos, machines, processes, write):
    _write(videos, "train", ["0.mp4 0"] * 20)
    [finding] = _errors(
        videos, "finetune", "TRAIN.BATCH_SIZE", 24, "NUM_SHARDS", machines, "NUM_CPU_PROCESSES", processes
    )
    assert finding.write == write
