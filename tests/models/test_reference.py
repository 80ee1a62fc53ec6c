"""The Slow encoder and the linear classifier against numbers that the released code computed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from rhovideo.config.schema import get_cfg
from rhovideo.models import build_backbone, build_classifier

REFERENCE = Path(__file__).parents[1] / "reference"


def released_to_ours(name: str) -> str:
    """PySlowFast's name of a Slow network's tensor as PyTorchVideo's."""
    name = re.sub(r"^s1\.pathway0_stem\.bn", "blocks.0.norm", name)
    name = re.sub(r"^s1\.pathway0_stem", "blocks.0", name)
    name = re.sub(r"^s(\d)\.pathway0_res", lambda m: f"blocks.{int(m[1]) - 1}.res_blocks.", name)
    name = re.sub(r"branch1_bn", "branch1_norm", name)
    name = re.sub(r"branch1\.", "branch1_conv.", name)
    name = re.sub(r"branch2\.([abc])_bn", r"branch2.norm_\1", name)
    return re.sub(r"branch2\.([abc])\.", r"branch2.conv_\1.", name)


def tiny_cfg():
    cfg = get_cfg()
    cfg.RESNET.WIDTH_PER_GROUP = 4
    cfg.DATA.TRAIN_CROP_SIZE = 32
    return cfg


def network_input(clips: torch.Tensor) -> torch.Tensor:
    return (clips.float() / 255 - 0.45) / 0.225


def load(name: str) -> dict:
    return torch.load(REFERENCE / name, weights_only=True)


@pytest.mark.parametrize("method", ["simclr", "moco", "byol", "swav"])
def test_pooled_features_are_the_released_ones(method):
    state = load(f"{method}_tiny_epoch_00200.pyth")["model_state"]
    state = {k.removeprefix("backbone."): v for k, v in state.items() if k.startswith("backbone.s")}
    encoder = build_backbone(tiny_cfg()).eval()
    encoder.load_state_dict({released_to_ours(k): v for k, v in state.items()})
    reference = load(f"{method}_rho2.pt")
    expected = reference["pooled_features_eval"]
    with torch.no_grad():
        features = encoder(network_input(reference["clips_uint8"][0]))
    assert encoder.dim == features.shape[1] == 128
    assert (features - expected).abs().max() <= 1e-5 * expected.abs().max()


def released_classifier():
    cfg = tiny_cfg()
    cfg.MODEL.NUM_CLASSES = 7
    cfg.MODEL.DETACH_FINAL_FC = True
    classifier = build_classifier(cfg).eval()
    state = load("linear_tiny_epoch_00060.pyth")["model_state"]
    classifier.load_state_dict(
        {k if k.startswith("head.") else "encoder." + released_to_ours(k): v for k, v in state.items()}
    )
    return classifier


def test_classifier_scores_are_the_released_ones():
    classifier = released_classifier()
    reference = load("linear_eval.pt")
    x = network_input(reference["clips_uint8"])
    with torch.no_grad():
        assert (classifier.scores(x) - reference["softmax_eval"]).abs().max() <= 1e-5
        # At the training crop there is one window, so logits and scores agree.
        assert torch.allclose(classifier(x).softmax(-1), classifier.scores(x), atol=1e-6)


@pytest.mark.parametrize("crop", [64, 96])
def test_larger_crops_are_scored_window_by_window(crop):
    """Softmax at each place of a stride-1 pool of the training crop's window, then the mean: not of logits."""
    classifier = released_classifier().double()
    # Noise is far from what it was trained on: soften its scores, or each of them is 0 or 1.
    classifier.head.projection.weight.data.mul_(0.01)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 8, crop, crop, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        feature_map = classifier.encoder.feature_map(x)
        places = feature_map.shape[-1]
        assert places == crop // 32
        each = [
            classifier.head(feature_map[:, :, :, i, j].mean(dim=2)).softmax(-1)
            for i in range(places)
            for j in range(places)
        ]
        expected = torch.stack(each).mean(0)
        scores = classifier.scores(x)
        assert torch.allclose(scores, expected, atol=1e-12)
        assert (scores - classifier(x).softmax(-1)).abs().max() > 1e-6
