"""Chains of jobs: what is found before they start, and where each takes its checkpoint from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rhovideo.config import ConfigError
from rhovideo.config.files.reading import load
from rhovideo.config.task_defaults import MEASURES
from rhovideo.errors import JobError
from rhovideo.launch.before_start import Start, check_before_start
from rhovideo.launch.chains import check_chain, checkpoint_source, with_checkpoint
from rhovideo.launch.plan import make_plan


def check(*names, overrides=()):
    """Plan and check these tasks' configurations; the chain."""
    plan = make_plan([f"{name}.yaml" for name in names], overrides)
    check_before_start(Start(plan, "local"), without=["lists", "the network", "this machine"])
    return plan.cells[0].jobs


def test_lists_that_are_missing_are_told_before_anything_starts(jobs_folder):
    (jobs_folder / "val.csv").unlink()
    with pytest.raises(ConfigError) as error:
        check("pretrain", "linear", "finetune", overrides=["TRAIN.EVAL_PERIOD", "5"])
    assert [(p.key, p.origin.file) for p in error.value.problems] == [
        ("DATA.PATH_TO_DATA_DIR", f"{task}.yaml") for task in ("pretrain", "linear", "finetune")
    ]
    check("pretrain", "linear", overrides=["TRAIN.EVAL_PERIOD", "0"])


def test_list_without_labels_needs_no_validation_set(jobs_folder):
    (jobs_folder / "val.csv").unlink()
    (jobs_folder / "train.csv").write_text("video 1.mp4\n")
    check("pretrain")


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_folder_of_the_lists_must_be_there(folder, jobs_folder):
    with pytest.raises(ConfigError, match=r"DATA.PATH_TO_DATA_DIR(.|\n)*rhovideo index"):
        check("pretrain", overrides=["DATA.PATH_TO_DATA_DIR", folder])


def test_two_jobs_with_one_output_folder_stop(jobs_folder):
    told = r"OUTPUT_DIR: pretrain.yaml and linear.yaml would both write to out/both.*\n +Write --study out/both "
    with pytest.raises(ConfigError, match=told):
        check("pretrain", "linear", overrides=["OUTPUT_DIR", "out/both"])
    check("pretrain", overrides=["OUTPUT_DIR", "out/both"])


def test_checkpoint_that_is_missing_names_the_one_beside_it(jobs_folder):
    (jobs_folder / "checkpoint_epoch_00200.pyth").touch()
    with pytest.raises(ConfigError, match=r"Write checkpoint_epoch_00200.pyth"):
        check("linear", overrides=["TRAIN.CHECKPOINT_FILE_PATH", "checkpoint_epoch_0200.pyth"])
    linear = load("linear.yaml", ["TRAIN.CHECKPOINT_FILE_PATH", "out/pretrain/checkpoints/x.pyth"])
    assert check_chain([load("pretrain.yaml"), linear]) == []


def test_a_classifier_on_random_weights_is_warned_of_where_no_job_before_it_makes_some(jobs_folder):
    (warning,) = check_chain([load("linear.yaml")])
    assert (warning.key, warning.severity) == ("TRAIN.CHECKPOINT_FILE_PATH", "warning")
    assert "random weights" in warning.wrong
    assert check_chain([load("pretrain.yaml"), load("linear.yaml")]) == []


def test_task_that_measures_needs_a_checkpoint(jobs_folder):
    for task in MEASURES:
        with pytest.raises(ConfigError, match=r"TEST.CHECKPOINT_FILE_PATH"):
            check(task)
    check("pretrain", "knn", "extract")
    check("linear", "test")
    (jobs_folder / "out/trained/checkpoints").mkdir(parents=True)
    (jobs_folder / "out/trained/checkpoints/checkpoint_epoch_00002.pyth").touch()
    check("linear", overrides=["TRAIN.ENABLE", "False", "OUTPUT_DIR", "out/trained"])


@pytest.mark.parametrize(
    ("names", "key", "source"),
    [
        (["pretrain", "linear"], "TRAIN", "pretrain"),
        (["pretrain", "linear", "finetune"], "TRAIN", "pretrain"),
        (["pretrain", "linear", "test"], "TEST", "linear"),
        (["pretrain", "linear", "knn"], "TEST", "pretrain"),
    ],
)
def test_later_job_takes_the_newest_checkpoint_of_an_earlier_one(names, key, source, jobs_folder):
    for task in names[:-1]:
        folder = jobs_folder / "out" / task / "checkpoints"
        folder.mkdir(parents=True)
        for name in ("epoch_00001", "epoch_00001_step_0000003"):
            (folder / f"checkpoint_{name}.pyth").touch()
    jobs = check(*names)
    cfg = with_checkpoint(jobs[-1].cfg, checkpoint_source(jobs, len(jobs) - 1))
    assert cfg[key].CHECKPOINT_FILE_PATH == f"out/{source}/checkpoints/checkpoint_epoch_00001_step_0000003.pyth"
    assert cfg.is_frozen()


def test_checkpoint_that_was_written_down_stays(jobs_folder):
    (jobs_folder / "mine.pyth").touch()
    jobs = [load("pretrain.yaml"), load("linear.yaml", ["TRAIN.CHECKPOINT_FILE_PATH", "mine.pyth"])]
    assert with_checkpoint(jobs[1].cfg, checkpoint_source(jobs, 1)).TRAIN.CHECKPOINT_FILE_PATH == "mine.pyth"


def test_earlier_job_without_checkpoint_stops_the_later_one(jobs_folder):
    jobs = check("pretrain", "linear")
    with pytest.raises(JobError, match=r"TRAIN.CHECKPOINT_FILE_PATH is empty.* no checkpoint in out/pretrain"):
        with_checkpoint(jobs[1].cfg, checkpoint_source(jobs, 1))


def test_folder_that_cannot_be_made_is_told(jobs_folder):
    (jobs_folder / "file").touch()
    with pytest.raises(ConfigError, match=r"OUTPUT_DIR: .*file is a file, not a folder"):
        check("pretrain", overrides=["OUTPUT_DIR", "file/deep/run"])


def test_folder_that_is_not_ours_is_told(jobs_folder, monkeypatch):
    # Root may write everywhere, so the kernel's answer is put in.
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != jobs_folder)
    with pytest.raises(ConfigError, match=rf"OUTPUT_DIR: you may not write to {jobs_folder}"):
        check("pretrain", overrides=["OUTPUT_DIR", "new/run"])


@pytest.mark.parametrize(
    ("names", "key", "folder"),
    [
        (["pretrain", "linear"], "TRAIN.CHECKPOINT_FILE_PATH", "out/pretrain"),
        (["pretrain", "linear", "test"], "TEST.CHECKPOINT_FILE_PATH", "out/linear"),
        (["pretrain", "linear", "finetune", "test"], "TEST.CHECKPOINT_FILE_PATH", "out/finetune"),
        (["pretrain", "linear", "knn"], "TEST.CHECKPOINT_FILE_PATH", "out/pretrain"),
    ],
)
def test_source_of_a_checkpoint_is_known_before_it_is_written(names, key, folder, jobs_folder):
    jobs = check(*names)
    assert checkpoint_source(jobs, len(jobs) - 1) == (key, Path(folder))
    assert checkpoint_source(jobs, 0) is None


def test_planning_needs_no_torch(jobs_folder):
    code = (
        # NumPy reads the lists, to which keys are fitted.
        "import sys; sys.modules['torch'] = None\n"
        "from rhovideo.launch.before_start import *; from rhovideo.launch.plan import *\n"
        "from rhovideo.launch.chains import checkpoint_source\n"
        "plan = make_plan(['pretrain.yaml', 'linear.yaml'], sweep='SOLVER.BASE_LR=1,2', study='s', slurm=True)\n"
        "check_before_start(Start(plan, 'slurm'), dry_run=True, without=['lists']); write_study_record(plan)\n"
        "print(checkpoint_source(plan.cells[1].jobs, 1)[1])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(root)}, capture_output=True, text=True)
    assert done.stdout == "s/BASE_LR=2/pretrain\n", done.stderr
