"""The commands that a page prints make its runs again, and warnings name their runs."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rhovideo.report.blocks import Listing, Text
from rhovideo.report.sections.what_was_run import again_section, warnings_section
from rhovideo.report.subjects import read_subject
from rhovideo.runs.folder import read_results
from tests.configured_runs import ROOT


def rhovideo(words: list[str], folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "XDG_CONFIG_HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "rhovideo.cli", *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def text_of(section) -> str:
    return " ".join(block.text for block in section.blocks if isinstance(block, Text))


@pytest.fixture(params=["own files", "recipes"])
def chain(request, workplace, tmp_path):
    """A pre-training and the classifier on it: of files with many other keys than a recipe, and of recipes."""
    if request.param == "own files":
        shutil.copytree(workplace, tmp_path / "place")
        return tmp_path / "place/study/TRAIN_CROP_NUM_TEMPORAL=2,RNG_SEED=1/lin"
    shutil.copytree(workplace / "data", tmp_path / "place/data")
    keys = ["DATA.PATH_TO_DATA_DIR", "data", "SOLVER.MAX_EPOCH", "1", "SOLVER.WARMUP_EPOCHS", "0"]
    keys += ["MODEL.NUM_CLASSES", "3", "TRAIN.BATCH_SIZE", "8", "TRAIN.CHECKPOINT_PERIOD", "1", "RNG_SEED", "3"]
    rhovideo(["run", "--cfg", "demo/simclr", "demo/linear", "--study", "a study", *keys], tmp_path / "place")
    return tmp_path / "place/a study/linear"


def test_the_printed_commands_make_the_whole_chain_again(chain, tmp_path):
    """The second one begins from what the first one has made, and not from the old checkpoint."""
    subject = read_subject(chain)
    section = again_section(subject)
    assert section.title == "How to reproduce"
    commands = next(block.lines for block in section.blocks if isinstance(block, Listing))
    assert len(commands) == 2
    assert f"Start them in {tmp_path / 'place'}" in text_of(section)
    before = subject.main.runs[0].folder
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "rhovideo"
        rhovideo(words, tmp_path / "place")
        # From here on there is no old checkpoint to take.
        shutil.rmtree(before / "checkpoints", ignore_errors=True)
    again = Path(f"{chain}_again")
    inputs = json.loads((again / "inputs.json").read_text())["inputs"]
    (checkpoint,) = [Path(item["path"]) for item in inputs if item["role"] == "checkpoint"]
    assert checkpoint.parent.parent == Path(f"{before}_again")
    for old, new in ((chain, again), (before, Path(f"{before}_again"))):
        assert read_results(new) == read_results(old)


def test_code_and_hashes_that_were_not_recorded_are_named(linear_run, tmp_path):
    assert "Made by rhovideo " in text_of(again_section(read_subject(linear_run)))
    shutil.copytree(linear_run, tmp_path / "old")
    (tmp_path / "old/inputs.json").unlink()
    text = text_of(again_section(read_subject(tmp_path / "old")))
    assert "not recorded for old" in text


def test_warnings_name_the_runs_that_gave_them(study, tmp_path):
    shutil.copytree(study, tmp_path / "study")
    logs = sorted((tmp_path / "study").glob("*/*/stdout.log"))
    line = "[11/29 12:00:00][WARNING] trainer.py:  10: {}\n"
    for log in logs:
        with log.open("a") as file:
            file.write(line.format("in every run"))
            if log.parent.name == "lin":
                file.write(line.format("in the classifiers"))
    with logs[0].open("a") as file:
        file.write(line.format("in one"))
    subject = read_subject(tmp_path / "study")
    lines = next(block.lines for block in warnings_section(subject).blocks if isinstance(block, Listing))
    one = logs[0].parent.relative_to(tmp_path / "study").as_posix()
    assert "all runs: in every run" in lines
    assert f"{one}: in one" in lines
    (several,) = [text for text in lines if text.endswith(" and 1 more: in the classifiers")]
    assert several.count("/lin") == 3
