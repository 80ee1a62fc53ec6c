"""Properties of networks and trainings beside the numbers, from the folders of the pre-trainings."""

from __future__ import annotations

import json

import pytest

from rhovideo.cli import main
from rhovideo.engine.log.json_stats import PREFIX
from tests.studies.study_folders import cell, fill, finish_run, spend, table, training, write

ALL = ["frames", "rate", "parameters", "multiply_adds", "head_parameters", "head_multiply_adds", "step_seconds"]


def sizes(run, projection=6.6e6, **more):
    """model_size.json, as a pre-training leaves it."""
    head = {"projection": {"parameters": projection, "multiply_adds": projection}, **more}
    encoder = {"parameters": 31_634_000, "multiply_adds": 41_700_000_000, "clip": [3, 8, 224, 224]}
    (run / "model_size.json").write_text(json.dumps({"encoder": encoder, "heads": head}))


def steps(run, *seconds):
    """The lines of a training's steps, and the start that they are of."""
    lines = [json.dumps({"_type": "train_iter", "dt": each}) for each in seconds]
    (run / "json_stats.log").write_text("".join(f"{PREFIX}{line}\n" for line in lines))
    spend(run, 1.0, devices=8)
    launch = {"global_batch": 64, "learning_rate_factor": 1.0, "num_shards": 1, "processes": 8, "seed": 1}
    (run / "checkpoints").mkdir()
    (run / "checkpoints/checkpoint_epoch_00001.pyth").touch()
    (run / "first_launch.json").write_text(json.dumps(launch))


@pytest.fixture
def study(tmp_path):
    """One row of two methods, of which BYOL has a predictor, too."""
    cells = [cell("2", method, "K", seeds=[1]) for method in ("MoCo", "BYOL")]
    folder = write(tmp_path / "study", table(cells, describe=ALL), seeds=[1])
    for each in cells:
        fill(folder, each, [60.0])
        run = folder / each.pretraining[0]
        keys = {"DATA": {"NUM_FRAMES": 8, "SAMPLING_RATE": 8}}
        finish_run(run, "pretrain", 1, keys=keys)
        sizes(run)
        steps(run, 9.5, 0.5, 0.512, 3.0)
    return folder


def said(capsys, *words):
    assert main(["results", *map(str, words)]) == 0
    return capsys.readouterr().out


def test_a_property_that_all_methods_share_stands_once(study, capsys):
    text = said(capsys, study, "--format", "markdown")
    names = "T | τ | parameters (M) | multiply-adds (G) | heads' parameters (M) | heads' multiply-adds (G)"
    assert f"| rho | {names} | seconds of a step | MoCo K | BYOL K |" in text
    assert "| 2 | 8 | 8 | 31.6 | 41.7 | 6.60 | 0.007 | 0.512 (64 videos, 8 x NVIDIA H200) | 60.0 | 60.0 |" in text
    assert "most papers call them FLOPs" in text


def test_a_property_that_differs_stands_beside_each_method(study, capsys):
    predictor = {"parameters": 1.4e6, "multiply_adds": 1.4e6}
    sizes(study / training("2", "BYOL", 1), predictor=predictor)
    text = said(capsys, study, "--format", "markdown")
    assert "MoCo heads' parameters (M) | MoCo heads' multiply-adds (G) | MoCo K | BYOL heads' parameters (M)" in text
    assert "| 6.60 | 0.007 | 60.0 | 8.00 | 0.008 | 60.0 |" in text


@pytest.mark.parametrize("content", [None, "{", "[]", '{"encoder": {}, "heads": {"projection": {}}}'])
def test_what_is_not_known_is_empty(study, capsys, content):
    for method in ("MoCo", "BYOL"):
        run = study / training("2", method, 1)
        (run / "model_size.json").unlink()
        (run / "json_stats.log").unlink()
        if content is not None:
            (run / "model_size.json").write_text(content)
    assert "| 2 | 8 | 8 | - | - | - | - | - | 60.0 | 60.0 |" in said(capsys, study, "--format", "markdown")
