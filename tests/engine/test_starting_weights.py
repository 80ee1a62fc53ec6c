"""Pre-training from the weights of another run, released or ours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rhovideo.config import cfg_from_released, load_cfg
from rhovideo.engine.tasks.pretrain import start_from
from rhovideo.errors import WeightsError
from rhovideo.ssl.build import build_method
from rhovideo.zoo import export
from rhovideo.zoo.pretrained import load_method

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
    start_from(method, str(checkpoint(name)))
    expected = load_method(checkpoint(name)).state_dict()
    now = method.state_dict()
    # How far the file's momentum had risen belongs to its own training.
    place = {key for key in expected if key.startswith("momentum.")}
    for key in expected:
        assert torch.equal(now[key], (fresh if key in place else expected)[key]), key
    assert any(not torch.equal(now[key], fresh[key]) for key in now)


def of_our_format(path: Path) -> Path:
    """The released MoCo as a checkpoint of this package."""
    cfg = configuration("moco").clone()
    cfg.defrost()
    cfg.TASK = "pretrain"
    state = load_method(checkpoint("moco")).state_dict()
    torch.save({"format": "rhovideo", "task": "pretrain", "cfg": cfg.dump(), "model_state": state}, path)
    return path


@pytest.mark.parametrize("kind", ["released", "ours", "exported"])
def test_a_queue_of_another_length_begins_anew(kind, tmp_path):
    """One's own videos are fewer than those of the file, and so are the keys that its queue should hold."""
    file = checkpoint("moco") if kind == "released" else of_our_format(tmp_path / "ours.pyth")
    if kind == "exported":
        export(file, tmp_path / "exported.pyth")
        file = tmp_path / "exported.pyth"
    cfg = configuration("moco").clone()
    cfg.defrost()
    cfg.CONTRASTIVE.QUEUE_LEN //= 2
    method = build_method(cfg)
    fresh = method.queue.keys.clone()
    start_from(method, str(file))
    assert torch.equal(method.queue.keys, fresh)
    assert (method.queue.filled, method.queue.pointer) == (0, 0)
    expected = load_method(file).state_dict()
    weights = {
        name: value for name, value in method.state_dict().items() if not name.startswith(("queue.", "momentum."))
    }
    assert weights
    assert all(torch.equal(value, expected[name]) for name, value in weights.items())


def test_another_method_or_size_is_refused():
    byol, moco = configuration("byol"), configuration("moco")
    with pytest.raises(WeightsError, match=r"byol_tiny.*holds another method .*leave TRAIN.CHECKPOINT_FILE_PATH out"):
        start_from(build_method(moco), str(checkpoint("byol")))
    longer = byol.clone()
    longer.defrost()
    longer.CONTRASTIVE.MLP_DIM *= 2
    with pytest.raises(WeightsError, match=r"projection.* differs: write the CONTRASTIVE, MODEL and RESNET keys"):
        start_from(build_method(longer), str(checkpoint("byol")))


def test_a_file_that_holds_more_than_is_configured_is_refused_and_nothing_is_loaded():
    """All of SimCLR's tensors are in a file of BYOL with the same heads."""
    cfg = configuration("byol").clone()
    cfg.defrost()
    cfg.CONTRASTIVE.TYPE = "simclr"
    method = build_method(cfg)
    before = {key: value.clone() for key, value in method.state_dict().items()}
    with pytest.raises(WeightsError, match=r"momentum_encoder.* differs"):
        start_from(method, str(checkpoint("byol")))
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())


def test_classifier_is_refused():
    cfg = load_cfg(None, ["TASK", "pretrain", "RESNET.WIDTH_PER_GROUP", 4])
    with pytest.raises(WeightsError, match="holds no pre-training method"):
        start_from(build_method(cfg), str(checkpoint("linear")))
