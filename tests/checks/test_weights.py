"""The checkpoint that a job names is opened and compared with its network before the start."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from rhovideo.checks.weights import WeightsCheck
from rhovideo.config import cfg_from_released
from rhovideo.config.findings import ConfigError, Finding
from rhovideo.engine.tasks.pretrain import start_from
from rhovideo.errors import WeightsError
from rhovideo.launch.before_start import CHECKS, Start, check_before_start
from rhovideo.launch.plan import make_plan
from rhovideo.models.build import build_classifier
from rhovideo.models.detector import build_detector
from rhovideo.runs.folder import checkpoint_path
from rhovideo.ssl.build import build_method
from rhovideo.zoo import sources
from rhovideo.zoo.pretrained import load_classifier_weights, load_encoder_weights, load_pretrained

REFERENCE = Path(__file__).parents[1] / "reference"
OTHER_CHECKS = {check.name for group in CHECKS for check in group} - {"the checkpoints"}
METHODS = ("byol", "moco", "simclr", "swav")
BEGIN = ("pretrain", "linear", "finetune", "detection")
MEASURE = ("knn", "logistic", "extract", "test", "detection_test")


def released(name: str) -> Path:
    return REFERENCE / f"{name}_tiny_epoch_00{'060' if name == 'linear' else '200'}.pyth"


def configuration(task: str, source: object, name: str = "byol", **resnet: int):
    """The configuration of a job on the network of a released file."""
    cfg = cfg_from_released(torch.load(released(name), weights_only=True)["cfg"]).clone()
    cfg.defrost()
    cfg.TASK, cfg.OUTPUT_DIR = task, "/nowhere/run"
    cfg[("TEST" if task in MEASURE else "TRAIN")].CHECKPOINT_FILE_PATH = str(source)
    for key, value in resnet.items():
        cfg.RESNET[key] = value
    cfg.freeze()
    return cfg


def job(cfg) -> None:
    """Load weights as the job of a task does."""
    source = cfg.TEST.CHECKPOINT_FILE_PATH or cfg.TRAIN.CHECKPOINT_FILE_PATH
    if cfg.TASK == "pretrain":
        start_from(build_method(cfg), source)
    elif cfg.TASK in ("linear", "finetune"):
        load_encoder_weights(build_classifier(cfg).encoder, source, cfg)
    elif cfg.TASK == "detection":
        load_encoder_weights(build_detector(cfg).encoder, source, cfg)
    elif cfg.TASK in ("knn", "logistic", "extract"):
        load_pretrained(source, cfg, encoder=cfg.TRAIN.CHECKPOINT_ENCODER)
    else:
        build = build_classifier if cfg.TASK == "test" else build_detector
        load_classifier_weights(build(cfg), source, cfg)


def said_by_job(cfg) -> str:
    with pytest.raises(WeightsError) as caught:
        job(cfg)
    return str(caught.value)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("task", ["pretrain", "linear", "knn"])
def test_released_checkpoints_pass(task, name):
    assert WeightsCheck()(configuration(task, released(name), name)) == []


def test_classifiers_and_momentum_encoders_pass():
    assert WeightsCheck()(configuration("test", released("linear"), "linear")) == []
    cfg = configuration("linear", released("moco"), "moco").clone()
    cfg.defrost()
    cfg.TRAIN.CHECKPOINT_ENCODER = "momentum"
    assert WeightsCheck()(cfg) == []


@pytest.mark.parametrize("task", BEGIN + MEASURE)
def test_a_checkpoint_of_another_network_is_told_of_in_the_words_of_the_job(task):
    cfg = configuration(task, released("moco"), WIDTH_PER_GROUP=8)
    [finding] = WeightsCheck()(cfg)
    assert finding == Finding((f"{'TEST' if task in MEASURE else 'TRAIN'}.CHECKPOINT_FILE_PATH",), said_by_job(cfg))


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def spoil(path: Path, how: str) -> None:
    whole = released("byol").read_bytes()
    if how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "another length":
        path.write_bytes(whole[:-9000] + whole[-5000:])
    elif how == "page":
        path.write_text("<!DOCTYPE html><html></html>")
    elif how == "code":
        torch.save({"model_state": {"w": torch.zeros(2)}, "x": Payload(path.with_name("ran"))}, path)
    elif how == "no weights":
        torch.save({"model_state": {}}, path)


@pytest.mark.parametrize("how", ["truncated", "another length", "page", "code", "no weights", "missing"])
@pytest.mark.parametrize("task", ["pretrain", "finetune", "test"])
def test_a_file_that_the_job_cannot_read_is_told_of_in_its_words(tmp_path, task, how):
    path = tmp_path / "file.pyth"
    spoil(path, how)
    cfg = configuration(task, path)
    [finding] = WeightsCheck()(cfg)
    assert finding.wrong == said_by_job(cfg)
    assert not (tmp_path / "ran").exists()


def test_a_name_that_is_none_is_found_and_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("RHOVIDEO_CACHE", str(tmp_path))
    monkeypatch.setattr(sources, "_download", lambda *_: pytest.fail("nothing is to be downloaded"))
    for source in ("byol_slow_r50_8x8_rho4", "https://example.org/a.pyth", "s3://place/a.pyth"):
        assert WeightsCheck()(configuration("linear", source)) == []
    [finding] = WeightsCheck()(configuration("linear", "byol_slow_r50_8x8_rho5"))
    assert "did you mean byol_slow_r50_8x8_rho4?" in finding.wrong
    (tmp_path / "example.org").mkdir()
    (tmp_path / "example.org/a.pyth").write_bytes(b"")
    [finding] = WeightsCheck()(configuration("linear", "https://example.org/a.pyth"))
    assert "a.pyth: is empty" in finding.wrong


def test_values_are_not_read(tmp_path):
    """Shapes are enough, so that a large file costs as little as a small one."""
    weight = torch.load(released("byol"), weights_only=True)["model_state"][
        "backbone.s5.pathway0_res0.branch2.b.weight"
    ]
    content = torch.load(released("byol"), weights_only=True)
    content["model_state"]["backbone.s5.pathway0_res0.branch2.b.weight"] = torch.full_like(weight, torch.nan)
    torch.save(content, tmp_path / "nan.pyth")
    cfg = configuration("linear", tmp_path / "nan.pyth")
    assert WeightsCheck()(cfg) == []
    assert "holds NaN" in said_by_job(cfg)


def test_an_input_as_in_no_training_is_a_warning_in_the_words_of_the_job(caplog):
    cfg = configuration("linear", released("byol")).clone()
    cfg.defrost()
    cfg.DATA.MEAN = [0.1, 0.1, 0.1]
    [finding] = WeightsCheck()(cfg)
    assert finding.severity == "warning"
    assert caplog.text == ""
    job(cfg)
    assert finding.wrong in caplog.text


def test_a_file_is_opened_once_for_all_jobs(monkeypatch):
    opened = []
    monkeypatch.setattr("rhovideo.checks.weights.read_weights", lambda path, **_: opened.append(path))
    monkeypatch.setattr("rhovideo.checks.weights._load", lambda *_: None)
    check = WeightsCheck()
    for task in ("linear", "finetune"):
        for _ in range(2):
            assert check(configuration(task, released("byol"))) == []
    assert opened == [released("byol")]


def found(configs: list[str], *words: object) -> list[str]:
    try:
        check_before_start(Start(make_plan(configs, words), "local"), without=OTHER_CHECKS)
    except ConfigError as error:
        return [problem.wrong for problem in error.problems]
    return []


def test_a_checkpoint_that_an_earlier_job_is_yet_to_write_is_not_asked_for(jobs_folder):
    assert found(["pretrain.yaml", "linear.yaml", "test.yaml"]) == []
    named = jobs_folder / "named.yaml"
    text = (jobs_folder / "linear.yaml").read_text() + "TRAIN:\n  CHECKPOINT_FILE_PATH: "
    named.write_text(f"{text}out/pretrain/checkpoints/checkpoint_epoch_00200.pyth\n")
    assert found(["pretrain.yaml", "named.yaml"]) == []
    [wrong] = found(["named.yaml"])
    assert wrong.endswith("there is no such file; write the path of a .pyth file")


def test_a_damaged_checkpoint_of_a_job_that_is_not_done_is_made_again(jobs_folder):
    path = checkpoint_path("out/pretrain", 3, 0)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert found(["pretrain.yaml", "linear.yaml"]) == []
    [wrong] = found(["linear.yaml"], "TRAIN.CHECKPOINT_FILE_PATH", path)
    assert "is empty" in wrong
