"""``--dry-run`` says what the run would say, and what it has not looked at."""

from __future__ import annotations

import sys

import pytest
import torch

from rhovideo.cli import main
from tests.cli.test_cli import command

MOCO = ["CONTRASTIVE.TYPE", "moco", "CONTRASTIVE.QUEUE_LEN", 65536]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["NUM_GPUS", "2"], "NUM_GPUS: 2 GPUs are asked for, and this machine has none"),
        (["NUM_GPUS", "-1", "DATA.AUG_DEVICE", "gpu"], "DATA.AUG_DEVICE: gpu changes colour where the network is"),
        (["DATA.DECODING_BACKEND", "torchcodec"], "DATA.DECODING_BACKEND: torchcodec cannot be used here"),
        (["NUM_SHARDS", "2"], "NUM_SHARDS: a job of 2 machines cannot be started from one of them alone"),
    ],
)
@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_what_this_machine_lacks_stops_a_dry_run_as_it_stops_the_run(
    words, said, dry, jobs_folder, capsys, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    assert main(["run", "--cfg", "pretrain.yaml", *dry, "CONTRASTIVE.TYPE", "simclr", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "words", "said"),
    [
        (
            "linear.yaml",
            [],
            "linear.yaml:4: MODEL.NUM_CLASSES: train.csv: labels are 0 to 0, and MODEL.NUM_CLASSES is 400\n"
            "    Write MODEL.NUM_CLASSES 1",
        ),
        (
            "pretrain.yaml",
            MOCO,
            "command line: CONTRASTIVE.QUEUE_LEN: CONTRASTIVE.QUEUE_LEN is 65536, and an epoch of train.csv makes 128 "
            "keys",
        ),
    ],
)
def test_what_the_log_would_warn_of_is_told_before_without_torch(file, words, said, jobs_folder):
    done = command("run", "--cfg", file, "--dry-run", *words)
    assert done.returncode == 0, done.stderr
    assert f"rhovideo: warning: {said}" in done.stderr
    words = ["MODEL.NUM_CLASSES", 1] if file == "linear.yaml" else ["CONTRASTIVE.QUEUE_LEN", 64]
    key = said.split(": ")[1]
    assert f": {key}: " not in command("run", "--cfg", file, "--dry-run", *words).stderr


def test_each_job_in_a_line_between_its_keys_and_the_verdict(jobs_folder):
    (jobs_folder / "val.csv").write_text("a.mp4 0\n" * 5)
    held = jobs_folder / "out/pretrain/checkpoints"
    held.mkdir(parents=True)
    (held / "checkpoint_epoch_00003.pyth").touch()
    words = ["TRAIN.BATCH_SIZE", 32, "SOLVER.MAX_EPOCH", 12, "SOLVER.WARMUP_EPOCHS", 0, "TRAIN.EVAL_PERIOD", 5]
    words += ["CONTRASTIVE.TYPE", "simclr", "MODEL.NUM_CLASSES", 1, "NUM_CPU_PROCESSES", 2]
    done = command("run", "--cfg", "pretrain.yaml", "linear.yaml", "--dry-run", *words)
    first, second, _ = done.stderr.splitlines()[-3:]
    assert first == (
        "rhovideo: pretrain.yaml: TASK pretrain; videos: train 128, val 5; 12 epochs of 4 steps of 32 videos; "
        "2 processes on the CPU; writes to out/pretrain, from checkpoint_epoch_00003.pyth in it"
    )
    assert "TASK linear; videos: train 128, val 5, test 128; 12 epochs of 4 steps" in second
    done = command("run", "--cfg", "extract.yaml", "--dry-run", "NUM_GPUS", -1, "TEST.CHECKPOINT_FILE_PATH", "a.mp4")
    line = done.stderr.splitlines()[-2]
    assert "videos: test 128; a process on each GPU of this machine, or where it has none 1 process on the CPU" in line


def test_last_line_names_what_was_not_checked(jobs_folder, capsys):
    last = command("run", "--cfg", "pretrain.yaml", "--dry-run").stderr.splitlines()[-1]
    without = "the network, this machine and the checkpoints (torch cannot be imported: "
    assert f"; not checked: what the videos hold, the memory that it takes, {without}" in last
    assert last.startswith("rhovideo: checked: keys, run folders, files and lists; ")
    assert last.endswith("; nothing was started")
    assert main(["run", "--cfg", "pretrain.yaml", "--dry-run"]) == 0
    last = capsys.readouterr().err.splitlines()[-1]
    assert (
        "checked: keys, run folders, files, lists, the network, this machine and the checkpoints; not checked: what the"
        in last
    )
    assert "torch" not in last


def test_one_video_that_is_not_there_is_named_before_and_stops_nothing(jobs_folder):
    lines = ["a.mp4 0"] * 128
    lines[127] = "gone.mp4 0"
    (jobs_folder / "train.csv").write_text("\n".join(lines) + "\n")
    said = "pretrain.yaml:4 and linear.yaml:4: DATA.PATH_TO_DATA_DIR: train.csv: 1 of the 16 videos looked for is not"
    after = "gone.mp4 (line 128); training replaces such a video by another one\n"
    dry = command("run", "--cfg", "pretrain.yaml", "linear.yaml", "--dry-run")
    assert dry.returncode == 0
    assert dry.stderr.count(said) == dry.stderr.count(after) == 1
    # Where torch is not there, that is as far as the run itself comes.
    run = command("run", "--cfg", "pretrain.yaml")
    assert "warning: pretrain.yaml:4: DATA.PATH_TO_DATA_DIR: train.csv: 1 of the 16 videos" in run.stderr
    assert "torch cannot be imported" in run.stderr
    assert run.returncode == 2
    assert after in run.stderr


def test_of_several_that_are_not_there_the_first_is_named(jobs_folder):
    (jobs_folder / "test.csv").write_text("a.mp4 0\ngone.mp4 0\nlost.mp4 0\na.mp4 0\n")
    words = ["TEST.CHECKPOINT_FILE_PATH", "a.mp4", "MODEL.NUM_CLASSES", 1]
    shown = command("run", "--cfg", "test.yaml", "--dry-run", *words).stderr
    assert "test.csv: 2 of the 4 videos looked for are not there: the first is " in shown
    assert "gone.mp4 (line 2); such a video is left out of the numbers\n" in shown
