"""PySlowFast's own files run from the command line with a released checkpoint: nothing but sizes is overridden."""

from __future__ import annotations

import json
from itertools import chain
from pathlib import Path

import pytest

from rhovideo.demo.synthetic_videos import write_synthetic
from tests.config.test_pyslowfast import EVALUATE, PRETRAIN
from tests.configured_runs import final_state, run
from tests.frame_lists import write_frame_lists

REFERENCE = Path(__file__).parents[1] / "reference"
LINEAR = """
TASK: ssl_eval_k400
TRAIN:
  DATASET: kinetics
  CHECKPOINT_EPOCH_RESET: True
  CHECKPOINT_CLEAR_NAME_PATTERN: ("backbone.",)
BN: {NORM_TYPE: "sync_batchnorm", NUM_SYNC_DEVICES: 8}
MODEL: {NUM_CLASSES: 400, MODEL_NAME: ResNet, ARCH: slow, DETACH_FINAL_FC: True, DROPOUT_RATE: 0.0}
TEST: {DATASET: kinetics, BATCH_SIZE: 64}
NUM_GPUS: 8
"""
SIZES = {
    "NUM_GPUS": 0,
    "RESNET.WIDTH_PER_GROUP": 4,
    "DATA.TRAIN_JITTER_SCALES": [36, 44],
    "DATA.TRAIN_CROP_SIZE": 32,
    "DATA.TEST_CROP_SIZE": 32,
    "DATA_LOADER.NUM_WORKERS": 0,
    "TRAIN.BATCH_SIZE": 8,
    "TRAIN.EVAL_PERIOD": 1,
    "TEST.NUM_ENSEMBLE_VIEWS": 2,
    "SOLVER.MAX_EPOCH": 1,
}
MOCO = {"CONTRASTIVE.NUM_MLP_LAYERS": 3, "CONTRASTIVE.MLP_DIM": 32, "CONTRASTIVE.QUEUE_LEN": 16}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_synthetic(folder, num_classes=3, train_videos=8, val_videos=4, seconds=2, size=(48, 64), seed=0)
    return folder


def run_theirs(folder: Path, text: str, data: Path, keys: dict) -> tuple[dict, str]:
    """The results of a file of theirs, and what was printed."""
    path = folder / "theirs.yaml"
    path.write_text(text)
    weights = ["TRAIN.CHECKPOINT_FILE_PATH", REFERENCE / "moco_tiny_epoch_00200.pyth"]
    words = ["DATA.PATH_TO_DATA_DIR", data, *weights, "OUTPUT_DIR", folder / "out", "DATA.MANIFEST_CACHE", folder]
    printed = run([path], *words, *chain.from_iterable((SIZES | keys).items()))
    return json.loads((folder / "out/results.json").read_text()), printed


def test_pretraining_file_goes_on_from_the_released_weights(tmp_path, videos):
    results, printed = run_theirs(tmp_path, PRETRAIN, videos, MOCO)
    assert results["task"] == "pretrain"
    assert 0 <= results["knn_top1"] <= 100
    assert "tensors used" in printed
    assert final_state(tmp_path / "out")["epoch"] == 1, "from the first epoch on, not from the file's last one"


def test_linear_file_trains_a_head_on_the_released_encoder(tmp_path, videos):
    results, printed = run_theirs(tmp_path, LINEAR, videos, {})
    assert (results["task"], results["test_videos"]) == ("linear", 4)
    assert "online encoder: 318 tensors used" in printed


def test_something_something_file_reads_frames_and_counts_the_bad_video(tmp_path):
    data = write_frame_lists(tmp_path / "ssv2", train=8, val=4)
    for file in (data / "frames/203").iterdir():
        file.unlink()
    results, printed = run_theirs(tmp_path, EVALUATE, data, {"DATA.PATH_PREFIX": data / "frames"})
    assert (results["task"], results["test_videos"]) == ("finetune", 3)
    assert "cannot read" in printed
    bad = [json.loads(line) for line in (tmp_path / "out/bad_videos.jsonl").read_text().splitlines()]
    assert [entry["path"] for entry in bad] == [str(data / "frames/203")]
