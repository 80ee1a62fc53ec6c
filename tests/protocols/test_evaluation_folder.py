"""Whether the same words start a run, show a finished one, or are of another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rhovideo.errors import JobError
from rhovideo.protocols.evaluation_folder import is_to_run
from rhovideo.protocols.recipes import recipe, resolve
from rhovideo.runs.first_launch import FirstLaunch, write_first_launch
from tests.protocols.test_recipes import subject


def config(folder: Path, *words: object):
    settings = recipe(subject(), "finetune", "UCF101", 101) | {"OUTPUT_DIR": str(folder)}
    return resolve(settings, words).cfg


def left_by(folder: Path, *words: object, finished: bool) -> None:
    """What a run leaves in its folder."""
    (folder / "config.yaml").write_text(config(folder, *words).dump())
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/checkpoint_epoch_00010.pyth").touch()
    write_first_launch(folder, FirstLaunch(64, 1.0, 1, 8, 0))
    if finished:
        (folder / "results.json").write_text('{"test_top1": 91.0}')
        os.utime(folder / "config.yaml", (1, 1))


def test_a_finished_number_is_not_shown_for_another_global_batch(tmp_path):
    left_by(tmp_path, finished=True)
    assert not is_to_run(tmp_path / "eval.yaml", config(tmp_path))
    assert not is_to_run(tmp_path / "eval.yaml", config(tmp_path, "NUM_GPUS", 2, "TEST.BATCH_SIZE", 1))
    with pytest.raises(JobError, match=r"a global batch of 64, and this is one of 512 .*NUM_SHARDS 8"):
        is_to_run(tmp_path / "eval.yaml", config(tmp_path, "NUM_SHARDS", 8))
    with pytest.raises(JobError, match=r"holds another run, where TRAIN\.ACCUMULATE_STEPS was 1 and is 2 now: write"):
        is_to_run(tmp_path / "eval.yaml", config(tmp_path, "TRAIN.ACCUMULATE_STEPS", 2))


def test_a_run_that_is_not_finished_goes_on_on_other_machines(tmp_path):
    left_by(tmp_path, finished=False)
    assert is_to_run(tmp_path / "eval.yaml", config(tmp_path, "NUM_SHARDS", 2))


def test_a_finished_number_is_not_shown_for_a_checkpoint_or_lists_written_since(tmp_path):
    weights, lists, folder = tmp_path / "c.pyth", tmp_path / "lists", tmp_path / "out"
    lists.mkdir()
    folder.mkdir()
    inputs = (weights, lists / "train.csv", lists / "val.csv", lists / "test.csv")
    words = ["TRAIN.CHECKPOINT_FILE_PATH", str(weights), "DATA.PATH_TO_DATA_DIR", str(lists)]
    left_by(folder, *words, finished=True)
    for path in inputs:
        path.touch()
        os.utime(path, (0.5, 0.5))
    assert not is_to_run(folder / "eval.yaml", config(folder, *words))
    for path in inputs:
        os.utime(path, (2, 2))
        with pytest.raises(JobError, match=f"{path} was written after .*, by its time stamp: write another"):
            is_to_run(folder / "eval.yaml", config(folder, *words))
        os.utime(path, (0.5, 0.5))


def test_a_run_that_failed_before_its_first_checkpoint_may_be_begun_with_other_words(tmp_path):
    (tmp_path / "config.yaml").write_text(config(tmp_path).dump())
    assert is_to_run(
        tmp_path / "eval.yaml", config(tmp_path, "SOLVER.MAX_EPOCH", 3, "SOLVER.STEPS", [0], "SOLVER.LRS", [1])
    )


def test_the_words_of_the_last_attempt_show_what_it_finished(tmp_path):
    left_by(tmp_path, "NUM_SHARDS", 2, finished=True)  # resumed on two machines, with the batch of one
    assert not is_to_run(tmp_path / "eval.yaml", config(tmp_path, "NUM_SHARDS", 2))
    assert not is_to_run(tmp_path / "eval.yaml", config(tmp_path))
