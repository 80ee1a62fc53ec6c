"""What is read off a checkpoint before anything is launched."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rhovideo.config import get_cfg
from rhovideo.models import build_classifier
from rhovideo.protocols.measured_checkpoint import examine
from rhovideo.protocols.recipes import recipe, resolve
from rhovideo.zoo import WeightsError
from rhovideo.zoo.released_format.name_mapping import to_released

REFERENCE = Path(__file__).parents[1] / "reference"


def test_released_files_tell_all():
    found = examine(str(REFERENCE / "byol_tiny_epoch_00200.pyth"), "momentum")
    assert (found.epoch, found.classes, found.name, found.note) == (200, 0, "", "")
    assert found.cfg.CONTRASTIVE.TYPE == "byol"
    found = examine(str(REFERENCE / "linear_tiny_epoch_00060.pyth"), classifier=True)
    assert (found.epoch, found.classes) == (60, 7)


def test_relative_paths_become_absolute(monkeypatch):
    monkeypatch.chdir(REFERENCE)
    assert examine("swav_tiny_epoch_00200.pyth").path == str(REFERENCE / "swav_tiny_epoch_00200.pyth")


def test_encoder_alone_is_no_classifier():
    with pytest.raises(WeightsError, match="holds no classifier"):
        examine(str(REFERENCE / "moco_tiny_epoch_00200.pyth"), classifier=True)


def test_a_checkpoint_is_read_once_and_what_is_assumed_of_it_said_once(tmp_path, caplog, monkeypatch):
    state = torch.load(REFERENCE / "moco_tiny_epoch_00200.pyth", weights_only=True)["model_state"]
    torch.save({"model_state": state}, tmp_path / "bare.pyth")
    reads = []
    load = torch.load
    monkeypatch.setattr(torch, "load", lambda *words, **keys: reads.append(words) or load(*words, **keys))
    with caplog.at_level("INFO", "rhovideo"):
        examine(str(tmp_path / "bare.pyth"))
    assert len(reads) == 1
    assert caplog.text.count("read off its tensors") == 1


def test_file_without_configuration_gets_the_usual_clips_of_its_network(tmp_path):
    cfg = get_cfg()
    cfg.MODEL.ARCH, cfg.MODEL.NUM_CLASSES, cfg.RESNET.WIDTH_PER_GROUP = "slowfast", 5, 8
    cfg.SLOWFAST.ALPHA, cfg.SLOWFAST.FUSION_KERNEL_SZ = 4, 7
    cfg.DATA.NUM_FRAMES, cfg.MODEL.FROZEN_BN = 32, False
    state = to_released(build_classifier(cfg).state_dict(), "slowfast")
    torch.save({"model_state": state}, tmp_path / "slowfast.pyth")
    found = examine(str(tmp_path / "slowfast.pyth"), classifier=True)
    assert (found.classes, found.epoch) == (5, None)
    assert "assuming 32 x 2" in found.note
    made = resolve(recipe(found, "test", "", 5)).cfg
    assert (made.MODEL.ARCH, made.SLOWFAST.ALPHA, made.RESNET.WIDTH_PER_GROUP) == ("slowfast", 4, 8)
    assert (made.DATA.NUM_FRAMES, made.DATA.SAMPLING_RATE, made.DATA.TEST_CROP_SIZE) == (32, 2, 256)
