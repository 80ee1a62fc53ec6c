"""Networks of others: the architecture is found, and the outputs are theirs."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorchvideo.models.hub import resnet as hub_resnet
from pytorchvideo.models.hub import slowfast as hub_slowfast

from rhovideo.config import cfg_from_released, get_cfg
from rhovideo.models import build_classifier
from rhovideo.zoo import WeightsError, load_classifier, load_pretrained
from rhovideo.zoo.files.architecture import architecture
from rhovideo.zoo.files.caffe2 import released_name
from rhovideo.zoo.files.checkpoint_files import read_weights
from rhovideo.zoo.released_format.name_mapping import to_released
from rhovideo.zoo.released_format.released_cfg import released_cfg
from tests.zoo.drawn_weights import clip, drawn

# What PySlowFast computed, in eval mode, with the weights of `drawn`: every n-th entry of the pooled feature of one
# clip (n such that there are about twelve) and the softmax of five classes. Width 8, 8 frames of 32 x 32.
CASES = json.loads((Path(__file__).parent / "slowfast_outputs.json").read_text())


def case_cfg(case: str):
    settings = CASES[case]["settings"]
    cfg = get_cfg()
    cfg.TASK, cfg.CONTRASTIVE.LOSS_FORM, cfg.MODEL.FROZEN_BN = "finetune", "paper", False
    cfg.MODEL.ARCH, cfg.RESNET.DEPTH, cfg.RESNET.WIDTH_PER_GROUP = settings["arch"], settings["depth"], 8
    cfg.RESNET.NUM_BLOCK_TEMP_KERNEL, cfg.MODEL.NUM_CLASSES = settings["temporal"], 5
    cfg.RESNET.BASIC_EXPANSION = 4
    cfg.SLOWFAST.FUSION_KERNEL_SZ = settings["fusion_kernel"]
    cfg.SLOWFAST.ALPHA = 8 if case.endswith("4x16") else 4
    cfg.DATA.TRAIN_CROP_SIZE = 32
    return cfg


def released_state(case: str) -> dict[str, torch.Tensor]:
    """PySlowFast's state dict with the drawn weights."""
    cfg = case_cfg(case)
    with torch.device("meta"):
        state = to_released(build_classifier(cfg).state_dict(), cfg.MODEL.ARCH)
    return {name: drawn(name, tuple(value.shape)) for name, value in state.items()}


def check_outputs(case: str, *sources: object) -> None:
    expected = CASES[case]
    for source in sources:
        encoder, classifier = load_pretrained(source), load_classifier(source)
        with torch.no_grad():
            feature, scores = encoder(clip())[0], classifier.scores(clip())[0]
        assert len(feature) == expected["feature_size"]
        assert encoder.load_report.missing == ()
        entries = feature[:: max(1, len(feature) // 12)]
        assert (entries - torch.tensor(expected["feature"])).abs().max() <= 1e-5 * feature.abs().max()
        assert (scores - torch.tensor(expected["scores"])).abs().max() <= 1e-5


@pytest.mark.parametrize("case", CASES)
def test_slowfasts_networks_compute_what_they_did_there_with_and_without_configuration(case, tmp_path):
    state = released_state(case)
    assert len(state) == CASES[case]["tensors"]
    torch.save({"model_state": state, "cfg": released_cfg(case_cfg(case), method=False)}, tmp_path / "whole.pyth")
    torch.save({"model_state": state}, tmp_path / "bare.pyth")
    wrapped = {f"module.{name}": value for name, value in state.items()}
    check_outputs(case, tmp_path / "whole.pyth", tmp_path / "bare.pyth", wrapped)


def caffe2_name(released: str) -> str:
    """Caffe2's name of a released tensor, written down the other way round."""
    name = re.sub(r"^(.*pathway)1(.*)$", r"t_\g<1>1\2", released)
    for pattern, blob in (
        (r"head\.projection\.", "pred_"),
        (r"s1_fuse\.conv_f2s\.", "t_pool1_subsample_"),
        (r"s1_fuse\.bn\.", "t_pool1_subsample_bn_"),
        (r"s([2-4])_fuse\.conv_f2s\.", r"t_res\1_9_branch2c_bn_subsample_"),
        (r"s([2-4])_fuse\.bn\.", r"t_res\1_9_branch2c_bn_subsample_bn_"),
        (r"s1\.pathway\d_stem\.conv\.", "conv1_"),
        (r"s1\.pathway\d_stem\.bn\.", "res_conv1_bn_"),
        (r"s(\d)\.pathway\d_res(\d+)\.branch1\.", r"res\1_\2_branch1_"),
        (r"s(\d)\.pathway\d_res(\d+)\.branch1_bn\.", r"res\1_\2_branch1_bn_"),
        (r"s(\d)\.pathway\d_res(\d+)\.branch2\.([abc])\.", r"res\1_\2_branch2\3_"),
        (r"s(\d)\.pathway\d_res(\d+)\.branch2\.([abc])_bn\.", r"res\1_\2_branch2\3_bn_"),
        (r"_bn_weight$", "_bn_s"),
        (r"_bn_running_mean$", "_bn_rm"),
        (r"_bn_running_var$", "_bn_riv"),
        (r"_weight$", "_w"),
        (r"_bias$", "_b"),
    ):
        name = re.sub(pattern, blob, name)
    return name


@pytest.mark.parametrize("case", ["slow R-50", "slowfast R-50 8x8", "slowfast R-101, 50 fast"])
def test_caffe2s_files_of_the_model_zoo(case, tmp_path):
    state = {name: value for name, value in released_state(case).items() if "num_batches" not in name}
    blobs = {caffe2_name(name): value.numpy() for name, value in state.items()}
    assert {released_name(blob) for blob in blobs} == state.keys()
    blobs |= {"lr": np.zeros(1), "model_iter": np.zeros(1), "conv1_w_momentum": np.zeros(3)}
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({"blobs": blobs, "cfg": "x"}, protocol=2))
    encoder = load_pretrained(tmp_path / "net.pkl")
    assert all(name.endswith("num_batches_tracked") for name in encoder.load_report.missing)
    with torch.no_grad():
        scores = load_classifier(tmp_path / "net.pkl", _with_crop(case)).scores(clip())[0]
    assert (scores - torch.tensor(CASES[case]["scores"])).abs().max() <= 1e-5


def _with_crop(case: str):
    cfg = case_cfg(case)
    cfg.freeze()
    return cfg


def test_caffe2s_c2d_without_its_pool_is_told_by_its_name(tmp_path):
    """Weights do not tell; the released file does."""
    state = {name: value for name, value in released_state("c2d R-50").items() if "num_batches" not in name}
    data = pickle.dumps({"blobs": {caffe2_name(name): value.numpy() for name, value in state.items()}}, protocol=2)
    for name, blocks in (("C2D_NOPOOL_8x8_R50.pkl", 5), ("C2D.pkl", 6)):
        (tmp_path / name).write_bytes(data)
        assert len(load_pretrained(tmp_path / name).blocks) == blocks


class Payload:
    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pkl_file_with_anything_but_arrays_is_refused_and_not_run(tmp_path):
    (tmp_path / "net.pkl").write_bytes(pickle.dumps({"blobs": {"conv1_w": Payload(tmp_path / "ran")}}, protocol=2))
    with pytest.raises(WeightsError, match="could run code"):
        load_pretrained(tmp_path / "net.pkl")
    (tmp_path / "cut.pkl").write_bytes(pickle.dumps({"blobs": {"conv1_w": np.zeros((8, 3, 1, 7, 7))}})[:300])
    with pytest.raises(WeightsError, match="truncated, damaged"):
        load_pretrained(tmp_path / "cut.pkl")
    assert not (tmp_path / "ran").exists()


def videos_networks() -> dict[str, tuple]:
    """PyTorchVideo's hub, narrow, for clips of 8 frames of 32 x 32."""
    slow = {"stem_conv_kernel_size": (1, 7, 7), "head_pool_kernel_size": (8, 1, 1)}
    narrow = {"stem_dim_out": 8, "model_num_class": 5}
    two = {"stem_dim_outs": (16, 2), "model_num_class": 5, "head_pool_kernel_sizes": ((2, 1, 1), (8, 1, 1))}
    kernels = {
        "stage_conv_a_kernel_sizes": (
            ((1, 1, 1), (1, 1, 1), ((3, 1, 1),) * 6 + ((1, 1, 1),) * 17, (3, 1, 1)),
            ((3, 1, 1), (3, 1, 1), ((3, 1, 1),) * 6 + ((1, 1, 1),) * 17, (3, 1, 1)),
        )
    }
    fusion = {"model_depth": 101, "slowfast_fusion_conv_kernel_size": (5, 1, 1)}
    return {
        # Not slow_r50 itself, which sets the pool of its head.
        "slow_r50": (hub_resnet.create_resnet, slow | narrow),
        "c2d_r50": (hub_resnet.c2d_r50, {"head_pool_kernel_size": (4, 1, 1)} | narrow),
        "i3d_r50": (hub_resnet.i3d_r50, {"head_pool_kernel_size": (4, 1, 1)} | narrow),
        "slowfast_r50": (hub_slowfast.slowfast_r50, two),
        "slowfast_r101": (hub_slowfast.slowfast_r101, two),
        "slowfast_16x8_r101_50_50": (hub_slowfast.create_slowfast, fusion | kernels | two),
    }


@pytest.mark.parametrize("name", videos_networks())
def test_pytorchvideos_model_state(name, tmp_path):
    builder, settings = videos_networks()[name]
    torch.manual_seed(0)
    net = builder(**settings).eval()
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm3d):
            part.running_mean.normal_(0, 0.1)
            part.weight.data.uniform_(0.5, 1.5)
    torch.nn.init.normal_(net.blocks[-1].proj.weight, std=0.3)
    torch.save({"model_state": net.state_dict()}, tmp_path / "net.pyth")
    classifier = load_classifier(tmp_path / "net.pyth")
    with torch.no_grad():
        x = clip()
        expected = net([x[:, :, torch.tensor([0, 7])], x] if "slowfast" in name else x)
        found = classifier(x)
    assert found.shape == (1, 5)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_clips_are_those_of_the_released_networks_of_the_kind(tmp_path):
    builder, settings = videos_networks()["slowfast_16x8_r101_50_50"]
    with torch.device("meta"):
        shapes = builder(**settings).state_dict()
    both_50 = {name: torch.zeros(value.shape) for name, value in shapes.items()}
    for state, name, frames_and_rate in (
        (both_50, "net.pyth", (64, 2)),
        # The same shapes, released for half as long clips.
        (both_50, "SLOWFAST_8x8_R101_50_50.pyth", (32, 2)),
        (released_state("slowfast R-101, 50 fast"), "net.pyth", (32, 2)),
        (released_state("slowfast R-50 4x16"), "net.pyth", (32, 2)),
        (released_state("slow R-50"), "net.pyth", (8, 8)),
    ):
        torch.save({"model_state": state}, tmp_path / name)
        data = architecture(read_weights(tmp_path / name)).DATA
        assert (data.NUM_FRAMES, data.SAMPLING_RATE) == frames_and_rate


def refusal(state: dict, tmp_path: Path, cfg: str | None = None) -> str:
    content = {"model_state": state} | ({"cfg": cfg} if cfg else {})
    torch.save(content, tmp_path / "net.pyth")
    with pytest.raises(WeightsError) as caught:
        load_pretrained(tmp_path / "net.pyth")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "net.pyth"))
    return str(caught.value)


def test_networks_that_are_not_built_are_refused(tmp_path):
    slow = released_state("slow R-50")
    extra = {"s3.pathway0_nonlocal1.conv_theta.weight": torch.zeros(4, 4, 1, 1, 1)}
    assert "1 tensors of its encoder have no place" in refusal(slow | extra, tmp_path)
    strange = slow | {"s2.pathway0_res1.branch2.a.weight": torch.zeros(8, 32, 5, 1, 1)}
    assert "temporal kernels" in refusal(strange, tmp_path)
    fewer = {name: value for name, value in slow.items() if not name.startswith("s4.pathway0_res5")}
    assert "stages of 3, 4, 5, 3 blocks" in refusal(fewer, tmp_path)
    fast = released_state("slowfast R-50 8x8")
    for stage in range(1, 5):
        weight = fast[f"s{stage}_fuse.conv_f2s.weight"]
        fast[f"s{stage}_fuse.conv_f2s.weight"] = torch.zeros(*weight.shape[:2], 3, 1, 1)
    assert "SLOWFAST.ALPHA" in refusal(fast, tmp_path)
    other = {"layer1.0.conv1.weight": torch.zeros(4, 3, 3, 3), "fc.weight": torch.zeros(4, 4)}
    assert "its own begin with layer1.0.conv1.weight, fc.weight" in refusal(other, tmp_path)


def test_a_deeper_network_than_its_configuration_says_is_refused(tmp_path):
    deep = released_state("slow R-101")
    text = released_cfg(case_cfg("slow R-50"), method=False)
    assert re.search(r"\d+ tensors of its encoder have no place in MODEL.ARCH slow", refusal(deep, tmp_path, text))


def test_vision_transformers_and_x3d_are_refused(tmp_path):
    vit = {
        "cls_token": torch.zeros(1, 1, 8),
        "patch_embed.proj.weight": torch.zeros(8, 3, 2, 16, 16),
        "blocks.0.norm1.weight": torch.zeros(8),
        "blocks.0.attn.qkv.weight": torch.zeros(24, 8),
    }
    text = "MODEL: {ARCH: mvit, MODEL_NAME: MViT}\nMVIT: {EMBED_DIM: 8, DEPTH: 1}\n"
    for cfg in (None, text):
        assert "holds a vision transformer" in refusal(vit, tmp_path, cfg)
    x3d = {
        "s1.pathway0_stem.conv_xy.weight": torch.zeros(24, 3, 1, 3, 3),
        "s2.pathway0_res0.branch2.a.weight": vit["cls_token"],
    }
    assert "slow, c2d, i3d, slowfast alone" in refusal(x3d, tmp_path, "MODEL: {ARCH: x3d, MODEL_NAME: X3D}\n")
    assert "which are those of no ResNet" in refusal(x3d, tmp_path)
    assert "MODEL.ARCH is 'reversible'" in refusal(x3d, tmp_path, "MODEL: {ARCH: reversible}\n")


def test_a_configuration_of_ones_own_comes_before_the_files(tmp_path):
    """C2D's weights without its pool over time: a Slow network with no kernel over time."""
    state = released_state("c2d R-50")
    cfg = case_cfg("c2d R-50")
    cfg.MODEL.ARCH, cfg.RESNET.NUM_BLOCK_TEMP_KERNEL = "slow", [[0], [0], [0], [0]]
    torch.save({"model_state": state, "cfg": released_cfg(case_cfg("c2d R-50"), method=False)}, tmp_path / "net.pyth")
    pooled, flat = load_pretrained(tmp_path / "net.pyth"), load_pretrained(tmp_path / "net.pyth", cfg)
    assert cfg_from_released(released_cfg(cfg, method=False)).MODEL.ARCH == "slow"
    with torch.no_grad():
        assert not torch.allclose(pooled(clip()), flat(clip()), rtol=1e-3)
