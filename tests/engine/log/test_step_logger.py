import logging
import time

import pytest

from rhovideo.config.schema import get_cfg
from rhovideo.engine.log import step_logger
from rhovideo.engine.log.json_stats import read_json_stats
from rhovideo.engine.log.step_logger import StepLogger, readable
from rhovideo.terminal import start_beats, stop_beats


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cfg(tmp_path):
    cfg = get_cfg()
    cfg.OUTPUT_DIR = str(tmp_path)
    cfg.LOG_PERIOD = 2
    cfg.SOLVER.MAX_EPOCH = 3
    return cfg


def run_epoch(log, clock, epoch, losses, first_step=0):
    log.start_epoch(epoch, first_step)
    for step, loss in enumerate(losses, first_step):
        clock.now += 1.0
        log.data_arrived()
        clock.now += 3.0
        log.step(step, 0.1 * (step + 1), {"loss": loss, "embedding_std": 0.5})


def test_lines_have_pyslowfasts_names_and_right_times(cfg, tmp_path):
    clock = Clock()
    log = StepLogger(cfg, 4, clock=clock)
    run_epoch(log, clock, 0, [1.0, 3.0, 5.0, 7.0])
    log.end_epoch({"knn_top1": 40.0})
    log.evaluation({"top1_err": 30.0, "top5_err": 10.0}, seconds=2.0)
    run_epoch(log, clock, 1, [2.0] * 4)
    log.evaluation({"top1_err": 35.0, "top5_err": 9.0})
    log.close()
    records = read_json_stats(tmp_path / "json_stats.log")
    kinds = ["train_iter"] * 3 + ["train_epoch", "val_epoch"] + ["train_iter"] * 2 + ["val_epoch"]
    assert [r["_type"] for r in records] == kinds
    assert (records[0]["iter"], records[0]["loss"], records[0]["eta"]) == ("1/4", 1.0, "0:00:44")
    first, second, epoch, validation = records[1:5]
    assert (first["epoch"], first["iter"], first["loss"], first["lr"]) == ("1/3", "2/4", 2.0, 0.2)
    assert (first["dt"], first["dt_data"], first["dt_net"], first["eta"]) == (4.0, 1.0, 3.0, "0:00:40")
    assert second["loss"] == 6.0
    assert second["embedding_std"] == 0.5
    assert {"gpu_mem", "RAM"} < second.keys()
    assert (epoch["loss"], epoch["dt"], epoch["knn_top1"], epoch["eta"]) == (4.0, 4.0, 40.0, "0:00:32")
    assert (validation["top1_err"], validation["min_top1_err"], validation["time_diff"]) == (30.0, 30.0, 2.0)
    assert (records[7]["min_top1_err"], records[7]["min_top5_err"]) == (30.0, 9.0)


def test_evaluating_is_no_step_time(cfg, tmp_path):
    clock = Clock()
    log = StepLogger(cfg, 4, clock=clock)
    log.start_epoch(0)
    for step in range(2):
        log.data_arrived()
        clock.now += 3.0
        log.step(step, 0.1, {"loss": 1.0})
        clock.now += 500.0
        log.pause()
    record = read_json_stats(tmp_path / "json_stats.log")[-1]
    assert (record["dt"], record["dt_data"]) == (3.0, 0.0)


def test_a_run_resumed_inside_an_epoch_appends_and_knows_what_remains(cfg, tmp_path):
    clock = Clock()
    StepLogger(cfg, 4, clock=clock).evaluation({"top1_err": 1.0})
    log = StepLogger(cfg, 4, first_step=6, clock=clock)
    run_epoch(log, clock, 1, [1.0, 1.0], first_step=2)
    records = read_json_stats(tmp_path / "json_stats.log")
    assert [record.get("iter") for record in records] == [None, "3/4", "4/4"]
    assert records[2]["eta"] == "0:00:16"


def test_a_loss_that_is_no_number_is_written_so_that_it_parses(cfg, tmp_path):
    log = StepLogger(cfg, 2)
    run_epoch(log, Clock(), 0, [1.0, float("nan")])
    record = read_json_stats(tmp_path / "json_stats.log")[-1]
    assert record["loss"] is None


def test_people_get_a_line_with_data_and_step_time(cfg, caplog):
    clock = Clock()
    with caplog.at_level(logging.INFO, "rhovideo"):
        run_epoch(StepLogger(cfg, 4, clock=clock), clock, 0, [1.0, 2.0])
    line = [message for message in caplog.messages if message.startswith("train_iter")][1]
    assert line.startswith(
        "train_iter: epoch 1/3, iter 2/4, loss 1.5, lr 0.2, embedding_std 0.5, data 1.000 s, step 4.0"
    )
    assert (
        readable({"_type": "test_final", "split": "test_final", "top1_acc": 71.234567}) == "test_final: top1_acc 71.23"
    )


def test_line_for_people_names_a_gpu_only_where_there_is_one():
    assert readable({"_type": "val_epoch", "gpu_mem": "0.00G", "RAM": "1.00G"}) == "val_epoch: RAM 1.00G"
    assert "gpu_mem 3.10G" in readable({"_type": "val_epoch", "gpu_mem": "3.10G"})


@pytest.mark.parametrize(("seconds", "slow"), [(19.0, False), (21.0, True)])
@pytest.mark.parametrize("workers", [0, 2])
def test_first_step_on_a_cpu_tells_how_long_an_epoch_takes(workers, seconds, slow, cfg, caplog):
    cfg.LOG_PERIOD = 10
    cfg.DATA_LOADER.NUM_WORKERS = workers
    clock = Clock()
    log = StepLogger(cfg, 20, clock=clock)
    log.start_epoch(0)
    with caplog.at_level(logging.INFO, "rhovideo"):
        for step in range(3):
            clock.now += 60.0 if workers else 0.0
            log.data_arrived()
            clock.now += seconds
            log.step(step, 0.1, {"loss": 1.0})
    told = [message for message in caplog.messages if "The first step took" in message]
    assert len(told) == 1
    assert f"took {seconds} s on this CPU: at its pace an epoch of 20 steps takes 0:0{6 + slow}:" in told[0]
    assert ("configs demo" in told[0]) == slow


def test_a_short_epoch_needs_no_forecast(cfg, caplog):
    clock = Clock()
    with caplog.at_level(logging.INFO, "rhovideo"):
        log = StepLogger(cfg, 20, clock=clock)
        log.start_epoch(0)
        log.data_arrived()
        clock.now += 0.01
        log.step(0, 0.1, {"loss": 1.0})
    assert "The first step took" not in caplog.text


def test_the_first_step_is_named_while_it_runs(cfg, capsys):
    start_beats("preparing TASK pretrain", first=0.2)
    try:
        log = StepLogger(cfg, 4)
        log.start_epoch(0)
        log.data_arrived()
        time.sleep(0.6)
    finally:
        stop_beats()
    said = capsys.readouterr().err
    assert "rhovideo: the first step is running; it is the slowest ..." in said
    assert "preparing" not in said


def test_the_bar_names_the_first_step_until_it_has_numbers(cfg, monkeypatch, capsys):
    monkeypatch.setattr(step_logger, "on_terminal", lambda: True)
    log = StepLogger(cfg, 4)
    log.start_epoch(0)
    log.data_arrived()
    assert "the first step is running; it is the slowest" in capsys.readouterr().err
    log.step(0, 0.1, {"loss": 1.5})
    assert "loss=1.5" in capsys.readouterr().err
    log.close()


def test_a_terminal_gets_a_bar(cfg, monkeypatch, capsys):
    monkeypatch.setattr(step_logger, "on_terminal", lambda: True)
    log = StepLogger(cfg, 4)
    run_epoch(log, Clock(), 0, [1.0, 2.0, 3.0, 4.0])
    log.close()
    shown = capsys.readouterr().err
    assert "epoch 1/3" in shown
    assert "4/4" in shown
