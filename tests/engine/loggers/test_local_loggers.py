"""What CSV and TensorBoard hold, read back with other people's readers, also after a resume."""

import csv

import numpy as np
import pytest

from rhovideo.config.schema import get_cfg
from rhovideo.engine.loggers.build import Loggers, logged_run
from rhovideo.runs.records import Study, write_study


@pytest.fixture
def cfg(tmp_path):
    cfg = get_cfg()
    cfg.OUTPUT_DIR = str(tmp_path)
    return cfg


def write(cfg, steps, first_step=0, loss=1.0):
    log = Loggers(cfg, 0, first_step)
    for step in steps:
        log.write("train", {"loss": loss + step, "eta": "0:01", "bad": float("nan")}, step)
    log.close()


def test_csv_has_each_step_once_after_a_kill_and_a_resume(cfg, tmp_path):
    cfg.LOGGERS.USE = ["csv"]
    write(cfg, range(1, 8))
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text() + "8,train/lo")
    write(cfg, range(6, 10), first_step=5)
    rows = list(csv.DictReader(path.open()))
    assert [(int(row["step"]), row["name"], float(row["value"])) for row in rows] == [
        (step, "train/loss", 1.0 + step) for step in range(1, 10)
    ]


def test_tensorboard_has_each_step_once_after_a_resume(cfg, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    cfg.TENSORBOARD.ENABLE = True
    write(cfg, range(1, 8))
    write(cfg, range(6, 10), first_step=5)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(s, 1.0 + s) for s in range(1, 10)]


def test_tensorboard_has_pictures_and_the_projectors_files(cfg, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    cfg.LOGGERS.USE = ["tensorboard"]
    log = Loggers(cfg)
    log.picture("clips", np.full((8, 12, 3), 200, dtype=np.uint8), 1)
    log.embeddings(np.eye(4, 3, dtype=np.float32), np.array([0, 1, 1, 2]), 2)
    log.close()
    folder = tmp_path / "tensorboard"
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    (image,) = events.Images("clips")
    assert (image.step, image.width, image.height) == (1, 12, 8)
    assert (folder / "00002/embeddings/metadata.tsv").read_text().split() == ["0", "1", "1", "2"]
    assert len((folder / "00002/embeddings/tensors.tsv").read_text().splitlines()) == 4
    assert "embeddings" in (folder / "projector_config.pbtxt").read_text()


def test_only_rank_0_logs(cfg, tmp_path):
    cfg.LOGGERS.USE = ["csv"]
    log = Loggers(cfg, rank=1)
    log.write("train", {"loss": 1.0}, 1)
    log.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "name", "command"),
    [
        ("torch.utils.tensorboard", "tensorboard", "pip install 'rhovideo[tensorboard]'"),
        ("wandb", "wandb", "pip install 'rhovideo[wandb]'"),
        ("mlflow", "mlflow", "pip install 'rhovideo[mlflow]'"),
    ],
)
def test_without_the_package_one_warning_says_what_to_do(module, name, command, cfg, monkeypatch, caplog):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    cfg.LOGGERS.USE = [name]
    write(cfg, range(3))
    (warning,) = [message for message in caplog.messages if "logger" in message]
    assert command in warning


def test_a_run_of_a_study_names_study_and_cell(cfg, tmp_path):
    cfg.OUTPUT_DIR = str(tmp_path / "rates/lr=0.1/pretrain")
    cfg.LOGGERS.TAGS = ["paper"]
    (tmp_path / "rates").mkdir()
    write_study(tmp_path / "rates", Study(0.0, [], {}))
    run = logged_run(cfg)
    assert (run.group, run.name, run.tags) == ("rates", "lr=0.1/pretrain", ("paper", "lr=0.1"))
