"""Chains with jobs that fail."""

from __future__ import annotations

import logging
import os
import random
import warnings

import numpy as np
import torch

from rhovideo.cli import main
from rhovideo.engine.log.logging_setup import set_up_logging
from rhovideo.launch.local.traces import leaving_no_trace
from tests.configured_runs import write_weights_of_nan
from tests.launch.local.chains import write_configs


def test_only_jobs_that_need_the_failed_one_are_left_out(tmp_path, synthetic_set, monkeypatch, capfd):
    """The linear classifier cannot read its videos. Its test has no weights; the other measurements have theirs."""
    monkeypatch.chdir(tmp_path)
    configs = write_configs(tmp_path, synthetic_set, "pretrain", "linear", "test", "knn", "finetune")
    broken = tmp_path / "broken"
    broken.mkdir()
    for split in ("train", "val", "test"):
        names = [f"{split}{number}.mp4" for number in range(8)]
        for name in names:
            (broken / name).touch()
        (broken / f"{split}.csv").write_text("".join(f"{name} 0\n" for name in names))
    with (tmp_path / "linear.yaml").open("a") as file:
        file.write(f"DATA: {{PATH_TO_DATA_DIR: {broken}}}\n")
    assert main(["run", "--cfg", *configs, "--study", "study"]) == 1
    done = {name for name in os.listdir("study") if (tmp_path / "study" / name / "results.json").exists()}
    assert done == {"pretrain", "knn", "finetune"}
    said = capfd.readouterr().err
    assert said.splitlines()[-1] == f"rhovideo: {configs[1]} failed; not run: {configs[2]}"
    assert not (tmp_path / "study/test").exists()


def test_nothing_runs_on_the_weights_of_a_failed_pretraining(tmp_path, synthetic_set, monkeypatch, capfd):
    """Neither a job that takes them itself, nor one that takes those of a job that was not run."""
    monkeypatch.chdir(tmp_path)
    configs = write_configs(tmp_path, synthetic_set, "pretrain", "linear", "test")
    write_weights_of_nan(tmp_path / "nan.pyth", tmp_path / "pretrain.yaml")
    with (tmp_path / "pretrain.yaml").open("a") as file:
        file.write("TRAIN: {CHECKPOINT_FILE_PATH: nan.pyth}\n")
    assert main(["run", "--cfg", *configs, "--study", "study"]) == 1
    assert capfd.readouterr().err.endswith(f"{configs[0]} failed; not run: {configs[1]}, {configs[2]}\n")


def test_a_job_leaves_no_trace_in_its_process(tmp_path, monkeypatch):
    monkeypatch.setenv("KEPT", "before")
    monkeypatch.chdir(tmp_path)
    inner = tmp_path / "inner"
    inner.mkdir()

    def state():
        return (
            *(torch.rand(1).item(), np.random.random(), random.random()),  # noqa: NPY002
            *(torch.get_num_threads(), torch.get_default_dtype(), torch.get_float32_matmul_precision()),
            *(torch.backends.mkldnn.enabled, torch.backends.cudnn.benchmark, torch.is_grad_enabled()),
            *(torch.are_deterministic_algorithms_enabled(), dict(os.environ), os.getcwd(), list(warnings.filters)),
            *(list(logging.getLogger("rhovideo").handlers),),
        )

    def first_state():
        with leaving_no_trace():
            return state()

    before = first_state()
    with leaving_no_trace():
        set_up_logging(tmp_path / "run")
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002
        random.seed(5)
        torch.set_num_threads(before[3] + 1)
        torch.set_default_dtype(torch.float64)
        torch.set_float32_matmul_precision("medium")
        torch.backends.mkldnn.enabled = not before[6]
        torch.backends.cudnn.benchmark = not before[7]
        torch.set_grad_enabled(False)
        torch.use_deterministic_algorithms(True)
        os.environ.update({"KEPT": "after", "NEW": "1"})
        os.chdir(inner)
        warnings.simplefilter("error")
        assert all(one != other for one, other in zip(before, state(), strict=True))
    assert first_state() == before
