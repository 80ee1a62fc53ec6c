"""What an encoder does with the clips that it is given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rhovideo.config import load_cfg
from rhovideo.models import build_backbone
from rhovideo.models.encoder import standardise


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_standardised_clips_have_no_brightness_and_no_tint(dtype):
    """Each channel of each clip is brought to mean 0 and variance 1, whatever the others hold."""
    clips = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, 3, 4, 5, 6))).to(dtype)
    tint = torch.tensor([3.0, 0.5, 1.0], dtype=dtype)[:, None, None, None]
    out = standardise(clips)
    assert out.dtype == dtype
    expected = clips.double().numpy()
    for place in np.ndindex(2, 3, 3):
        channel = expected[place]
        expected[place] = (channel - channel.mean()) / np.sqrt(channel.var() + 1e-5)
    tolerance = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(out.double(), torch.from_numpy(expected), rtol=tolerance, atol=4 * tolerance)
    if dtype == torch.float64:
        torch.testing.assert_close(standardise(clips * tint + tint), out, rtol=1e-3, atol=1e-3)
    assert standardise(torch.full((3, 2, 4, 4), 7.0)).abs().max() == 0


@pytest.mark.parametrize("arch", ["slow", "slowfast", "x3d", "mvit"])
def test_an_encoder_that_standardises_is_given_clips_of_any_brightness(arch):
    words = [
        "TASK",
        "pretrain",
        "MODEL.ARCH",
        arch,
        "DATA.TRAIN_CROP_SIZE",
        64,
        "DATA.NUM_FRAMES",
        8,
        "RESNET.WIDTH_PER_GROUP",
        8,
    ]
    torch.manual_seed(0)
    encoder = build_backbone(load_cfg(None, [*words, "SLOWFAST.ALPHA", 4])).eval()
    clips = torch.rand(2, 3, 8, 64, 64)
    with torch.no_grad():
        expected = encoder(standardise(clips))
        assert not torch.allclose(encoder(clips), expected, rtol=1e-3, atol=1e-3)
        encoder.standardises = True
        for given in (clips, 0.5 * clips + 3, standardise(clips)):
            torch.testing.assert_close(encoder(given), expected, rtol=1e-2, atol=1e-3)
            torch.testing.assert_close(
                encoder.window_features(given, 1), encoder.window_features(standardise(clips), 1), rtol=1e-2, atol=1e-3
            )
