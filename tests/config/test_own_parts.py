"""A method, an encoder and a data set of one's own, each a file beside a configuration, in whole runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from rhovideo.engine.log.json_stats import read_json_stats
from tests.config.own_parts import DATASET, ENCODER, METHOD, write_modules
from tests.configured_runs import ROOT, final_state, run, write_config

SHORT = ["SOLVER.MAX_EPOCH", 1, "MODEL.NUM_CLASSES", 3]


def losses(output: Path) -> list[float]:
    return [line["loss"] for line in read_json_stats(output / "json_stats.log") if line["_type"] == "train_iter"]


def python(folder: Path, *words: object, both: bool = False) -> str:
    """What an interpreter prints that is started in this folder, with ``both`` also to stderr."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + (done.stderr if both else "")


def test_fifth_method_trains_resumes_and_comes_back(tmp_path, synthetic_set):
    write_modules(tmp_path, align=METHOD)
    config = write_config(tmp_path / "a.yaml", tmp_path / "out", "pretrain")
    config.write_text(config.read_text() + "PLUGINS: [align]\nALIGN: {SPREAD: 0.5}\n")
    words = ["CONTRASTIVE.TYPE", "align", "DATA.PATH_TO_DATA_DIR", synthetic_set, "CONTRASTIVE.NUM_MLP_LAYERS", 1]
    words += ["NUM_CPU_PROCESSES", 2, "DATA_LOADER.NUM_WORKERS", 1, "SOLVER.BASE_LR", 0.1]
    run([config], *words, "SOLVER.MAX_EPOCH", 2)
    run([config], *words, "SOLVER.MAX_EPOCH", 6)
    found = losses(tmp_path / "out")
    assert len(found) == 6 * 3
    assert np.mean(found[-6:]) < np.mean(found[:6])
    saved = yaml.safe_load((tmp_path / "out/config.yaml").read_text())
    assert (saved["PLUGINS"], saved["ALIGN"]) == (["align"], {"SPREAD": 0.5})
    checkpoint = max((tmp_path / "out/checkpoints").glob("*.pyth"))
    code = f"import rhovideo; m = rhovideo.load_method({str(checkpoint)!r}); print(type(m).__name__, m.spread)"
    assert python(tmp_path, "-c", code) == "Align 0.5\n"
    code = f"from rhovideo.cli import main; main(['export', {str(checkpoint)!r}, 'out.pyth'])"
    assert "the method align, which PySlowFast does not have" in python(tmp_path, "-c", code, both=True)
    # Where the module is not to be found, the encoder is of use all the same, and the method says what is missing.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = f"""import rhovideo
from rhovideo.errors import WeightsError
print(rhovideo.load_pretrained({str(checkpoint)!r}).dim)
try:
    rhovideo.load_method({str(checkpoint)!r})
except WeightsError as error:
    print(error)
"""
    printed = python(elsewhere, "-c", code)
    assert printed.startswith("128\n")
    assert printed.strip().endswith("align, import the module that registers it first")


def test_encoder_of_ones_own_is_pretrained_classified_and_measured(tmp_path, synthetic_set):
    write_modules(tmp_path, tiny=ENCODER)
    configs = [write_config(tmp_path / f"{task}.yaml", tmp_path / task, task) for task in ("pretrain", "linear")]
    for config in configs:
        config.write_text(config.read_text().replace("MODEL: {ARCH: slow}", "MODEL: {ARCH: tiny}\nPLUGINS: [tiny]"))
    words = [*SHORT, "TINY.DIM", 6, "CONTRASTIVE.TYPE", "byol", "CONTRASTIVE.PREDICTOR_DEPTHS", "[2]"]
    printed = run(configs, *words, "DATA.PATH_TO_DATA_DIR", synthetic_set, "DATA.TEST_CROP_SIZE", 40)
    assert "byol: tiny: 0.00 M parameters" in printed
    results = json.loads((tmp_path / "linear/results.json").read_text())
    assert 0 <= results["test_top1"] <= 100
    assert final_state(tmp_path / "linear")["model_state"]["encoder.conv.weight"].shape == (6, 3, 1, 8, 8)
    checkpoint = max((tmp_path / "pretrain/checkpoints").glob("*.pyth"))
    evaluate = ["eval", checkpoint, "--data", synthetic_set, "--protocol", "knn", "--out", tmp_path / "eval"]
    assert "k-NN top-1" in python(tmp_path, "-m", "rhovideo.cli", *evaluate, "NUM_GPUS", 0, "KNN.K", 5)
    (written,) = (tmp_path / "eval").rglob("config.yaml")
    evaluated = yaml.safe_load(written.read_text())
    assert (evaluated["PLUGINS"], evaluated["TINY"]) == (["tiny"], {"DIM": 6})


@pytest.fixture
def arrays(tmp_path):
    """Videos as arrays of frames; the last one of the training videos is gone."""
    folder, draw = tmp_path / "arrays", np.random.default_rng(0)
    folder.mkdir()
    for split, count in (("train", 15), ("val", 6), ("test", 6)):
        for number in range(count):
            np.save(folder / f"{split}_{number:02}_{number % 3}.npy", draw.integers(0, 255, (12, 40, 48, 3), np.uint8))
    (folder / "train_99_0.npy").symlink_to("nowhere")
    return folder


def test_data_set_of_ones_own_is_trained_and_tested_on_without_lists(tmp_path, arrays):
    write_modules(tmp_path, my_data=DATASET)
    tasks = ("pretrain", "linear", "knn", "extract")
    configs = [write_config(tmp_path / f"{task}.yaml", tmp_path / task, task) for task in tasks]
    for config in configs:
        config.write_text(config.read_text() + "PLUGINS: [my_data]\n")
    words = [*SHORT, "TRAIN.DATASET", "arrays", "DATA.PATH_TO_DATA_DIR", arrays, "DATA_LOADER.NUM_WORKERS", 1]
    words += ["CONTRASTIVE.TYPE", "simclr", "TRAIN.EVAL_PERIOD", 1, "KNN.K", 5, "DATA.TRAIN_CROP_NUM_TEMPORAL", 2]
    run(configs, *words)
    results = {task: json.loads((tmp_path / task / "results.json").read_text()) for task in tasks}
    assert 0 <= results["pretrain"]["knn_top1"] <= 100
    assert (results["linear"]["test_videos"], results["knn"]["recall_at_50"]) == (6, None)
    assert results["extract"]["videos"] == len(np.load(tmp_path / "extract/features.npy")) == 6
    bad = [json.loads(line) for line in (tmp_path / "pretrain/bad_videos.jsonl").read_text().splitlines()]
    assert {Path(line["path"]).name for line in bad} == {"train_99_0.npy"}
