"""A run that is asked to stop loses no step, and goes on to the same bits."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from rhovideo import stopping
from rhovideo.config import load_cfg
from rhovideo.engine import trainer
from rhovideo.engine.evaluation import evaluation_batches
from rhovideo.engine.log.json_stats import read_json_stats
from rhovideo.engine.run import run as run_here
from rhovideo.runs.folder import progress
from tests.configured_runs import METHOD_KEYS, final_state, run, start, write_config
from tests.engine.checkpoints.test_resume import assert_same

MOCO = ["CONTRASTIVE.TYPE", "moco", *METHOD_KEYS["moco"], "DATA.TRAIN_CROP_NUM_TEMPORAL", 2]
EPOCHS = 5


def steps_done(folder):
    path = folder / "json_stats.log"
    return [line for line in read_json_stats(path) if line["_type"] == "train_iter"] if path.exists() else []


def preempt(config, keys, folder, delay):
    """SIGTERM to the run and all of its children, ``delay`` seconds after its next step; how far it came."""
    code, said = interrupt(config, keys, folder, delay, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM, said
    assert "the same command goes on" in said
    assert "Traceback" not in said
    return progress(folder)


def interrupt(config, keys, folder, delay, number):
    """The exit code of a run that gets the signal, and what it said on stderr and stdout."""
    before = len(steps_done(folder))
    process = start([config], *keys)
    deadline = time.monotonic() + 120
    while len(steps_done(folder)) == before:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(delay)
    os.killpg(process.pid, number)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said


def test_ctrl_c_is_answered_by_what_comes_of_it_and_no_more(tmp_path, synthetic_set):
    keys = [*MOCO, "DATA.PATH_TO_DATA_DIR", synthetic_set, "SOLVER.MAX_EPOCH", 50, "TRAIN.EVAL_PERIOD", 0]
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    code, said = interrupt(config, keys, tmp_path / "out", 0, signal.SIGINT)
    assert code == 130
    after = said[said.index("train_iter: ") :]
    lines = [line for line in after.splitlines() if line.startswith("rhovideo: ")]
    assert len(lines) == 2, said
    assert "Ctrl-C: saving after this step or the next one (120 s at most" in lines[0]
    assert "which is saved; the same command goes on there" in lines[1]
    # In the words of the log's lines.
    last = steps_done(tmp_path / "out")[-1]
    within, after = f"in epoch {last['epoch']} after iter {last['iter']},", f"after epoch {last['epoch']},"
    assert within in lines[1] or after in lines[1]


@pytest.mark.parametrize(("processes", "workers"), [(1, 2), (2, 0)])
def test_run_that_is_preempted_three_times_ends_with_the_same_bits(processes, workers, tmp_path, synthetic_set):
    keys = [*MOCO, "DATA.PATH_TO_DATA_DIR", synthetic_set, "NUM_CPU_PROCESSES", processes]
    keys += ["SOLVER.MAX_EPOCH", EPOCHS, "TRAIN.EVAL_PERIOD", 2, "DATA_LOADER.NUM_WORKERS", workers]
    whole = write_config(tmp_path / "whole.yaml", tmp_path / "whole", "pretrain")
    run([whole], *keys)
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    moment = random.Random(processes)
    positions = [preempt(config, keys, tmp_path / "out", moment.uniform(0, 0.3)) for _ in range(3)]
    assert positions == sorted(set(positions)), "every attempt goes further"
    assert positions[-1] < (EPOCHS, 0), "preempted too late: the test shows nothing"
    run([config], *keys)
    resumed, expected = final_state(tmp_path / "out"), final_state(tmp_path / "whole")
    for part in ("global_step", "model_state", "optimizer_state", "task_state"):
        assert_same(resumed[part], expected[part], part)
    # No step was made twice, and no evaluation lost.
    places = [(line["epoch"], line["iter"]) for line in steps_done(tmp_path / "out")]
    assert places == [(line["epoch"], line["iter"]) for line in steps_done(tmp_path / "whole")]
    evaluated = [x["epoch"] for x in read_json_stats(tmp_path / "out/json_stats.log") if x["_type"] == "val_epoch"]
    assert sorted(set(evaluated)) == ["2/5", "4/5", "5/5"]


@pytest.fixture
def cfg(tmp_path, synthetic_set):
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    keys = [
        *MOCO,
        "DATA.PATH_TO_DATA_DIR",
        synthetic_set,
        "TRAIN.EVAL_PERIOD",
        1,
        "TRAIN.BATCH_SIZE",
        4,
        "LOG_MODEL_INFO",
        False,
    ]
    yield load_cfg(config, [str(word) for word in keys])
    stopping.reset()


def evaluations(folder):
    return [line["epoch"] for line in read_json_stats(folder / "json_stats.log") if line["_type"] == "val_epoch"]


def request_at_step(monkeypatch, number):
    step = trainer.Trainer._train_step

    def step_that_is_asked(self, batches):
        if self.position.global_step == number:
            stopping.request("test")
        return step(self, batches)

    monkeypatch.setattr(trainer.Trainer, "_train_step", step_that_is_asked)


def test_stop_in_the_last_step_of_an_epoch_comes_before_its_evaluation_which_is_made_up_for(cfg, tmp_path, monkeypatch):
    request_at_step(monkeypatch, 5)
    with pytest.raises(stopping.Stopped, match=r"after epoch 1/2, which is saved"):
        run_here(cfg)
    assert progress(tmp_path / "out") == (1, 0)
    assert evaluations(tmp_path / "out") == []
    stopping.reset()
    run_here(cfg)
    assert evaluations(tmp_path / "out") == ["1/2", "2/2"]


def test_stop_in_an_evaluation_loses_neither_the_epoch_nor_the_evaluation(cfg, tmp_path, monkeypatch):
    record = evaluation_batches.BadVideoLedger.record

    def asked_in_the_evaluation(self, batch):
        if batch.clips.shape[1] == 1:
            stopping.request("test")
        return record(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(evaluation_batches.BadVideoLedger, "record", asked_in_the_evaluation)
        with pytest.raises(stopping.Stopped, match=r"in an evaluation"):
            run_here(cfg)
    assert progress(tmp_path / "out") == (1, 0)
    stopping.reset()
    run_here(cfg)
    assert evaluations(tmp_path / "out") == ["1/2", "2/2"]
    places = [line["iter"] for line in steps_done(tmp_path / "out")]
    assert places == [f"{step}/6" for step in range(1, 7)] * 2


@pytest.mark.parametrize(("log_period", "stopped_after"), [(1, 2), (100, 3)])
def test_stop_that_is_read_one_step_later_loses_no_step(cfg, log_period, stopped_after, tmp_path, monkeypatch):
    """Where no line of the log is due, the step after the one that was asked to stop is made and saved as well."""
    cfg.defrost()
    cfg.LOG_PERIOD = log_period
    whole = cfg.clone()
    whole.OUTPUT_DIR = str(tmp_path / "whole")
    run_here(whole)
    with monkeypatch.context() as patch:
        request_at_step(patch, 1)
        with pytest.raises(stopping.Stopped, match=rf"in epoch 1/2 after iter {stopped_after}/6, which is saved"):
            run_here(cfg)
    assert progress(tmp_path / "out") == (0, stopped_after)
    stopping.reset()
    run_here(cfg)
    resumed, expected = final_state(tmp_path / "out"), final_state(tmp_path / "whole")
    for part in ("global_step", "model_state", "optimizer_state", "task_state"):
        assert_same(resumed[part], expected[part], part)
