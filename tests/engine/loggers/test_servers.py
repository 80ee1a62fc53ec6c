"""W&B without a network and MLflow with its files: one run there for one run folder, and each step once."""

import json
import struct
import time

import numpy as np
import pytest

from rhovideo.config.schema import get_cfg
from rhovideo.engine.loggers.build import Loggers


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    cfg = get_cfg()
    cfg.OUTPUT_DIR = str(tmp_path / "first")
    (tmp_path / "first").mkdir()
    cfg.LOGGERS.PROJECT, cfg.LOGGERS.TAGS = "rho", ["paper"]
    return cfg


def write(cfg, steps, first_step=0):
    log = Loggers(cfg, 0, first_step)
    for step in steps:
        log.write("train", {"loss": 1.0 + step}, step)
        log.write("train_epoch", {"loss": 2.0 + step}, step)
    log.picture("clips", np.zeros((8, 12, 3), dtype=np.uint8), steps[-1])
    log.embeddings(np.eye(4, 3, dtype=np.float32), np.array([0, 1, 1, 2]), steps[-1])
    log.close()


def remote_id(folder, name):
    return json.loads((folder / "loggers.json").read_text())[name]


def wandb_records(path):
    """The records of a .wandb file: LevelDB's log format, in blocks of 32 KiB, after seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        # Whole, or the last part of a record.
        if kind in (1, 4):
            yield Record.FromString(whole)
            whole = b""


def test_wandb_goes_on_in_the_same_run(cfg, tmp_path, monkeypatch, caplog):
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    cfg.LOGGERS.USE = ["wandb"]
    write(cfg, range(1, 4))
    write(cfg, range(4, 6), first_step=3)
    assert caplog.messages == []
    folder = tmp_path / "first"
    files = sorted((folder / "wandb").glob("offline-run-*/*.wandb"))
    assert {file.stem for file in files} == {f"run-{remote_id(folder, 'wandb')}"}
    # W&B's process writes the file's last block a moment after finish() has come back.
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not all(any(r.HasField("exit") for r in wandb_records(f)) for f in files):
        time.sleep(0.1)
    steps, losses, tags = [], [], set()
    for record in (record for file in files for record in wandb_records(file)):
        if record.HasField("run"):
            tags |= set(record.run.tags)
        items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
        if "train/loss" in items:
            steps.append(int(items["_step"]))
            losses.append(float(items["train/loss"]))
    assert (steps, losses) == ([1, 2, 3, 4, 5], [2.0, 3.0, 4.0, 5.0, 6.0])
    assert tags == {"paper"}


def test_mlflow_goes_on_in_the_same_run_and_has_each_step_once(cfg, tmp_path, caplog):
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    from mlflow import MlflowClient

    cfg.LOGGERS.USE = ["mlflow"]
    write(cfg, range(1, 8))
    write(cfg, range(6, 10), first_step=5)
    assert [m for m in caplog.messages if "logger" in m] == []
    folder = tmp_path / "first"
    client = MlflowClient((folder / "mlruns").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("rho").experiment_id])
    assert (run.info.run_id, run.info.status) == (remote_id(folder, "mlflow"), "FINISHED")
    for name in ("train/loss", "train_epoch/loss"):
        assert sorted(m.step for m in client.get_metric_history(run.info.run_id, name)) == list(range(1, 10))
    assert run.data.params["SOLVER.BASE_LR"] == str(cfg.SOLVER.BASE_LR)
    assert {a.path for a in client.list_artifacts(run.info.run_id)} == {"clips", "embeddings"}
