"""``--dry-run`` says what the run would say, and what it has not looked at."""

from __future__ import annotations

import sys

import pytest
import torch

from rhovideo.cli import main
from tests.test_cli import command

MOCO = ["CONTRASTIVE.TYPE", "moco", "CONTRASTIVE.QUEUE_LEN", 65536]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["NUM_GPUS", "2"], "NUM_GPUS: 2 GPUs are asked for, and this machine has none"),
        (["NUM_GPUS", "-1", "DATA.AUG_DEVICE", "gpu"], "DATA.AUG_DEVICE: gpu changes colour where the network is"),
        (["DATA.DECODING_BACKEND", "torchcodec"], "DATA.DECODING_BACKEND: torchcodec, which can't be used here"),
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
        ("linear.yaml", [], "train.csv: labels are 0 to 0, and MODEL.NUM_CLASSES is 400: write MODEL.NUM_CLASSES 1"),
        ("pretrain.yaml", MOCO, "CONTRASTIVE.QUEUE_LEN is 65536, and an epoch of train.csv makes 128 keys"),
    ],
)
def test_what_the_log_would_warn_of_is_told_before_without_torch(file, words, said, jobs_folder):
    done = command("run", "--cfg", file, "--dry-run", *words)
    assert done.returncode == 0, done.stderr
    assert f"rhovideo: warning: {said}" in done.stderr
    words = ["MODEL.NUM_CLASSES", 1] if file == "linear.yaml" else ["CONTRASTIVE.QUEUE_LEN", 64]
    assert "warning" not in command("run", "--cfg", file, "--dry-run", *words).stderr


def test_last_line_names_what_was_not_looked_at(jobs_folder):
    last = command("run", "--cfg", "pretrain.yaml", "--dry-run").stderr.splitlines()[-1]
    assert "; not looked at: what the videos hold, the memory that it takes; nothing" in last
    last = command("run", "--cfg", "pretrain.yaml", "--dry-run", "NUM_GPUS", -1).stderr.splitlines()[-1]
    assert "; not looked at: what the videos hold, this machine's GPUs, the memory that it takes; nothing" in last
