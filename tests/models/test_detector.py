"""The detector against numbers of PySlowFast's head on boxes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

import rhovideo
from rhovideo.config import load_cfg
from rhovideo.errors import WeightsError
from rhovideo.models import BoxHead, build_detector
from rhovideo.zoo.released_format.name_mapping import encoder_to_ours

REFERENCE = Path(__file__).parent.parent / "reference/downstream"


@pytest.fixture(scope="module")
def reference():
    return torch.load(REFERENCE / "ava_head.pt", weights_only=True)


@pytest.fixture(scope="module")
def checkpoint(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "ava.pyth"
    torch.save(reference["checkpoint"], path)
    return path


def our_name(name: str) -> str:
    return name if name.startswith("head.") else f"encoder.{encoder_to_ours(name, 'slow')}"


def clips_of(reference):
    return (reference["clips_uint8"].float() / 255 - 0.45) / 0.225


def assert_gradients(detector, expected):
    parameters = dict(detector.named_parameters())
    for name, gradient in expected.items():
        found = parameters[our_name(name)].grad
        assert (found - gradient).norm() <= 1e-4 * gradient.norm(), name


def test_scores_of_a_released_detector(reference, checkpoint):
    detector = rhovideo.load_detector(checkpoint)
    clips, boxes = clips_of(reference), reference["boxes"]
    with torch.no_grad():
        torch.testing.assert_close(detector(clips, boxes), reference["eval"]["scores"], rtol=0, atol=1e-5)
        torch.testing.assert_close(detector.features(clips, boxes), reference["eval"]["features"], rtol=0, atol=1e-4)
        pooled = detector.encoder.feature_map(clips).mean(dim=2)
    torch.testing.assert_close(pooled, reference["eval"]["tpool"], rtol=0, atol=1e-4)


def test_scores_of_a_larger_clip(checkpoint):
    large = torch.load(REFERENCE / "ava_head_large.pt", weights_only=True)
    scores = large["eval"]["scores"] if "eval" in large else large["scores"]
    with torch.no_grad():
        found = rhovideo.load_detector(checkpoint)(clips_of(large), large["boxes"])
    torch.testing.assert_close(found, scores, rtol=0, atol=1e-5)


def test_loss_and_gradients_in_eval_mode(reference, checkpoint):
    detector = rhovideo.load_detector(checkpoint)
    logits = detector.logits(clips_of(reference), reference["boxes"])
    loss = functional.binary_cross_entropy_with_logits(logits, reference["labels"])
    loss.backward()
    assert loss.item() == pytest.approx(reference["eval_loss"]["loss"], abs=1e-5)
    assert_gradients(detector, reference["eval_loss"]["grads"])


@pytest.mark.parametrize("mode", ["train_no_dropout", "train_dropout"])
def test_training_step(reference, checkpoint, mode):
    """Loss, gradients, and the running statistics of batch norm after one forward."""
    expected = reference[mode]
    detector = rhovideo.load_detector(checkpoint).train()
    if mode == "train_no_dropout":
        detector.head.dropout.p = 0.0
    else:
        torch.manual_seed(expected["dropout_seed"])
    logits = detector.logits(clips_of(reference), reference["boxes"])
    loss = functional.binary_cross_entropy_with_logits(logits, reference["labels"])
    loss.backward()
    torch.testing.assert_close(logits.detach().sigmoid(), expected["scores"], rtol=0, atol=1e-5)
    assert loss.item() == pytest.approx(expected["loss"], abs=1e-5)
    assert_gradients(detector, expected["grads"])
    buffers = dict(detector.named_buffers())
    for name, value in expected["buffers_after"].items():
        torch.testing.assert_close(buffers[our_name(name)], value, rtol=1e-5, atol=1e-6)


def test_box_without_an_area_scores_the_bias():
    head = BoxHead(8, 3)
    torch.nn.init.uniform_(head.projection.bias)
    boxes = torch.tensor([[0, 5.0, 5.0, 5.0, 20.0]])
    with torch.no_grad():
        logits = head(head.features(torch.rand(1, 8, 4, 4), boxes))
    torch.testing.assert_close(logits[0], head.projection.bias.detach())


def test_boxes_belong_to_their_clips():
    """A box sees its own clip, wherever it stands in the batch."""
    cfg = load_cfg(None, ["TASK", "detection", "RESNET.WIDTH_PER_GROUP", 4, "MODEL.NUM_CLASSES", 5])
    detector = build_detector(cfg).eval()
    clips = torch.rand(3, 3, 4, 48, 64)
    boxes = torch.tensor([[2, 3.0, 4.0, 40.0, 40.0], [0, 0.0, 0.0, 63.0, 47.0], [2, 20.0, 4.0, 60.0, 30.0]])
    with torch.no_grad():
        together = detector(clips, boxes)
        for row, box in enumerate(boxes):
            alone = box.clone()
            alone[0] = 0
            torch.testing.assert_close(together[row], detector(clips[int(box[0])][None], alone[None])[0])


def test_slowfast_has_a_head_on_boxes_too():
    words = ["TASK", "detection", "MODEL.ARCH", "slowfast", "RESNET.WIDTH_PER_GROUP", 8, "DATA.NUM_FRAMES", 8]
    detector = build_detector(load_cfg(None, [*words, "MODEL.NUM_CLASSES", 5])).eval()
    with torch.no_grad():
        assert detector(torch.rand(1, 3, 8, 64, 64), torch.tensor([[0, 3.0, 4.0, 40.0, 40.0]])).shape == (1, 5)


def test_wrong_boxes_and_wrong_files_are_named(tmp_path):
    cfg = load_cfg(None, ["TASK", "detection", "RESNET.WIDTH_PER_GROUP", 4])
    with pytest.raises(ValueError, match=r"boxes \[N, 5\]"):
        build_detector(cfg)(torch.rand(1, 3, 4, 32, 32), torch.rand(2, 4))
    with pytest.raises(WeightsError, match="TASK linear"):
        rhovideo.load_detector(REFERENCE.parent / "linear_tiny_epoch_00060.pyth")
    with pytest.raises(WeightsError, match="TASK pretrain"):
        rhovideo.load_detector(REFERENCE.parent / "byol_tiny_epoch_00200.pyth")
