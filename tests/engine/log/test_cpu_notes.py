"""A job on the CPU says before its first step what a step will take, and does without what is for GPUs."""

from __future__ import annotations

import logging
import time

import pytest
import torch

from rhovideo.config import load_cfg
from rhovideo.engine.device_inputs import mixed_precision
from rhovideo.engine.log import cpu_notes
from rhovideo.engine.log.cpu_notes import note_cpu, note_mixed_precision
from rhovideo.models.backbones import build_backbone

CPU = torch.device("cpu")
RECIPE = "pretrain/MoCo_SlowR50_8x8_paper"

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")


def said(cfg, caplog):
    caplog.clear()
    with caplog.at_level(logging.INFO, "rhovideo"):
        note_cpu(cfg)
        note_mixed_precision(cfg)
    return caplog.text


@pytest.mark.parametrize("words", [(), ("NUM_GPUS", 0, "TRAIN.MIXED_PRECISION", False)])
def test_a_recipe_for_gpus_says_how_long_a_step_takes(words, caplog):
    text = said(load_cfg(RECIPE, words), caplog)
    assert "expect about " in text
    assert "minutes for a step. The recipes that `rhovideo configs demo` lists" in text


def test_small_jobs_are_not_frightened(caplog, monkeypatch):
    # That of a core which nobody else uses.
    monkeypatch.setattr(cpu_notes, "_multiply_adds_a_second", lambda: 5e10)
    assert "CPU, expect a second or less for a step" in said(load_cfg("demo/moco", ["NUM_GPUS", -1]), caplog)
    assert said(load_cfg("demo/moco", ["NUM_GPUS", 0]), caplog) == ""
    words = ["NUM_GPUS", -1, "TASK", "knn", "TRAIN.BATCH_SIZE", 2]
    text = said(load_cfg("demo/moco", words), caplog)
    assert "CPU, expect a second or less for a batch" in text
    assert "minutes" not in text


def test_the_time_that_is_foreseen_is_near_the_real_one():
    """Within a factor of five, since others may use this machine too."""
    words = ["NUM_GPUS", 0, "TRAIN.MIXED_PRECISION", False, "TRAIN.BATCH_SIZE", 2, "TASK", "finetune"]
    cfg = load_cfg("linear/K400_linear_SlowR50_8x8", [*words, "DATA.TRAIN_CROP_SIZE", 112])
    foreseen = cpu_notes._seconds_of_step(cfg)
    encoder, clips = build_backbone(cfg), torch.randn(2, 3, 8, 112, 112)
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        encoder(clips).sum().backward()
        seconds.append(time.perf_counter() - started)
    assert foreseen / 5 < min(seconds) < foreseen * 5


def test_mixed_precision_needs_a_gpu_or_a_wish_for_the_cpu(caplog):
    cfg = load_cfg(RECIPE)
    assert not mixed_precision(cfg, CPU)
    assert mixed_precision(cfg, torch.device("cuda"))
    assert "TRAIN.MIXED_PRECISION in bfloat16 is for GPUs, and there is none: it is off" in said(cfg, caplog)
    asked = load_cfg(RECIPE, ["NUM_GPUS", 0])
    assert mixed_precision(asked, CPU)
    assert "can make a step ten times slower" in said(asked, caplog)
