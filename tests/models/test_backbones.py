"""Every architecture: shapes, gradients, sizes and names of the published networks, and independent twins."""

from __future__ import annotations

import copy
import re

import pytest
import torch
import torchvision
from pytorchvideo.models import hub
from torch import nn

from rhovideo.config.schema import get_cfg
from rhovideo.models import SyncBatchNorm, build_backbone, build_classifier
from rhovideo.models.network_size import model_info

TINY = {
    "slow R-18": ("slow", 18, ["RESNET.WIDTH_PER_GROUP", 4]),
    "slow R-50": ("slow", 50, ["RESNET.WIDTH_PER_GROUP", 4]),
    "slow R-101": ("slow", 101, ["RESNET.WIDTH_PER_GROUP", 4]),
    "c2d R-50": ("c2d", 50, ["RESNET.WIDTH_PER_GROUP", 4]),
    "i3d R-50": ("i3d", 50, ["RESNET.WIDTH_PER_GROUP", 4]),
    "i3d R-18": ("i3d", 18, ["RESNET.WIDTH_PER_GROUP", 4]),
    "slowfast R-50": ("slowfast", 50, ["RESNET.WIDTH_PER_GROUP", 4, "SLOWFAST.BETA_INV", 2]),
    "r2plus1d R-18": ("r2plus1d", 18, ["RESNET.WIDTH_PER_GROUP", 4]),
    "r2plus1d R-50": ("r2plus1d", 50, ["RESNET.WIDTH_PER_GROUP", 4]),
    "x3d": ("x3d", 50, ["X3D.DIM_C1", 8, "X3D.DIM_C5", 64]),
    "mvit": (
        "mvit",
        50,
        [
            "MVIT.DEPTH",
            4,
            "MVIT.EMBED_DIM",
            8,
            "MVIT.POOL_Q_STRIDE",
            [[1, 1, 2, 2], [3, 1, 2, 2]],
            "MVIT.DIM_MUL",
            [[1, 2.0], [3, 2.0]],
            "MVIT.HEAD_MUL",
            [[1, 2.0], [3, 2.0]],
        ],
    ),
    "s3dg": ("s3dg", 50, ["RESNET.WIDTH_PER_GROUP", 8]),
}
# Frames of the feature map of a clip of 8, and channels.
MAPS = {
    "slow R-18": (8, 32),
    "slow R-50": (8, 128),
    "slow R-101": (8, 128),
    "c2d R-50": (4, 128),
    "i3d R-50": (4, 128),
    "i3d R-18": (4, 32),
    "slowfast R-50": (1, 192),
    "r2plus1d R-18": (2, 32),
    "r2plus1d R-50": (2, 128),
    "x3d": (8, 64),
    "mvit": (4, 32),
    "s3dg": (1, 128),
}


def config(arch: str, depth: int = 50, overrides: list | tuple = (), crop: int = 32):
    cfg = get_cfg()
    cfg.MODEL.ARCH = arch
    cfg.RESNET.DEPTH = depth
    cfg.DATA.TRAIN_CROP_SIZE = crop
    cfg.merge_from_list(list(overrides))
    return cfg


@pytest.mark.parametrize("name", TINY)
def test_every_architecture_gives_features_and_gradients(name):
    crop = 64
    encoder = build_backbone(config(*TINY[name], crop=crop))
    frames, dim = MAPS[name]
    x = torch.randn(2, 3, 8, crop, crop)
    features = encoder(x)
    assert features.shape == (2, dim)
    assert encoder.dim == dim
    features.square().sum().backward()
    without = [key for key, parameter in encoder.named_parameters() if parameter.grad is None]
    assert not without
    encoder.eval()
    with torch.no_grad():
        places = 4 if name == "mvit" else 2
        feature_map = encoder.feature_map(x)
        assert feature_map.shape == (2, dim, frames, places, places)
        # One window of the whole map is the pooled feature; X3D and MViT pool differently, but must agree too.
        torch.testing.assert_close(encoder.window_features(x, 2).flatten(1), encoder(x))
        if name not in ("x3d", "mvit"):
            torch.testing.assert_close(feature_map.mean((2, 3, 4)), encoder(x))
        if name != "mvit":
            assert encoder.window_features(x, 1).shape == (2, dim, 2, 2)


@pytest.mark.parametrize("name", ["slow R-50", "slowfast R-50", "x3d", "mvit", "s3dg"])
def test_size_of_the_clip_is_free_except_for_mvit(name):
    encoder = build_backbone(config(*TINY[name])).eval()
    x = torch.randn(1, 3, 16, 96, 64)
    if name == "mvit":
        with pytest.raises(ValueError, match=r"clips of \(8, 32, 32\).*TEST_CROP_SIZE"):
            encoder(x)
    else:
        assert encoder(x).shape == (1, encoder.dim)


X3D_M = ["X3D.WIDTH_FACTOR", 2.0, "X3D.DEPTH_FACTOR", 2.2, "X3D.BOTTLENECK_FACTOR", 2.25]
SLOWFAST_R50 = ["SLOWFAST.ALPHA", 4, "SLOWFAST.FUSION_KERNEL_SZ", 7]
SLOWFAST_R101 = ["SLOWFAST.ALPHA", 4, "RESNET.NUM_BLOCK_TEMP_KERNEL", [[3, 3], [4, 4], [23, 23], [3, 3]]]


@pytest.mark.parametrize(
    ("twin", "arch", "depth", "overrides"),
    [
        (hub.slow_r50, "slow", 50, []),
        (hub.c2d_r50, "c2d", 50, []),
        (hub.i3d_r50, "i3d", 50, []),
        (hub.slowfast_r50, "slowfast", 50, SLOWFAST_R50),
        (hub.slowfast_r101, "slowfast", 101, SLOWFAST_R101),
        (hub.r2plus1d_r50, "r2plus1d", 50, []),
        (hub.x3d_m, "x3d", 50, X3D_M),
    ],
)
def test_weights_of_pytorchvideos_zoo_would_fit(twin, arch, depth, overrides):
    """Same names and shapes as the published networks, less the classifier."""
    with torch.device("meta"):
        expected = {k: v.shape for k, v in twin().state_dict().items() if not k.endswith(("proj.weight", "proj.bias"))}
        found = {k: v.shape for k, v in build_backbone(config(arch, depth, overrides)).state_dict().items()}
    assert found == expected


@pytest.mark.parametrize(
    ("arch", "depth", "clip", "parameters", "multiply_adds", "overrides"),
    [
        # PyTorchVideo's model zoo, parameters with a 400-way classifier, at 256 pixels.
        ("slow", 50, (8, 256), 32.45, 54.52, []),
        ("slowfast", 50, (32, 256), 34.57, 65.71, SLOWFAST_R50),
        # X3D paper, table 3.
        ("x3d", 50, (16, 224), 3.79, 4.73, X3D_M),
        # The paper's Slow R-50 8x8, and R-18 with a classifier.
        ("slow", 50, (8, 224), 32.45, 41.7, []),
        ("slow", 18, (8, 224), 20.2, None, []),
    ],
)
def test_published_sizes(arch, depth, clip, parameters, multiply_adds, overrides):
    frames, crop = clip
    with torch.device("meta"):
        encoder = build_backbone(config(arch, depth, overrides))
    info = model_info(encoder, frames, crop)
    classifier = 401 * encoder.dim + 400 - encoder.dim
    assert (info.parameters + classifier) / 1e6 == pytest.approx(parameters, abs=0.03)
    if multiply_adds:
        assert info.multiply_adds / 1e9 == pytest.approx(multiply_adds, rel=0.002)
    assert f"{frames}x{crop}x{crop}" in str(info)


def test_published_size_of_mvit():
    encoder = build_backbone(config("mvit", 50, ["DATA.NUM_FRAMES", 16], crop=224))
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    assert (parameters + 769 * 400) / 1e6 == pytest.approx(36.61, abs=0.01)


def test_published_size_of_s3dg():
    with torch.device("meta"):
        encoder = build_backbone(config("s3dg"))
    # 71.38 G multiply-adds in the S3D paper's table; its stem is counted a little differently.
    assert model_info(encoder, 64, 224).multiply_adds / 1e9 == pytest.approx(71.38, rel=0.01)


@pytest.mark.parametrize("depth", [18, 50])
def test_c2d_on_a_still_clip_is_the_image_network(depth):
    """torchvision's ResNet with its weights gives the same features of the repeated frame."""
    image_net = getattr(torchvision.models, f"resnet{depth}")().eval()
    image_net.fc = nn.Identity()
    encoder = build_backbone(config("c2d", depth)).eval()

    def ours(name: str) -> str:
        name = re.sub(r"^conv1", "blocks.0.conv", re.sub(r"^bn1", "blocks.0.norm", name))
        # A pool over time stands at index 2.
        name = re.sub(r"^layer(\d)\.", lambda m: f"blocks.{int(m[1]) + (m[1] > '1')}.res_blocks.", name)
        name = name.replace("downsample.0", "branch1_conv").replace("downsample.1", "branch1_norm")
        letters = {"1": "a", "2": "b", "3": "c"}
        name = re.sub(r"\.conv([123])", lambda m: f".branch2.conv_{letters[m[1]]}", name)
        return re.sub(r"\.bn([123])", lambda m: f".branch2.norm_{letters[m[1]]}", name)

    state = {ours(name): value for name, value in image_net.state_dict().items()}
    shapes = {name: value.shape for name, value in encoder.state_dict().items()}
    encoder.load_state_dict({name: value.reshape(shapes[name]) for name, value in state.items()})
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = image_net(image)
        found = encoder(image.unsqueeze(2).expand(-1, -1, 4, -1, -1))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_s3dg_with_open_gates_is_torchvisions_s3d():
    """Same layers in the same order, so the states match by position; only the gates are S3D-G's own."""
    twin = torchvision.models.video.s3d().eval()
    encoder = build_backbone(config("s3dg")).eval()
    gates = [name for name, part in encoder.named_modules() if type(part).__name__ == "SelfGating"]
    assert len(gates) == 1 + 9 * 4
    for name in gates:
        parent, _, child = name.rpartition(".")
        setattr(encoder.get_submodule(parent), child, nn.Identity())
    values = iter(value for name, value in twin.state_dict().items() if not name.startswith("classifier"))
    encoder.load_state_dict({name: next(values) for name in encoder.state_dict()})
    assert next(values, None) is None
    for part in encoder.modules():
        if isinstance(part, nn.BatchNorm3d):
            part.eps = 1e-3
    x = torch.randn(1, 3, 16, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(encoder.feature_map(x), twin.features(x))


def test_self_gates_weigh_channels_by_the_whole_clip():
    encoder = build_backbone(config(*TINY["s3dg"]))
    gate = next(part for part in encoder.modules() if type(part).__name__ == "SelfGating")
    x = torch.randn(2, gate.weight.in_features, 3, 4, 4)
    expected = torch.stack([clip * (gate.weight(clip.mean((1, 2, 3)))).sigmoid()[:, None, None, None] for clip in x])
    torch.testing.assert_close(gate(x), expected)


def test_temporal_kernels_stop_after_num_block_temp_kernel():
    cfg = config("slow", 101, ["RESNET.NUM_BLOCK_TEMP_KERNEL", [[3], [4], [6], [3]]])
    with torch.device("meta"):
        encoder = build_backbone(cfg)
    reach = [block.branch2.conv_a.kernel_size[0] for block in encoder.blocks[3].res_blocks]
    assert reach == [3] * 6 + [1] * 17
    with torch.device("meta"):
        i3d = build_backbone(config("i3d"))
    stages = [[block.branch2.conv_a.kernel_size[0] for block in i3d.blocks[k].res_blocks] for k in (1, 3, 4, 5)]
    assert stages == [[3, 3, 3], [3, 1, 3, 1], [3, 1, 3, 1, 3, 1], [1, 3, 1]]


@pytest.mark.parametrize("name", ["slow R-18", "slow R-50", "slowfast R-50", "x3d", "r2plus1d R-50"])
@pytest.mark.parametrize("zero", [False, True])
def test_residual_branches_start_as_configured(name, zero):
    arch, depth, overrides = TINY[name]
    encoder = build_backbone(config(arch, depth, [*overrides, "RESNET.ZERO_INIT_FINAL_BN", zero]))
    last = [part.weight for part in encoder.modules() if getattr(part, "block_final_bn", False)]
    assert last
    assert all(bool((weight == (0.0 if zero else 1.0)).all()) for weight in last)


@pytest.mark.parametrize("name", ["slow R-50", "slow R-18", "slowfast R-50", "x3d", "mvit", "s3dg"])
def test_activation_checkpointing_changes_nothing(name):
    arch, depth, overrides = TINY[name]
    plain = build_backbone(config(arch, depth, overrides)).double()
    saving = copy.deepcopy(plain)
    saving.checkpoint_activations = True
    x = torch.randn(2, 3, 8, 32, 32, dtype=torch.float64)
    for encoder in (plain, saving):
        encoder.train()
        for step in range(2):
            torch.manual_seed(step)  # drop path
            encoder(x).square().sum().backward()
    for (key, one), other in zip(plain.named_parameters(), saving.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), key
    for (key, one), other in zip(plain.named_buffers(), saving.buffers(), strict=True):
        assert torch.equal(one, other), key


def test_checkpointing_frees_activations():
    def kept(checkpointed: bool) -> int:
        encoder = build_backbone(config(*TINY["slow R-50"]))
        encoder.checkpoint_activations = checkpointed
        sizes = []
        hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t)
        with hooks:
            encoder(torch.randn(2, 3, 8, 32, 32))
        return sum(sizes)

    assert kept(True) < kept(False) / 5


def test_synchronised_norm_reaches_the_whole_encoder():
    cfg = config(*TINY["slow R-18"])
    cfg.BN.NORM_TYPE = "sync_batchnorm"
    cfg.BN.NUM_SYNC_DEVICES = 8
    encoder = build_backbone(cfg)
    norms = [part for part in encoder.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    assert norms
    assert all(isinstance(part, SyncBatchNorm) and part.eps == 1e-5 and part.momentum == 0.1 for part in norms)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["MODEL.ARCH", "slowly"], r"MODEL\.ARCH is 'slowly'.*slow, c2d"),
        (["RESNET.DEPTH", 34], r"RESNET\.DEPTH is 34.*18, 50"),
        (["RESNET.NUM_GROUPS", 32], r"RESNET\.NUM_GROUPS is 32"),
        (["MODEL.ARCH", "slowfast", "RESNET.WIDTH_PER_GROUP", 4], r"BETA_INV 8: write a width of 8"),
        (["MODEL.ARCH", "mvit", "DATA.NUM_FRAMES", 7], r"NUM_FRAMES 7.*PATCH_STRIDE \[2, 4, 4\]"),
    ],
)
def test_what_is_not_built_is_said(overrides, message):
    with pytest.raises(ValueError, match=message):
        build_backbone(config("slow", 50, overrides))


def test_stride_follows_the_configured_strides():
    cfg = config("slow", 50, ["RESNET.WIDTH_PER_GROUP", 4, "RESNET.SPATIAL_STRIDES", [[1], [2], [2], [1]]], crop=64)
    cfg.RESNET.SPATIAL_DILATIONS = [[1], [1], [1], [2]]
    encoder = build_backbone(cfg)
    assert encoder.stride == 16
    assert encoder.feature_map(torch.randn(1, 3, 2, 64, 64)).shape[-2:] == (4, 4)
    assert build_classifier(cfg).window == 4


def test_slowfast_wants_whole_slow_clips():
    encoder = build_backbone(config(*TINY["slowfast R-50"]))
    with pytest.raises(ValueError, match=r"12 frames.*SLOWFAST\.ALPHA 8"):
        encoder(torch.randn(1, 3, 12, 32, 32))


@pytest.mark.parametrize("name", ["slow R-18", "slowfast R-50", "x3d", "mvit"])
@pytest.mark.parametrize(
    ("shape", "write"),
    [
        ((2, 8, 3, 32, 32), r"clips\.transpose\(1, 2\)"),
        ((2, 8, 32, 32, 3), r"clips\.movedim\(-1, 1\)"),
        ((3, 8, 32, 32), r"clip\[None\]"),
    ],
)
def test_dimensions_in_another_order_are_told_how_to_turn(name, shape, write):
    with pytest.raises(ValueError, match=rf"clips \[N, 3, T, H, W\] and got {re.escape(str(list(shape)))}: .*{write}"):
        build_backbone(config(*TINY[name]))(torch.rand(shape))
