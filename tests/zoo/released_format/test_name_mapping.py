from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rhovideo.config import cfg_from_released, get_cfg
from rhovideo.models import build_backbone
from rhovideo.ssl.build import build_method
from rhovideo.zoo.released_format.name_mapping import BLOCKS, encoder_to_ours, encoder_to_released, to_ours, to_released

REFERENCE = Path(__file__).parents[2] / "reference"
# In the released files of BYOL, never read: its queue, and the predictor of its momentum encoder.
WITHOUT_COUNTERPART = "backbone_hist.head.predictors."


@pytest.mark.parametrize("arch", BLOCKS)
@pytest.mark.parametrize("depth", [18, 50, 101])
def test_every_name_of_an_encoder_goes_there_and_back(arch, depth):
    if (arch, depth) == ("slowfast", 18):
        pytest.skip("is not built")
    cfg = get_cfg()
    cfg.MODEL.ARCH, cfg.RESNET.DEPTH, cfg.RESNET.WIDTH_PER_GROUP = arch, depth, 8
    with torch.device("meta"):
        names = list(build_backbone(cfg).state_dict())
    released = [encoder_to_released(name, arch) for name in names]
    assert None not in released
    assert len(set(released)) == len(names)
    assert [encoder_to_ours(name, arch) for name in released] == names
    stages = {int(name[1]) for name in released}
    assert stages == {1, 2, 3, 4, 5}


def test_some_names_by_heart():
    """Of R-50 and R-18, as PySlowFast's resnet_helper spells them."""
    pairs = {
        "s1.pathway0_stem.conv.weight": "blocks.0.conv.weight",
        "s1.pathway0_stem.bn.running_var": "blocks.0.norm.running_var",
        "s2.pathway0_res0.branch1.weight": "blocks.1.res_blocks.0.branch1_conv.weight",
        "s2.pathway0_res0.branch1_bn.bias": "blocks.1.res_blocks.0.branch1_norm.bias",
        "s4.pathway0_res22.branch2.c_bn.weight": "blocks.3.res_blocks.22.branch2.norm_c.weight",
        "s5.pathway0_res1.branch2.b.weight": "blocks.4.res_blocks.1.branch2.conv_b.weight",
    }
    for released, ours in pairs.items():
        assert encoder_to_ours(released, "slow") == ours
        assert encoder_to_released(ours, "slow") == released
    # After the pool over time every block is one further on.
    assert encoder_to_ours("s3.pathway0_res0.branch2.a.weight", "i3d") == "blocks.3.res_blocks.0.branch2.conv_a.weight"
    assert encoder_to_ours("s3.pathway1_res0.branch2.a.weight", "slow") is None
    assert encoder_to_ours("s3.pathway0_res0.branch3.a.weight", "slow") is None


@pytest.mark.parametrize("path", sorted(REFERENCE.glob("*.pyth")), ids=lambda path: path.name.split("_")[0])
def test_a_released_state_comes_back_bit_for_bit(path):
    state = torch.load(path, weights_only=True)["model_state"]
    back = to_released(dict(to_ours(state, "slow").values()), "slow")
    lost = state.keys() - back.keys()
    assert all(name.startswith(WITHOUT_COUNTERPART) for name in lost)
    assert not back.keys() - state.keys()
    for name, value in back.items():
        assert torch.equal(value, state[name]), name


def test_the_queue_of_swav_and_a_single_layer_projection_come_back():
    checkpoint = torch.load(REFERENCE / "swav_tiny_epoch_00200.pyth", weights_only=True)
    cfg = cfg_from_released(checkpoint["cfg"]).clone()
    cfg.defrost()
    cfg.CONTRASTIVE.SWAV_QEUE_LEN, cfg.CONTRASTIVE.NUM_MLP_LAYERS, cfg.CONTRASTIVE.BN_MLP = 8, 1, False
    method = build_method(cfg)
    released = to_released(method.state_dict(), "slow")
    assert released["queue_swav"].shape == (2, 8, 128)
    assert released["backbone.head.projection.weight"].shape == (128, 128)
    back = dict(to_ours(released, "slow").values())
    for name in ("code_queue.keys", "projection.layers.0.weight", "projection.layers.0.bias", "prototypes.weight"):
        assert torch.equal(back[name], method.state_dict()[name])
    # Clip 1 of the newest video stands first there, and last here.
    assert torch.equal(released["queue_swav"][1, 0], method.state_dict()["code_queue.keys"][-1, 128:])
