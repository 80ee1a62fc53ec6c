"""Trainings from the command line: loggers that hang or raise, and a kill -9 with a resume."""

import csv
import json
import socket
import threading
import time

import pytest

from rhovideo.engine.log.json_stats import read_json_stats
from tests.configured_runs import METHOD_KEYS, finish, kill, run, start, write_config

KEYS = ["CONTRASTIVE.TYPE", "simclr", *METHOD_KEYS["simclr"], "LOG_PERIOD", 1]
RAISES = """
import rhovideo

@rhovideo.register_logger("broken")
class Broken:
    def __init__(self, run):
        self.run = run
    def numbers(self, values, step):
        raise ConnectionError("no route to the laboratory")
"""


@pytest.fixture
def silent_server():
    """The address of a server that takes connections and never answers."""
    held, server = [], socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            try:
                held.append(server.accept()[0])
            except OSError:
                return

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    server.close()
    for connection in held:
        connection.close()


def test_a_logger_of_ones_own_that_raises_stops_no_run(tmp_path, synthetic_set):
    (tmp_path / "my_logger.py").write_text(RAISES)
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    output = run(
        [config],
        *KEYS,
        *("DATA.PATH_TO_DATA_DIR", synthetic_set, "PLUGINS", "[my_logger]", "LOGGERS.USE", "[broken]"),
        cwd=tmp_path,
    )
    assert "is finished after" in output
    assert output.count("The logger broken failed in numbers: ConnectionError: no route to the laboratory") == 1


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_server_that_never_answers_costs_some_seconds(name, silent_server, tmp_path, synthetic_set):
    pytest.importorskip(name, reason=f"{name} is not installed")
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    environment = {
        **{"WANDB_BASE_URL": silent_server, "WANDB_API_KEY": "0" * 40, "WANDB_MODE": "online"},
        "MLFLOW_TRACKING_URI": silent_server,
    }
    words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "LOGGERS.USE", f"[{name}]"]
    process = start([config], *KEYS, *words, environment=environment)
    finished = None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "is finished after" in line:
            finished = time.monotonic()
    assert process.wait() == 0, "".join(lines)
    assert finished is not None
    assert time.monotonic() - finished < 15
    assert sum(f"The logger {name}" in line for line in lines) == 1


def test_after_a_kill_and_a_resume_each_step_is_there_once(tmp_path, synthetic_set):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    out = tmp_path / "out"
    config = write_config(tmp_path / "run.yaml", out, "pretrain")
    uses = "[csv, tensorboard]"
    words = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "LOGGERS.USE", uses, "TRAIN.CHECKPOINT_PERIOD", 3]
    keys = [*KEYS, *words, "SOLVER.MAX_EPOCH", 6, "TRAIN.EVAL_PERIOD", 1, "DATA.TRAIN_CROP_NUM_TEMPORAL", 2]
    process = start([config], *keys)
    deadline = time.monotonic() + 120
    # Killed one epoch after the checkpoint of epoch 3.
    while time.monotonic() < deadline and not _epochs(out, "train_epoch")[4:]:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    kill(process)
    assert "Resuming from" in finish(start([config], *keys))
    assert _epochs(out, "train_epoch") == [1, 2, 3, 4, 5, 6]
    assert _epochs(out, "val_epoch") == [1, 2, 3, 4, 5, 6]
    iterations = [(r["epoch"], r["iter"]) for r in read_json_stats(out / "json_stats.log") if "iter" in r]
    assert len(iterations) == len(set(iterations))
    points = [(int(row["step"]), row["name"]) for row in csv.DictReader((out / "metrics.csv").open())]
    per_epoch = int(iterations[0][1].partition("/")[2])
    events = accumulator.EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    ends = [per_epoch * epoch for epoch in range(1, 7)]
    for name, steps in [
        ("train/loss", list(range(1, ends[-1] + 1))),
        ("train_epoch/loss", ends),
        ("val_epoch/knn_top1", ends),
    ]:
        assert [step for step, other in points if other == name] == steps, name
        assert [event.step for event in events.Scalars(name)] == steps, name
    assert events.Images("clips")
    assert list((out / "tensorboard").glob("*/embeddings/tensors.tsv"))
    assert len(json.loads((out / "results.json").read_text())) > 1


def _epochs(out, kind):
    try:
        records = read_json_stats(out / "json_stats.log")
    except FileNotFoundError:
        return []
    return [int(record["epoch"].partition("/")[0]) for record in records if record["_type"] == kind]
