import torch
from torch import nn

from rhovideo.config.schema import get_cfg
from rhovideo.optim import build_optimizer, set_learning_rate
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


def test_a_predictor_can_have_a_rate_of_its_own():
    """Each parameter is in one group, with the decay of its kind; those of the predictor learn ten times as fast."""
    model = Network()
    model.predictor = nn.Sequential(nn.Linear(2, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 2))
    cfg = get_cfg()
    cfg.SOLVER.WEIGHT_DECAY, cfg.BN.WEIGHT_DECAY = 0.3, 0.01
    before = decays(cfg, model)
    cfg.SOLVER.PREDICTOR_LR_FACTOR = 10.0
    assert decays(cfg, model) == before
    optimizer = build_optimizer(cfg, model)
    set_learning_rate(optimizer, 0.02)
    rates = {parameter: group["lr"] for group in optimizer.param_groups for parameter in group["params"]}
    fast = set(model.predictor.parameters())
    assert len(rates) == len(list(model.parameters()))
    assert all(abs(rate - (0.2 if parameter in fast else 0.02)) < 1e-9 for parameter, rate in rates.items())


def test_a_predictor_can_have_a_decay_of_its_own():
    model = Network()
    model.predictor = nn.Sequential(nn.Linear(2, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 2))
    cfg = get_cfg()
    cfg.SOLVER.WEIGHT_DECAY, cfg.BN.WEIGHT_DECAY = 0.3, 0.01
    before = decays(cfg, model)
    cfg.SOLVER.PREDICTOR_WEIGHT_DECAY = 0.0
    assert {name: decay for name, decay in decays(cfg, model).items() if name.startswith("predictor")} == {
        "predictor.0.weight": 0.0,
        "predictor.1.weight": 0.0,
        "predictor.1.bias": 0.0,
        "predictor.2.weight": 0.0,
        "predictor.2.bias": 0.0,
    }
    rest = {name: decay for name, decay in decays(cfg, model).items() if not name.startswith("predictor")}
    assert rest == {name: decay for name, decay in before.items() if not name.startswith("predictor")}


def test_the_factor_changes_nothing_without_a_predictor():
    cfg = get_cfg()
    cfg.SOLVER.PREDICTOR_LR_FACTOR = 10.0
    groups = parameter_groups(cfg, Network())
    assert [(len(g["params"]), g["rate_factor"]) for g in groups] == [(2, 1.0), (5, 1.0)]
