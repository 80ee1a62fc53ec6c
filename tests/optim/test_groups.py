import torch
from torch import nn

from rhovideo.config.schema import get_cfg
from rhovideo.optim.groups import parameter_groups


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv3d(3, 4, 3, bias=False), nn.BatchNorm3d(4))
        self.mlp = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))


def decays(cfg, model):
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {names[p]: g["weight_decay"] for g in parameter_groups(cfg, model) for p in g["params"]}


def test_norms_have_their_own_decay_and_biases_decay_like_weights():
    cfg = get_cfg()
    cfg.SOLVER.WEIGHT_DECAY, cfg.BN.WEIGHT_DECAY = 0.3, 0.01
    assert decays(cfg, Network()) == {
        "encoder.0.weight": 0.3,
        "encoder.1.weight": 0.01,
        "encoder.1.bias": 0.01,
        "mlp.0.weight": 0.3,
        "mlp.0.bias": 0.3,
        "mlp.2.weight": 0.3,
        "mlp.2.bias": 0.3,
    }


def test_one_dimensional_parameters_can_be_spared():
    cfg = get_cfg()
    cfg.SOLVER.ZERO_WD_1D_PARAM = True
    spared = {name for name, decay in decays(cfg, Network()).items() if decay == 0}
    assert spared == {"mlp.0.bias", "mlp.2.bias", "encoder.1.weight", "encoder.1.bias"}


def test_frozen_parameters_are_left_out_and_shared_ones_taken_once():
    model = Network()
    model.again = model.mlp[0]
    model.encoder.requires_grad_(False)
    groups = parameter_groups(get_cfg(), model)
    assert [len(g["params"]) for g in groups] == [4]
    torch.optim.SGD(groups, lr=0.1)  # refuses a parameter that is there twice


def test_lars_never_adapts_norms():
    groups = parameter_groups(get_cfg(), Network())
    assert [(len(g["params"]), g["apply_lars"]) for g in groups] == [(2, False), (5, True)]
