"""The loop all trainings share, on real videos and in this process unless several are needed."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from rhovideo.cli import main
from rhovideo.config import load_cfg
from rhovideo.data.loading import shuffling
from rhovideo.data.loading.loader import build_loader
from rhovideo.data.loading.workers import worker_count
from rhovideo.engine import run as engine_run
from rhovideo.engine.checkpoints.checkpoint import CheckpointError
from rhovideo.engine.device_inputs import autocast, job_device
from rhovideo.engine.log.json_stats import read_json_stats
from rhovideo.engine.run import run
from rhovideo.engine.tasks.pretrain import PretrainTask
from rhovideo.engine.trainer import Trainer, TrainingStopped
from rhovideo.runs.folder import checkpoint_path
from rhovideo.runs.lock import held
from tests.configured_runs import METHOD_KEYS, final_state, finish, start, write_config, write_weights_of_nan

BYOL = ["CONTRASTIVE.TYPE", "byol", *METHOD_KEYS["byol"]]


def test_loss_that_is_not_finite_stops_with_the_videos(configure, tmp_path):
    cfg = configure("pretrain", *BYOL, "SOLVER.BASE_LR", 1e30, "SOLVER.WARMUP_EPOCHS", 0.0)
    with pytest.raises(TrainingStopped, match=r"not finite at epoch 1, step 2") as stopped:
        run(cfg)
    named = [line.strip() for line in str(stopped.value).splitlines() if line.strip().endswith(".mp4")]
    assert len(named) == cfg.TRAIN.BATCH_SIZE
    assert "SOLVER.BASE_LR" in str(stopped.value)


def test_all_processes_stop_when_too_many_videos_are_broken(tmp_path, synthetic_set):
    lines = (synthetic_set / "train.csv").read_text().splitlines()
    data = tmp_path / "data"
    shutil.copytree(synthetic_set, data)
    broken = [f"missing_{number}.mp4 0" for number in range(40)]
    (data / "train.csv").write_text("\n".join(lines * 5 + broken) + "\n")
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    process = start([config], "DATA.PATH_TO_DATA_DIR", data, *BYOL, "NUM_CPU_PROCESSES", 2, "SOLVER.MAX_EPOCH", 9)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "DATA.MAX_BAD_VIDEO_SHARE" in output
    listed = [json.loads(line) for line in (tmp_path / "out/bad_videos.jsonl").read_text().splitlines()]
    paths = [entry["path"] for entry in listed]
    assert len(paths) == len(set(paths)) > 10
    assert all("missing_" in path for path in paths)


def test_few_broken_videos_are_replaced_and_listed(configure, tmp_path, synthetic_set):
    data = tmp_path / "data"
    shutil.copytree(synthetic_set, data)
    victim = next((data / "train").rglob("*.mp4"))
    victim.write_bytes(b"nothing to see")
    cfg = configure("pretrain", *BYOL, "DATA.PATH_TO_DATA_DIR", data)
    run(cfg)
    listed = [json.loads(line) for line in (tmp_path / "out/bad_videos.jsonl").read_text().splitlines()]
    assert [entry["path"] for entry in listed] == [str(victim)]
    assert final_state(tmp_path / "out")["epoch"] == cfg.SOLVER.MAX_EPOCH


def linear_steps(configure, tmp_path, output, *overrides):
    """State after a linear training in float64 without momentum in the head's way."""
    keys = ["TRAIN.DTYPE", "float64", "TEST.ENABLE", False, "TRAIN.EVAL_PERIOD", 0, "MODEL.DROPOUT_RATE", 0.0]
    run(configure("linear", *keys, *overrides, output=output))
    return final_state(tmp_path / output)["model_state"]


def test_accumulated_micro_batches_make_the_same_step(configure, tmp_path):
    whole = linear_steps(configure, tmp_path, "whole")
    parts = linear_steps(configure, tmp_path, "parts", "TRAIN.ACCUMULATE_STEPS", 4)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-10, atol=1e-12)


def test_bank_holds_each_video_with_its_own_embedding(configure):
    """Also where a step takes several micro-batches: each is put in while its embeddings are at hand."""
    cfg = configure("pretrain", *BYOL, "TRAIN.ACCUMULATE_STEPS", 2)
    loader = build_loader(cfg, "train", "pretrain")
    trainer = Trainer(cfg, PretrainTask(cfg, loader), loader)
    trainer.task.model.train()
    batches = iter(loader.epoch(0))
    micro_batches = [next(batches), next(batches)]
    embeddings = []
    losses = trainer.task.losses

    def losses_noting_embeddings(batch, progress):
        yield from losses(batch, progress)
        embeddings.append(trainer.task.model.embeddings)

    trainer.task.losses = losses_noting_embeddings
    trainer._train_step(micro_batches)
    bank = trainer.task.bank
    for batch, expected in zip(micro_batches, embeddings, strict=True):
        torch.testing.assert_close(bank.embeddings[bank.rows(batch.index)], expected)


def test_linear_protocol_leaves_the_encoder_as_it_was(configure, tmp_path):
    one = linear_steps(configure, tmp_path, "one", "SOLVER.MAX_EPOCH", 1)
    two = linear_steps(configure, tmp_path, "two", "SOLVER.MAX_EPOCH", 2)
    for name in one:
        assert torch.equal(one[name], two[name]) == name.startswith("encoder."), name


def test_released_linear_protocol_moves_batch_norm_alone(configure, tmp_path):
    keys = ["MODEL.FROZEN_BN", False]
    one = linear_steps(configure, tmp_path, "one", *keys, "SOLVER.MAX_EPOCH", 1)
    two = linear_steps(configure, tmp_path, "two", *keys, "SOLVER.MAX_EPOCH", 2)
    moved = {name for name in one if name.startswith("encoder.") and not torch.equal(one[name], two[name])}
    buffers = {name for name in one if name.startswith("encoder.") and ("running_" in name or "num_batches" in name)}
    assert moved == buffers


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_mixed_precision_trains(configure, tmp_path, dtype):
    keys = ["TRAIN.MIXED_PRECISION", True, "TRAIN.AMP_DTYPE", dtype, "SOLVER.CLIP_GRAD_L2NORM", 1.0]
    run(configure("pretrain", *BYOL, *keys))
    state = final_state(tmp_path / "out")["model_state"]
    assert all(torch.isfinite(value).all() for value in state.values())
    # The share of the momentum is a number of the host, no weight.
    weights = [value for name, value in state.items() if value.is_floating_point() and name != "momentum.share"]
    assert all(value.dtype == torch.float32 for value in weights)
    told = f"TRAIN.MIXED_PRECISION is True in {dtype} on the CPU, where it can make a step ten times slower"
    assert (tmp_path / "out/stdout.log").read_text().count(told) == 1


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("gpus", [-1, 0])
def test_mixed_precision_of_a_machine_with_gpus_is_off_on_one_without(configure, tmp_path, monkeypatch, gpus, dtype):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    keys = ["TRAIN.MIXED_PRECISION", True, "TRAIN.AMP_DTYPE", dtype, "NUM_GPUS", gpus]
    cfg = configure("pretrain", *BYOL, *keys, "SOLVER.MAX_EPOCH", 1)
    with autocast(cfg, job_device(cfg)):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (torch.float32 if gpus else getattr(torch, dtype))
    run(cfg)
    assert bool(final_state(tmp_path / "out")["scaler_state"]) == (gpus == 0 and dtype == "float16")
    said = f"TRAIN.MIXED_PRECISION in {dtype} is for GPUs, and there is none: it is off"
    assert (said in (tmp_path / "out/stdout.log").read_text()) == (gpus == -1)


def test_gradient_is_clipped_to_the_norm(configure):
    cfg = configure("pretrain", *BYOL, "SOLVER.CLIP_GRAD_L2NORM", 0.01)
    loader = build_loader(cfg, "train", "pretrain")
    trainer = Trainer(cfg, PretrainTask(cfg, loader), loader)
    trainer.task.model.train()
    trainer._train_step([next(iter(loader.epoch(0)))])
    (decision,) = trainer.agreement.decide(newest=True)
    clipped = torch.cat([p.grad.flatten() for p in trainer.parameters if p.grad is not None]).norm()
    assert decision.values["grad_norm"] > 0.02
    torch.testing.assert_close(clipped, torch.tensor(0.01), rtol=1e-3, atol=0)


def test_moco_makes_no_step_while_its_queue_fills(configure, tmp_path):
    keys = ["CONTRASTIVE.TYPE", "moco", "CONTRASTIVE.QUEUE_LEN", 48, "CONTRASTIVE.MOCO_MULTI_VIEW_QUEUE", False]
    run(configure("pretrain", *keys, "SOLVER.MAX_EPOCH", 1, output="filling"))
    start_of_run = PretrainTask(cfg := configure("pretrain", *keys), build_loader(cfg, "train", "pretrain")).model
    state = final_state(tmp_path / "filling")["model_state"]
    for name, parameter in start_of_run.named_parameters():
        assert torch.equal(state[name], parameter), f"{name} moved while the queue was filling"


def test_log_says_what_a_user_watches(configure, tmp_path):
    run(configure("pretrain", *BYOL))
    text = (tmp_path / "out/stdout.log").read_text()
    assert "learning rate" in text
    assert "TASK pretrain on 1 process;" in text
    assert re.search(r"TASK pretrain is finished after 0:0.*results.json; checkpoint .*_00002.pyth$", text.rstrip())
    steps = [line for line in read_json_stats(tmp_path / "out/json_stats.log") if line["_type"] == "train_iter"]
    assert len(steps) == 6
    wanted = {
        "loss",
        "lr",
        "grad_norm",
        "embedding_std",
        "positive_similarity",
        "negative_similarity",
        "dt",
        "dt_data",
        "eta",
    }
    assert all(wanted <= line.keys() for line in steps)


def test_too_many_workers_are_told_once(configure, tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    run(configure("pretrain", *BYOL, "DATA_LOADER.NUM_WORKERS", 2, "SOLVER.MAX_EPOCH", 1))
    text = (tmp_path / "out/stdout.log").read_text()
    assert text.count("DATA_LOADER.NUM_WORKERS is 2, more than the 1 CPU core:") == 1
    assert not [warning for warning in recwarn if "worker processes" in str(warning.message)]


def test_who_says_nothing_of_workers_is_told_nothing_and_has_no_more_than_cores(configure, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
    cfg = configure("pretrain", *BYOL, "DATA_LOADER.NUM_WORKERS", "None", "SOLVER.MAX_EPOCH", 1)
    assert worker_count(cfg) == 1
    run(cfg)
    assert "NUM_WORKERS" not in (tmp_path / "out/stdout.log").read_text()
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)))
    assert worker_count(cfg) == 8
    for recipe in (Path(__file__).parents[2] / "configs").rglob("[!_]*.yaml"):
        if recipe.parent.name == "studies":
            continue
        assert load_cfg(recipe, videos=256).DATA_LOADER.NUM_WORKERS in (None, 0), recipe


def test_finished_run_started_again_reports_the_same_numbers(configure, tmp_path):
    cfg = configure("pretrain", *BYOL, "TRAIN.EVAL_PERIOD", 1)
    first = run(cfg)
    again = run(cfg)
    assert again["knn_top1"] == pytest.approx(first["knn_top1"], 1e-5)
    lines = read_json_stats(tmp_path / "out/json_stats.log")
    assert [line["epoch"] for line in lines if line["_type"] == "val_epoch"] == ["1/2", "2/2"]
    assert json.loads((tmp_path / "out/results.json").read_text())["knn_top1"] == pytest.approx(first["knn_top1"], 1e-5)


@pytest.mark.parametrize("labels_of_pairs", [False, True])
def test_a_validation_video_that_is_trained_on_is_not_its_own_neighbour(
    configure, tmp_path, synthetic_set, labels_of_pairs
):
    """As in TASK knn. With a class for each video no other one has its class."""
    videos = [line.split()[0] for line in (synthetic_set / "train.csv").read_text().splitlines()]
    lists = tmp_path / "lists"
    lists.mkdir()
    for split in ("train", "val"):
        lines = (f"{synthetic_set}/{path} {0 if labels_of_pairs else k}\n" for k, path in enumerate(videos))
        (lists / f"{split}.csv").write_text("".join(lines))
    words = ["DATA.PATH_TO_DATA_DIR", lists, "KNN.K", 1, "SOLVER.MAX_EPOCH", 1, "TRAIN.EVAL_PERIOD", 1]
    assert run(configure("pretrain", *BYOL, *words))["knn_top1"] == (100 if labels_of_pairs else 0)


def test_checkpoint_of_another_model_is_refused(configure, tmp_path):
    run(configure("pretrain", *BYOL))
    (tmp_path / "out/results.json").unlink()  # as a run that is not finished
    with pytest.raises(RuntimeError, match=r"OUTPUT_DIR.*AUTO_RESUME") as refused:
        run(configure("pretrain", *BYOL, "CONTRASTIVE.DIM", 4, "SOLVER.MAX_EPOCH", 3))
    assert "checkpoint_epoch_00002" in str(refused.value)


def test_job_that_is_started_again_when_done_keeps_its_results(configure, tmp_path):
    cfg = configure("pretrain", *BYOL)
    first = run(cfg)
    assert "knn_top1" in first
    again = run(cfg)
    assert again.keys() == first.keys()
    for name, value in first.items():
        assert again[name] == pytest.approx(value, 1e-5)
    assert json.loads((tmp_path / "out/results.json").read_text())["knn_top1"] == pytest.approx(first["knn_top1"], 1e-5)
    (*_, last) = read_json_stats(tmp_path / "out/json_stats.log")
    assert last["epoch"] == "2/2"


def test_checkpoint_inside_an_epoch_of_other_steps_is_refused(configure, tmp_path, synthetic_set):
    keys = [*BYOL, "TRAIN.CHECKPOINT_MINUTES", 1e-6, "TRAIN.CHECKPOINT_KEEP", 0, "TRAIN.EVAL_PERIOD", 0]
    run(configure("pretrain", *keys))
    for path in (tmp_path / "out/checkpoints").iterdir():
        if path.name != "checkpoint_epoch_00001_step_0000002.pyth":
            path.unlink()
    data = tmp_path / "data"
    shutil.copytree(synthetic_set, data)
    lines = (data / "train.csv").read_text().splitlines(keepends=True)
    (data / "train.csv").write_text("".join(lines + lines[:8]))
    (tmp_path / "out/history.jsonl").unlink()  # As an older rhovideo left the run: the videos are not known.
    (tmp_path / "out/results.json").unlink()  # as a run that is not finished
    with pytest.raises(CheckpointError, match=r"24 videos in steps of 8.*32 videos in steps of 8.*list of videos"):
        run(configure("pretrain", *keys, "DATA.PATH_TO_DATA_DIR", data))


def test_validation_that_cannot_be_read_gives_no_accuracy(configure, tmp_path, synthetic_set):
    data = tmp_path / "data"
    shutil.copytree(synthetic_set, data)
    (data / "val.csv").write_text("missing.mp4 0\n")
    results = run(configure("linear", "DATA.PATH_TO_DATA_DIR", data, "TEST.ENABLE", False))
    assert math.isnan(results["top1"])
    assert "top5" not in results


def test_what_was_foreseen_is_told_without_a_traceback(tmp_path, synthetic_set, capsys):
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "linear")
    weights = write_weights_of_nan(tmp_path / "nan.pyth", config)
    words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "TRAIN.CHECKPOINT_FILE_PATH", weights]
    assert main(["run", "--cfg", str(config), *map(str, words)]) == 1
    told = capsys.readouterr().err
    assert "holds NaN or infinity, and no weights" in told
    assert "Traceback" not in told


def test_two_processes_train_as_one_does(configure, tmp_path, synthetic_set):
    keys = ["TRAIN.DTYPE", "float64", "BN.NORM_TYPE", "sync_batchnorm", "BN.GLOBAL_SYNC", True, "TRAIN.EVAL_PERIOD", 0]
    keys += ["CONTRASTIVE.TYPE", "moco", *METHOD_KEYS["moco"], "DATA.TRAIN_CROP_NUM_TEMPORAL", 3]
    run(configure("pretrain", *keys, output="one"))
    config = write_config(tmp_path / "two.yaml", tmp_path / "two", "pretrain")
    finish(start([config], "DATA.PATH_TO_DATA_DIR", synthetic_set, *keys, "NUM_CPU_PROCESSES", 2))
    one, two = (final_state(tmp_path / output)["model_state"] for output in ("one", "two"))
    assert one.keys() == two.keys()
    for name, value in one.items():
        difference = (two[name].double() - value.double()).norm()
        assert difference <= 1e-8 * (1 + value.double().norm()), name


def test_resume_tells_of_other_settings_and_counts_a_bad_video_once(configure, tmp_path, synthetic_set):
    data = tmp_path / "data"
    shutil.copytree(synthetic_set, data)
    next((data / "train").rglob("*.mp4")).write_bytes(b"nothing to see")
    keys = [*BYOL, "DATA.PATH_TO_DATA_DIR", data, "TRAIN.EVAL_PERIOD", 0, "CONTRASTIVE.KNN_ON", False]
    run(configure("pretrain", *keys))
    before = final_state(tmp_path / "out")["videos"]
    assert before["bad"] == 1
    run(configure("pretrain", *keys, "SOLVER.MAX_EPOCH", 3, "SOLVER.BASE_LR", 0.005, "LOG_PERIOD", 5))
    after = final_state(tmp_path / "out")["videos"]
    # Distinct videos: the broken one is tried again in each epoch and each launch.
    assert (after["bad"], after["tried"]) == (1, 24)
    told = (tmp_path / "out/stdout.log").read_text()
    assert "from here on: SOLVER.BASE_LR 0.01 -> 0.005; SOLVER.MAX_EPOCH 2 -> 3. To" in told


def test_the_middle_of_an_epoch_is_not_resumed_in_another_order(configure, tmp_path, monkeypatch):
    keys = [*BYOL, "TRAIN.EVAL_PERIOD", 0, "CONTRASTIVE.KNN_ON", False]
    run(configure("pretrain", *keys))
    state, checkpoints = final_state(tmp_path / "out"), tmp_path / "out/checkpoints"
    # As an older rhovideo wrote it.
    assert state["epoch_layout"] == {"videos": 24, "global_batch": 8}
    state |= {"epoch": 1, "step": 2, "global_step": state["global_step"] // 2 + 2}
    for path in checkpoints.iterdir():
        path.unlink()
    middle = checkpoint_path(tmp_path / "out", 1, 2)
    torch.save(state, middle)
    with monkeypatch.context() as computed:
        computed.setattr(shuffling, "_DRAWN_UP_TO", 23)
        with pytest.raises(CheckpointError, match=r"24 videos in steps of 8, and .* of 8, in keyed order now.*rem"):
            run(configure("pretrain", *keys))
        middle.unlink()
        run(configure("pretrain", *keys))
        assert final_state(tmp_path / "out")["epoch_layout"]["order"] == "keyed"
    for path in checkpoints.iterdir():
        path.unlink()
    torch.save(state, middle)
    run(configure("pretrain", *keys))
    assert final_state(tmp_path / "out")["epoch"] == 2


def test_failure_is_in_the_log_of_the_run_that_failed_and_of_no_other(tmp_path, synthetic_set):
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "linear")
    weights = write_weights_of_nan(tmp_path / "nan.pyth", config)
    words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "TRAIN.CHECKPOINT_FILE_PATH", weights]
    assert main(["run", "--cfg", str(config), *map(str, words)]) == 1
    log = (tmp_path / "out/stdout.log").read_text()
    assert log.count("holds NaN or infinity, and no weights") == 1
    with held(tmp_path / "out"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine_run, "held", partial(held, patience=0.1))
        assert main(["run", "--cfg", str(config), *map(str, words)]) == 1
    assert (tmp_path / "out/stdout.log").read_text() == log


def test_log_gives_each_step_its_own_numbers_however_seldom_it_is_written(configure, tmp_path):
    """A line covers the steps since the last one; numbers that are read one step later are in the same line."""
    for period in (1, 2, 4):
        run(configure("pretrain", *BYOL, "TRAIN.BATCH_SIZE", 4, "LOG_PERIOD", period, output=str(period)))
    each, pairs, seldom = (read_json_stats(tmp_path / output / "json_stats.log") for output in ("1", "2", "4"))
    steps = [line for line in each if line["_type"] == "train_iter"]
    lines = [line for line in pairs if line["_type"] == "train_iter"]
    # The first step of a launch has a line whatever LOG_PERIOD is.
    assert [line["iter"] for line in lines] == ["1/6", "2/6", "4/6", "6/6", "2/6", "4/6", "6/6"]
    names = ("loss", "grad_norm", "embedding_std", "positive_similarity", "negative_similarity")
    for name in names:
        means = [(one[name] + two[name]) / 2 for one, two in zip(steps[::2], steps[1::2], strict=True)]
        assert [line[name] for line in lines[1:]] == pytest.approx(means, rel=1e-5)
        assert lines[0][name] == steps[0][name]
    epochs = [
        [[line[name] for name in names] for line in log if line["_type"] == "train_epoch"]
        for log in (each, pairs, seldom)
    ]
    assert epochs[0] == epochs[1] == epochs[2]
