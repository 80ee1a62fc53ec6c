"""An encoder that has nothing of ours but `dim`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rhovideo.config import get_cfg
from rhovideo.config.extension.registries import BACKBONES
from rhovideo.engine.model_setup import _compile_encoders
from rhovideo.models import build_backbone, build_classifier


class Mean(nn.Module):
    dim = 3

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return x.mean(dim=(2, 3, 4)) * self.scale


@pytest.fixture
def cfg(monkeypatch):
    monkeypatch.setattr(BACKBONES, "_registered", {"mean": lambda cfg: Mean(), "bare": lambda cfg: nn.Identity()})
    cfg = get_cfg()
    cfg.MODEL.ARCH, cfg.MODEL.NUM_CLASSES, cfg.MODEL.DROPOUT_RATE = "mean", 4, 0.0
    return cfg


def test_without_the_size_of_its_features_it_is_refused(cfg):
    cfg.MODEL.ARCH = "bare"
    with pytest.raises(TypeError, match=r"MODEL\.ARCH bare, a Identity.*set self\.dim"):
        build_backbone(cfg)


def test_an_architecture_that_is_not_there_names_those_that_are(cfg):
    cfg.MODEL.ARCH = "median"
    with pytest.raises(ValueError, match=r"MODEL\.ARCH is 'median': write one of slow, .*s3dg, mean, bare"):
        build_backbone(cfg)


def test_a_classifier_scores_the_whole_clip_as_one_window(cfg):
    classifier = build_classifier(cfg).eval()
    clips = torch.rand(2, 3, 4, 40, 40)
    expected = classifier.head(clips.mean(dim=(2, 3, 4))).softmax(dim=1)
    assert torch.allclose(classifier.scores(clips), expected, atol=1e-6)


def test_it_is_compiled_where_ours_would_be(cfg):
    classifier = build_classifier(cfg)
    _compile_encoders(classifier)
    assert classifier.encoder._compiled_call_impl is not None
    assert classifier.head._compiled_call_impl is None
