"""W&B without a network, MLflow with its files and its server: one run there for one run folder, and each step once."""

import http.server
import importlib.util
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from rhovideo.config.schema import get_cfg
from rhovideo.engine.loggers import guarded
from rhovideo.engine.loggers.build import Loggers
from tests.configured_runs import run, write_config


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


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory):
    """The address of a real server of MLflow on this machine."""
    # mlflow-skinny has the server's code, and not what that needs.
    if any(importlib.util.find_spec(name) is None for name in ("mlflow", "flask", "sqlalchemy")):
        pytest.skip("MLflow's server is not installed (pip install mlflow)")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/runs.db", "--artifacts-destination", str(folder / "files")]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not _answers(f"{url}/health"):
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.3)
        yield url
    finally:
        os.killpg(server.pid, 9)
        server.wait()


def _answers(url):
    try:
        return urllib.request.urlopen(url, timeout=5).status == 200
    except OSError:
        return False


@pytest.fixture
def slow_proxy(mlflow_server):
    """Passes requests on to the server; those that make a run get no answer while ``lost`` is above zero."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        lost = 0

        def _pass_on(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = urllib.request.Request(mlflow_server + self.path, body or None, method=self.command)
            request.add_header("Content-Type", self.headers.get("Content-Type", "application/json"))
            try:
                answer = urllib.request.urlopen(request, timeout=60)
            except urllib.error.HTTPError as error:
                answer = error
            text = answer.read()
            if self.path.endswith("runs/create") and Proxy.lost:
                Proxy.lost -= 1
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = _pass_on

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Proxy.url = f"http://127.0.0.1:{server.server_port}"
    yield Proxy
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_mlflow_over_http_goes_on_in_the_same_run(mlflow_server, tmp_path, synthetic_set):
    """Two launches of a training, from the command line."""
    from mlflow import MlflowClient

    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    keys = ["CONTRASTIVE.TYPE", "simclr", "DATA.PATH_TO_DATA_DIR", synthetic_set, "LOGGERS.USE", "[mlflow]"]
    keys += ["LOGGERS.PROJECT", "over http", "TRAIN.EVAL_PERIOD", 1]
    for epochs in (1, 2):
        said = run([config], *keys, "SOLVER.MAX_EPOCH", epochs, environment={"MLFLOW_TRACKING_URI": mlflow_server})
        assert "The logger mlflow" not in said
    client = MlflowClient(mlflow_server)
    (made,) = client.search_runs([client.get_experiment_by_name("over http").experiment_id])
    assert (made.info.run_id, made.info.status) == (remote_id(tmp_path / "out", "mlflow"), "FINISHED")
    assert sorted(m.step for m in client.get_metric_history(made.info.run_id, "train/loss")) == list(range(1, 7))
    assert sorted(m.step for m in client.get_metric_history(made.info.run_id, "val_epoch/knn_top1")) == [3, 6]
    assert {a.path for a in client.list_artifacts(made.info.run_id)} == {"clips", "embeddings"}


@pytest.mark.slow
def test_a_request_whose_answer_is_lost_makes_no_second_run(cfg, slow_proxy, mlflow_server, monkeypatch, caplog):
    from mlflow import MlflowClient

    monkeypatch.setattr(guarded, "_FIRST_PAUSE", 0.1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", slow_proxy.url)
    cfg.LOGGERS.USE, cfg.LOGGERS.PROJECT = ["mlflow"], "lost answers"
    slow_proxy.lost = 1
    write(cfg, range(1, 4))
    client = MlflowClient(mlflow_server)
    (made,) = client.search_runs([client.get_experiment_by_name("lost answers").experiment_id])
    assert made.info.run_id == remote_id(Path(cfg.OUTPUT_DIR), "mlflow")
    assert sorted(m.step for m in client.get_metric_history(made.info.run_id, "train/loss")) == [1, 2, 3]
    assert "its server does not answer" in caplog.text
    assert "The logger mlflow failed" not in caplog.text
