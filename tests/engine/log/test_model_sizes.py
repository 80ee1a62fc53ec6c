"""The sizes of a job's network, beside what a formula says."""

import json

import pytest
import torch
from torch import nn

from rhovideo.config import load_cfg
from rhovideo.engine.log.model_sizes import note_sizes
from rhovideo.models.network_size import head_info
from rhovideo.ssl.build import build_method

SMALL = ["NUM_GPUS", 0, "RESNET.WIDTH_PER_GROUP", 4, "DATA.TRAIN_CROP_SIZE", 32, "DATA.NUM_FRAMES", 2]
# Of the paper: projections of 3 layers (BYOL: 2), 2048 (4096) wide, and BYOL's predictor or SwAV's 1000 prototypes.
DIM = 4 * 4 * 8
HEADS = {
    "simclr": {"projection": [(DIM, 2048), (2048, 2048), (2048, 128)]},
    "moco": {"projection": [(DIM, 2048), (2048, 2048), (2048, 128)]},
    "byol": {"projection": [(DIM, 4096), (4096, 256)], "predictor": [(256, 4096), (4096, 256)]},
    "swav": {"projection": [(DIM, 2048), (2048, 2048), (2048, 128)], "prototypes": [(128, 1000)]},
}
NAMES = {"simclr": "SimCLR", "moco": "MoCo", "byol": "BYOL", "swav": "SwAV"}


@pytest.mark.parametrize("kind", HEADS)
def test_heads_and_encoder_are_counted_apart(kind, tmp_path):
    small = [*SMALL, "OUTPUT_DIR", tmp_path, "CONTRASTIVE.QUEUE_LEN", 64]
    cfg = load_cfg(f"pretrain/{NAMES[kind]}_SlowR50_8x8_paper", small)
    with torch.device("meta"):
        method = build_method(cfg)
    heads = {name: getattr(method, name) for name in HEADS[kind]}
    note_sizes(cfg, heads)
    found = json.loads((tmp_path / "model_size.json").read_text())
    assert found["encoder"]["parameters"] == sum(each.numel() for each in method.encoder.parameters())
    assert found["encoder"]["clip"] == [2, 32, 32]
    assert found["heads"].keys() == HEADS[kind].keys()
    for name, layers in HEADS[kind].items():
        assert found["heads"][name]["multiply_adds"] == sum(one * other for one, other in layers)
        assert found["heads"][name]["parameters"] == sum(each.numel() for each in heads[name].parameters())


def test_nothing_is_written_where_the_size_is_not_wanted(tmp_path):
    cfg = load_cfg("demo/simclr", ["OUTPUT_DIR", tmp_path, "LOG_MODEL_INFO", False])
    note_sizes(cfg, {})
    assert not list(tmp_path.iterdir())


def test_a_head_without_a_layer_has_no_size():
    assert tuple(head_info(nn.Identity())) == (0, 0)


def test_a_head_that_whitens_is_counted(tmp_path):
    cfg = load_cfg("demo/byol", ["OUTPUT_DIR", tmp_path, "CONTRASTIVE.WHITEN_EMBEDDING", 8])
    with torch.device("meta"):
        method = build_method(cfg)
    layers = [layer for layer in method.projection.modules() if isinstance(layer, nn.Linear)]
    of_layers = sum(layer.in_features * layer.out_features for layer in layers)
    assert head_info(method.projection).multiply_adds >= of_layers > 0


class LooksAtNumbers(nn.Module):
    """Cannot run on shapes alone."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x):
        return self.layer(x) if float(x.sum()) > 0 else self.layer(-x)


def test_a_head_that_looks_at_numbers_stops_nothing(tmp_path):
    note_sizes(load_cfg("demo/simclr", ["OUTPUT_DIR", tmp_path]), {"own": LooksAtNumbers()})
    found = json.loads((tmp_path / "model_size.json").read_text())
    assert found["heads"]["own"] == {"parameters": 10, "multiply_adds": None}
    assert str(head_info(LooksAtNumbers())) == "0.00 M parameters"
