"""Real tiny runs: pre-trainings and the classifiers on them, in a study of two cells with two seeds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rhovideo.demo.synthetic_videos import write_synthetic
from tests.configured_runs import ROOT

_COMMON = """
NUM_GPUS: 0
NUM_CPU_PROCESSES: 1
LOG_PERIOD: 1
RNG_SEED: 1
DATA: {PATH_TO_DATA_DIR: data, NUM_FRAMES: 2, SAMPLING_RATE: 4, TRAIN_CROP_SIZE: 32, TEST_CROP_SIZE: 32,
       TRAIN_JITTER_SCALES: [36, 44]}
RESNET: {WIDTH_PER_GROUP: 4, DEPTH: 18}
TRAIN: {BATCH_SIZE: 8, CHECKPOINT_MINUTES: 0, EVAL_PERIOD: 1}
DATA_LOADER: {NUM_WORKERS: 0}
KNN: {K: 5}
"""
_PRE = """TASK: pretrain
CONTRASTIVE: {TYPE: simclr, DIM: 8, MLP_DIM: 16, NUM_MLP_LAYERS: 2, T: 0.1}
MODEL: {ARCH: slow}
SOLVER: {BASE_LR: 0.01, MAX_EPOCH: 2, WARMUP_EPOCHS: 0}
"""
_LINEAR = """TASK: linear
MODEL: {ARCH: slow, NUM_CLASSES: 3}
TEST: {BATCH_SIZE: 8, NUM_ENSEMBLE_VIEWS: 1, NUM_SPATIAL_CROPS: 1}
SOLVER: {BASE_LR: 0.01, MAX_EPOCH: 2, WARMUP_EPOCHS: 0}
"""


@pytest.fixture(scope="session")
def workplace(tmp_path_factory):
    """The folder in which ``study`` was started, with ``data``."""
    folder = tmp_path_factory.mktemp("report")
    write_synthetic(folder / "data", num_classes=3, train_videos=16, val_videos=12, seconds=2, size=(48, 64), seed=0)
    (folder / "pre.yaml").write_text(_PRE + _COMMON)
    (folder / "lin.yaml").write_text(_LINEAR + _COMMON)
    sweep = "DATA.TRAIN_CROP_NUM_TEMPORAL=1,2 RNG_SEED=1,2"
    command = ["run", "--cfg", "pre.yaml", "--cfg", "lin.yaml", "--study", "study", "--sweep", sweep]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "XDG_CONFIG_HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "rhovideo.cli", *command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def study(workplace):
    return workplace / "study"


@pytest.fixture(scope="session")
def linear_run(study):
    return study / "TRAIN_CROP_NUM_TEMPORAL=2,RNG_SEED=1" / "lin"
