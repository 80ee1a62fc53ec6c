"""Tokens: the feature map of a video on the disk, and the probe that pools it by attention."""

from __future__ import annotations

import json

import numpy as np
import torch

from rhovideo.config import load_cfg
from rhovideo.data.loading.datasets import SampleKey, build_dataset
from rhovideo.engine.device_inputs import to_network_input
from rhovideo.zoo import load_pretrained
from tests.engine.probes.test_probe import probe, write_features
from tests.engine.tasks.test_extract import BYOL, extract


def test_tokens_are_the_feature_maps_of_the_clips_and_average_to_the_pooled_feature(synthetic_set, tmp_path, capsys):
    for split in ("train", "test"):
        assert extract(synthetic_set / f"{split}.csv", tmp_path / "maps" / split, "--tokens", "--clips", 2) == 0
    shown = capsys.readouterr().out
    found = np.load(tmp_path / "maps/test/features.npy", mmap_mode="r")
    assert f"float16 [6, {found.shape[1]}, 128]" in shown
    cfg = load_cfg(tmp_path / "maps/test/extract.yaml")
    dataset, encoder = build_dataset(cfg, "test", "knn"), load_pretrained(BYOL, cfg)
    clips = dataset[SampleKey(0, 3)].clips
    with torch.no_grad():
        maps = encoder.feature_map(to_network_input(clips, cfg, torch.device("cpu")))
    expected = torch.cat([one.flatten(1).T for one in maps]).numpy()
    assert found.shape == (6, *expected.shape)
    np.testing.assert_allclose(found[3], expected, rtol=2e-3, atol=1e-3)
    assert extract(synthetic_set / "test.csv", tmp_path / "pooled", "--clips", 2) == 0
    np.testing.assert_allclose(found[:].astype(float).mean(1), np.load(tmp_path / "pooled/features.npy"), 2e-3, 1e-3)
    # The same again does nothing; pooled features are others.
    assert extract(synthetic_set / "test.csv", tmp_path / "maps/test", "--tokens", "--clips", 2) == 0
    assert extract(synthetic_set / "test.csv", tmp_path / "maps/test", "--clips", 2) == 1
    assert "TEST.TOKENS" in capsys.readouterr().err
    # Other probes take the mean of the tokens.
    assert probe(tmp_path / "maps", "knn") == 0


def test_attention_finds_the_token_that_tells(tmp_path, capsys):
    """One token of 12, at another place in each video, has the class; among the mean of all it is lost in noise."""
    rng = np.random.default_rng(0)
    for name, videos in (("train", 240), ("test", 60)):
        labels = np.arange(videos) % 3
        values = rng.normal(size=(videos, 12, 16))
        place = rng.integers(0, 12, videos)
        values[np.arange(videos), place, labels] += 6
        # A mark by which the token is found.
        values[np.arange(videos), place, 15] += 6
        values[:, :, 3:6] += rng.normal(size=(videos, 1, 3)) * 3
        write_features(tmp_path / "set" / name, values, labels, broken=[7])
    assert probe(tmp_path / "set", "attentive") == 0
    found = json.loads((tmp_path / "set/probe_attentive/probe.json").read_text())
    assert found["train_videos"] == 239
    assert found["value"] > 90
    assert "test top-1" in capsys.readouterr().out


def test_pooled_features_cannot_be_attended(tmp_path, capsys):
    for name in ("train", "test"):
        write_features(tmp_path / "set" / name, np.zeros((6, 16)), [0, 1, 2, 0, 1, 2])
    assert probe(tmp_path / "set", "attentive") == 1
    assert "extract both lists with --tokens" in capsys.readouterr().err


def test_one_training_video_is_too_few(tmp_path, capsys):
    write_features(tmp_path / "set/train", np.zeros((1, 2, 16)), [0])
    write_features(tmp_path / "set/test", np.zeros((2, 2, 16)), [0, 1])
    assert probe(tmp_path / "set", "attentive") == 1
    assert "extract a longer list" in capsys.readouterr().err
