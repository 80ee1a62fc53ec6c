"""What a resume on other machines keeps."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
from dataclasses import replace

import pytest

from rhovideo.config import ConfigError, load_cfg
from rhovideo.config.files.reading import load
from rhovideo.engine.checkpoints.resuming import settle
from rhovideo.engine.log.json_stats import read_json_stats
from rhovideo.errors import JobError
from rhovideo.runs.first_launch import FirstLaunch, adapt, as_resumed, read_first_launch, write_first_launch
from rhovideo.runs.folder import checkpoint_path, list_checkpoints
from tests.configured_runs import METHOD_KEYS, final_state, finish, run, start, write_config

KEYS = ["TRAIN.DTYPE", "float64", "BN.NORM_TYPE", "sync_batchnorm", "BN.GLOBAL_SYNC", True, "TRAIN.EVAL_PERIOD", 0]
KEYS += ["CONTRASTIVE.TYPE", "moco", *METHOD_KEYS["moco"], "DATA.TRAIN_CROP_NUM_TEMPORAL", 2, "TRAIN.BATCH_SIZE", 4]
STOPPED_AT = "checkpoint_epoch_00001_step_0000001.pyth"


@pytest.fixture(scope="module")
def on_two_machines(tmp_path_factory, synthetic_set):
    """A run on two machines of one process each, with all its checkpoints."""
    folder = tmp_path_factory.mktemp("two")
    config = write_config(folder / "run.yaml", folder / "out", "pretrain")
    keys = [*KEYS, "DATA.PATH_TO_DATA_DIR", synthetic_set]
    kept = ["TRAIN.CHECKPOINT_MINUTES", 1e-6, "TRAIN.CHECKPOINT_KEEP", 0, "NUM_SHARDS", 2]
    with socket.socket() as free, pytest.MonkeyPatch.context() as patch:
        free.bind(("127.0.0.1", 0))
        words = {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_ADDR": "127.0.0.1"}
        for name, value in {**words, "MASTER_PORT": free.getsockname()[1]}.items():
            patch.setenv(name, str(value))
        free.close()
        processes = []
        for rank in (0, 1):
            patch.setenv("RANK", str(rank))
            processes.append(start([config], *keys, *kept))
    for process in processes:
        finish(process)
    return keys, folder / "out"


@pytest.mark.parametrize("processes", [1, 4])
def test_run_resumed_on_one_machine_goes_on_as_on_two(processes, on_two_machines, tmp_path):
    keys, whole = on_two_machines
    shutil.copytree(whole, tmp_path / "out")
    (tmp_path / "out/json_stats.log").unlink()
    for path in list_checkpoints(tmp_path / "out"):
        if path.name > STOPPED_AT:
            path.unlink()
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    said = run([config], *keys, "NUM_CPU_PROCESSES", processes)
    assert re.search(r"Resuming from .*: in epoch \d+/2 after iter 1/\d+\n", said)
    assert f"TRAIN.BATCH_SIZE is 8 now, {8 // processes} videos for each process" in said
    expected = {(x["epoch"], x["iter"]): x for x in losses(whole)}
    resumed = losses(tmp_path / "out")
    assert [(x["epoch"], x["iter"]) for x in resumed] == [("2/2", "2/3"), ("2/2", "3/3")]
    for line in resumed:
        assert line["loss"] == pytest.approx(expected[line["epoch"], line["iter"]]["loss"], rel=2e-6)
    one, two = final_state(whole)["model_state"], final_state(tmp_path / "out")["model_state"]
    for name, value in one.items():
        difference = (two[name].double() - value.double()).norm()
        assert difference <= 1e-8 * (1 + value.double().norm()), name


def losses(folder):
    return [line for line in read_json_stats(folder / "json_stats.log") if line["_type"] == "train_iter"]


@pytest.fixture
def first(tmp_path):
    """Begun on 2 machines x 2 processes, and saved once."""
    launch = FirstLaunch(global_batch=32, learning_rate_factor=2.0, num_shards=2, processes=4, seed=1)
    write_first_launch(tmp_path, launch)
    path = checkpoint_path(tmp_path, 0, 3)
    path.parent.mkdir()
    path.touch()
    return launch


def configuration(folder, *words):
    base = ["TASK", "pretrain", "CONTRASTIVE.TYPE", "simclr", "OUTPUT_DIR", str(folder), "NUM_GPUS", 0]
    return load_cfg(None, [*base, "TRAIN.BATCH_SIZE", 16, *words])


@pytest.mark.parametrize(
    ("shards", "processes", "written", "batch", "warned"),
    [
        (2, 4, 16, 16, False),
        (1, 2, 16, 32, False),  # as written for the first launch
        (1, 2, 32, 32, False),  # as the person has derived it
        (4, 8, 16, 8, False),
        (2, 4, 24, 16, True),
        (4, 8, 16 * 4, 8, True),
    ],
)
def test_batch_of_a_machine_follows_from_the_global_batch(shards, processes, written, batch, warned, first, tmp_path):
    cfg = configuration(tmp_path, "NUM_SHARDS", shards, "TRAIN.BATCH_SIZE", written)
    settled, _, warnings = adapt(cfg, first, processes)
    assert settled.TRAIN.BATCH_SIZE == batch
    assert cfg.TRAIN.BATCH_SIZE == written
    assert bool(warnings) == warned
    for warning in warnings:
        assert f"TRAIN.BATCH_SIZE {written}" in warning
        assert "global batch of 32" in warning
        assert "OUTPUT_DIR" in warning


def test_checks_see_the_batch_that_a_resume_keeps(first, tmp_path):
    keys = ["TASK", "pretrain", "OUTPUT_DIR", str(tmp_path), "NUM_GPUS", 0, "CONTRASTIVE.QUEUE_LEN", 64]
    keys += ["NUM_SHARDS", 4, "TRAIN.BATCH_SIZE", 32]
    with pytest.raises(ConfigError, match="64 is not a multiple of the global batch of 128"):
        load(None, keys)
    assert load(None, keys, resumed=as_resumed).cfg.TRAIN.BATCH_SIZE == 32
    with pytest.raises(ConfigError, match="64 is not a multiple of the global batch of 128"):
        load(None, [*keys, "TRAIN.AUTO_RESUME", False], resumed=as_resumed)


def test_processes_that_cannot_share_the_batch_are_told_how_many_can(first, tmp_path):
    with pytest.raises(JobError, match=r"global batch of 32, which 3 processes.*make 1, 2, 4, 8, 16, 32 in all"):
        adapt(configuration(tmp_path), first, 3)
    cfg = configuration(tmp_path, "CONTRASTIVE.TYPE", "moco", "TRAIN.ACCUMULATE_STEPS", 4)
    with pytest.raises(JobError, match=r"16 processes cannot share evenly in 4 micro-batches.*make 1, 2, 4, 8 in all"):
        adapt(cfg, first, 16)


def test_rates_and_seed_are_those_of_the_first_launch(first, tmp_path, caplog):
    keys = ["SOLVER.BASE_LR_SCALE_NUM_SHARDS", True, "RNG_SEED", 7]
    with caplog.at_level(logging.INFO, "rhovideo"):
        cfg, factor = settle(configuration(tmp_path, *keys))
    assert (cfg.RNG_SEED, factor) == (1, 2.0)
    assert "RNG_SEED 7 is not used" in caplog.text
    assert "multiplied by 2, as at first, not by 1" in caplog.text
    # Batch norm of its own in each process: that cannot stay.
    assert "differs from the run with as many processes as before: the encoder's batch norm" in caplog.text


def test_first_launch_is_that_of_the_first_checkpoint(tmp_path):
    settle(configuration(tmp_path))
    assert read_first_launch(tmp_path) is None
    settle(configuration(tmp_path, "TRAIN.BATCH_SIZE", 8, "SOLVER.BASE_LR_BATCH", 32))
    checkpoint_path(tmp_path, 1, 0).parent.mkdir()
    checkpoint_path(tmp_path, 1, 0).touch()
    assert read_first_launch(tmp_path).global_batch == 8
    settle(configuration(tmp_path))
    assert read_first_launch(tmp_path) == FirstLaunch(8, 0.25, 1, 1, 1, "")
    settle(configuration(tmp_path, "TRAIN.AUTO_RESUME", False))
    assert read_first_launch(tmp_path).global_batch == 16


@pytest.mark.parametrize(
    ("later", "told"),
    [
        ("weights.pyth", ""),
        ("", ""),
        ("other.pyth", "other.pyth is not used: this run began from"),
        ("byol_slow_r50_8x8_rho4", "byol_slow_r50_8x8_rho4 is not used: this run began from"),
        ("anew", "weights.pyth was written again since this run began from it"),
    ],
)
def test_resume_tells_that_other_weights_do_not_count(later, told, tmp_path, caplog):
    weights = tmp_path / "weights.pyth"
    weights.write_bytes(b"first")
    checkpoint_path(tmp_path / "out", 1, 0).parent.mkdir(parents=True)
    settle(configuration(tmp_path / "out", "TRAIN.CHECKPOINT_FILE_PATH", str(weights)))
    checkpoint_path(tmp_path / "out", 1, 0).touch()
    (tmp_path / "other.pyth").touch()
    os.utime(weights, (2, 2))  # which says nothing
    if later == "anew":
        weights.write_bytes(b"again")
        os.utime(weights, (1, 1))
    named = {"anew": weights, "": ""}.get(later, tmp_path / later if later.endswith(".pyth") else later)
    with caplog.at_level(logging.WARNING, "rhovideo"):
        settle(configuration(tmp_path / "out", "TRAIN.CHECKPOINT_FILE_PATH", str(named)))
    if told:
        assert told in caplog.text
        assert "goes on from its own checkpoints" in caplog.text
    else:
        assert "CHECKPOINT_FILE_PATH" not in caplog.text


def test_a_classifier_does_not_go_on_from_one_of_other_weights(tmp_path):
    """Its number would stand for the encoder that the configuration names."""
    words = ["TASK", "linear", "MODEL.NUM_CLASSES", 3, "TRAIN.CHECKPOINT_FILE_PATH"]
    for number, name in enumerate(("first.pyth", "second.pyth", "moved.pyth")):
        (tmp_path / name).write_text(f"weights {number % 2}")
        os.utime(tmp_path / name, (1, 1))
    checkpoint_path(tmp_path / "out", 1, 0).parent.mkdir(parents=True)
    settle(configuration(tmp_path / "out", *words, str(tmp_path / "first.pyth")))
    checkpoint_path(tmp_path / "out", 1, 0).touch()
    with pytest.raises(JobError, match=r"second\.pyth is not used: this run began from .*first\.pyth.*remove"):
        settle(configuration(tmp_path / "out", *words, str(tmp_path / "second.pyth")))
    settle(configuration(tmp_path / "out", *words, str(tmp_path / "moved.pyth")))


def test_record_of_an_earlier_version_says_nothing_of_weights(first, tmp_path):
    cfg = configuration(tmp_path, "TRAIN.CHECKPOINT_FILE_PATH", "byol_slow_r50_8x8_rho4")
    assert adapt(cfg, first, 4)[2] == []


def test_where_a_record_has_a_time_alone_the_time_decides_and_is_said(first, tmp_path):
    weights = tmp_path / "weights.pyth"
    weights.write_bytes(b"first")
    earlier = replace(first, weights=str(weights), weights_written=weights.stat().st_mtime)
    cfg = configuration(tmp_path, "TRAIN.CHECKPOINT_FILE_PATH", str(weights))
    assert adapt(cfg, earlier, 4)[2] == []
    os.utime(weights, (1, 1))
    (warning,) = adapt(cfg, earlier, 4)[2]
    assert "so says its time stamp: an earlier version wrote first_launch.json, without a hash" in warning


def test_damaged_file_is_named(first, tmp_path):
    (tmp_path / "first_launch.json").write_text(json.dumps({"global_batch": 3}))
    with pytest.raises(JobError, match=r"first_launch.json: cannot be read.*Remove it"):
        read_first_launch(tmp_path)
