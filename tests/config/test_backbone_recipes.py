"""The recipes of table 5: MoCo's with another network or clip and nothing else, of the size that they say."""

from __future__ import annotations

import re

import pytest
import torch

from rhovideo.config import load_cfg
from rhovideo.config.comparison import differences
from rhovideo.models import build_backbone
from rhovideo.models.network_size import model_info
from tests.config.test_recipes import CONFIGS

NETWORK = ("MODEL.ARCH", "RESNET.DEPTH", "RESNET.NUM_BLOCK_TEMP_KERNEL", "DATA.NUM_FRAMES", "DATA.SAMPLING_RATE")
# Name: architecture, depth, T, tau, size of the feature, its frames.
ROWS = {
    "MoCo_SlowR18_8x8": ("slow", 18, 8, 8, 512, 8),
    "MoCo_SlowR101_8x8": ("slow", 101, 8, 8, 2048, 8),
    "MoCo_SlowR50_16x4": ("slow", 50, 16, 4, 2048, 16),
    "MoCo_SlowR101_16x4": ("slow", 101, 16, 4, 2048, 16),
    "MoCo_R2plus1D18_16x4": ("r2plus1d", 18, 16, 4, 512, 4),
    "MoCo_S3DG_16x4": ("s3dg", 50, 16, 4, 1024, 2),
}


def test_every_recipe_is_a_row():
    assert {path.stem for path in (CONFIGS / "backbones").glob("*.yaml")} == ROWS.keys()


@pytest.mark.parametrize("name", ROWS)
def test_a_row_differs_in_network_and_clip_alone(name):
    cfg, usual = load_cfg(f"backbones/{name}"), load_cfg("pretrain/MoCo_SlowR50_8x8_paper")
    changed = differences(usual, cfg, ("OUTPUT_DIR",))
    assert changed
    assert set(changed) <= set(NETWORK)
    arch, depth, frames, rate, *_ = ROWS[name]
    found = (cfg.MODEL.ARCH, cfg.RESNET.DEPTH, cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE)
    assert found == (arch, depth, frames, rate)


@pytest.mark.parametrize("name", ROWS)
def test_the_network_has_the_size_that_the_recipe_says(name):
    cfg = load_cfg(f"backbones/{name}")
    _, _, frames, _, dim, map_frames = ROWS[name]
    with torch.device("meta"):
        encoder = build_backbone(cfg)
        assert encoder.dim == dim
        assert encoder(torch.empty(1, 3, frames, 224, 224)).shape == (1, dim)
        assert encoder.feature_map(torch.empty(1, 3, frames, 224, 224)).shape == (1, dim, map_frames, 7, 7)
    info = model_info(encoder, frames, 224)
    text = (CONFIGS / f"backbones/{name}.yaml").read_text().replace("\n# ", " ")
    parameters, multiply_adds = (
        float(part) for part in re.search(r"([\d.]+) M param.* ([\d.]+) G multi", text).groups()
    )
    assert info.parameters / 1e6 == pytest.approx(parameters, abs=0.051)
    assert info.multiply_adds / 1e9 == pytest.approx(multiply_adds, abs=0.051)


def test_sizes_are_those_of_published_networks():
    """The paper's 41.7 G of R-50 at 8 x 8, twice of it at 16 x 4; torchvision's S3D, whose gates are S3D-G's own."""
    import torchvision

    with torch.device("meta"):
        r50 = build_backbone(load_cfg("backbones/MoCo_SlowR50_16x4"))
        s3dg = build_backbone(load_cfg("backbones/MoCo_S3DG_16x4"))
        twin = torchvision.models.video.s3d()
    assert model_info(r50, 16, 224).multiply_adds / 1e9 == pytest.approx(2 * 41.7, rel=0.002)
    without = sum(value.numel() for name, value in s3dg.named_parameters() if not name.endswith("weight.weight"))
    theirs = sum(value.numel() for name, value in twin.named_parameters() if not name.startswith("classifier"))
    assert without == theirs
