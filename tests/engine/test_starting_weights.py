"""Pre-training from the weights of another run, released or ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rhovideo.config import cfg_from_released, load_cfg
from rhovideo.engine.pretrain import start_from
from rhovideo.ssl.build import build_method
from rhovideo.zoo.files import WeightsError
from rhovideo.zoo.loading import load_method

REFERENCE = Path(__file__).parents[1] / "reference"
METHODS = ("byol", "moco", "simclr", "swav")


def checkpoint(name: str) -> Path:
    return REFERENCE / f"{name}_tiny_epoch_00{'060' if name == 'linear' else '200'}.pyth"


def configuration(name: str):
    """The configuration of the file, as somebody would write it for a job."""
    return cfg_from_released(torch.load(checkpoint(name), weights_only=True)["cfg"])


@pytest.mark.parametrize("name", METHODS)
def test_every_weight_of_the_file_is_taken(name):
    cfg = configuration(name)
    torch.manual_seed(0)
    method = build_method(cfg)
    fresh = {key: value.clone() for key, value in method.state_dict().items()}
    start_from(method, str(checkpoint(name)), cfg)
    expected = load_method(checkpoint(name)).state_dict()
    now = method.state_dict()
    # How far the file's momentum had risen belongs to its own training.
    place = {key for key in expected if key.startswith("momentum.")}
    for key in expected:
        assert torch.equal(now[key], (fresh if key in place else expected)[key]), key
    assert any(not torch.equal(now[key], fresh[key]) for key in now)


def test_another_method_or_size_is_refused():
    byol, moco = configuration("byol"), configuration("moco")
    with pytest.raises(WeightsError, match=r"TRAIN.CHECKPOINT_FILE_PATH.*holds another method or network"):
        start_from(build_method(moco), str(checkpoint("byol")), moco)
    longer = byol.clone()
    longer.defrost()
    longer.CONTRASTIVE.MLP_DIM *= 2
    with pytest.raises(WeightsError, match=r"projection.* differs: write the CONTRASTIVE, MODEL and RESNET keys"):
        start_from(build_method(longer), str(checkpoint("byol")), longer)


def test_classifier_is_refused():
    cfg = load_cfg(None, ["TASK", "pretrain", "RESNET.WIDTH_PER_GROUP", 4])
    with pytest.raises(WeightsError, match="holds no pre-training method"):
        start_from(build_method(cfg), str(checkpoint("linear")), cfg)
