"""One step of each released checkpoint, rebuilt by load_method, against what the released code computed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rhovideo.zoo import load_method, load_pretrained
from rhovideo.zoo.released_format.name_mapping import to_released

REFERENCE = Path(__file__).parents[1] / "reference"
METHODS = ("byol", "moco", "simclr", "swav")
STEM = "backbone.s1.pathway0_stem.conv.weight"
# The released code logs the sum over queries (pairs) divided by 2ρ; SwAV's loss as it is.
LOGGED = {"byol": 0.5, "moco": 0.5, "simclr": 0.5}


def checkpoint(method: str) -> Path:
    return REFERENCE / f"{method}_tiny_epoch_00200.pyth"


def network_input(clips: torch.Tensor) -> torch.Tensor:
    return (clips.float() / 255 - 0.45) / 0.225


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.fixture(scope="module", params=[(method, rho) for method in METHODS for rho in (2, 4)], ids=str)
def step(request):
    """The reference's numbers, and the method after one step on the reference's clips."""
    name, rho = request.param
    reference = torch.load(REFERENCE / f"{name}_rho{rho}.pt", weights_only=True)
    method = load_method(checkpoint(name)).train()
    progress = reference["epoch_exact"] / reference["max_epoch"]
    losses = []
    for loss in method.losses(list(network_input(reference["clips_uint8"])), progress):
        loss.backward()
        losses.append(loss.detach())
    gradients = to_released({key: p.grad for key, p in method.named_parameters() if p.grad is not None}, "slow")
    method.after_backward(progress, step=0)
    return {
        "name": name,
        "rho": rho,
        "reference": reference,
        "method": method,
        "loss": torch.stack(losses).sum(),
        "number": len(losses),
        "gradients": gradients,
    }


def test_loss(step):
    factor = LOGGED[step["name"]] / step["rho"] if step["name"] in LOGGED else 1.0
    assert float(step["loss"] * factor) == pytest.approx(step["reference"]["loss"], rel=1e-3)
    assert step["number"] == (step["rho"] if step["name"] in ("moco", "byol") else 1)


def test_every_gradient(step):
    for name, expected in step["reference"]["grads"].items():
        found = step["gradients"][name]
        if expected.norm() < 1e-5:
            assert found.norm() < 1e-5
        else:
            assert relative(found, expected) <= (2e-2 if name == STEM else 1e-3), name


def test_queue_pointer_and_momentum_encoder_after_the_step(step):
    after = step["reference"]["after"]
    found = to_released(step["method"].state_dict(), "slow")
    assert bool(after) == (step["name"] in ("moco", "byol"))
    for name, expected in after.items():
        if step["name"] == "byol" and name in ("queue_x", "ptr"):
            continue  # BYOL's queue is never read, ours has none
        assert found[name].shape == expected.shape
        if expected.is_floating_point():
            assert relative(found[name], expected) <= 1e-4, name
        else:
            assert torch.equal(found[name], expected), name


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("rho", [2, 4])
def test_pooled_features(name, rho):
    reference = torch.load(REFERENCE / f"{name}_rho{rho}.pt", weights_only=True)
    expected = reference["pooled_features_eval"]
    clips = network_input(reference["clips_uint8"][0])
    for encoder in (load_pretrained(checkpoint(name)), load_method(checkpoint(name)).eval().encoder):
        with torch.no_grad():
            features = encoder(clips)
        assert (features - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", METHODS)
def test_the_paper_form_is_a_choice(name):
    assert load_method(checkpoint(name)).form == "released"
    assert load_method(checkpoint(name), form="paper").form == "paper"
