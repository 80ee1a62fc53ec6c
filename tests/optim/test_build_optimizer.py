import pytest
import torch
from torch import nn

from rhovideo.config.schema import get_cfg
from rhovideo.optim import LARS, build_optimizer, set_learning_rate


def model():
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))


def test_the_configured_optimizer_is_built():
    cfg = get_cfg()
    cfg.SOLVER.MOMENTUM = 0.8
    sgd = build_optimizer(cfg, model())
    assert type(sgd) is torch.optim.SGD
    assert (sgd.defaults["momentum"], sgd.defaults["nesterov"]) == (0.8, True)
    cfg.SOLVER.LARS_ON, cfg.SOLVER.LARS_TRUST = True, 0.02
    lars = build_optimizer(cfg, model())
    assert isinstance(lars, LARS)
    assert [g["trust_coefficient"] for g in lars.param_groups] == [0.02, 0.02]
    cfg.SOLVER.LARS_ON, cfg.SOLVER.OPTIMIZING_METHOD, cfg.SOLVER.BETAS = False, "adamw", (0.8, 0.95)
    adamw = build_optimizer(cfg, model())
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.defaults["betas"] == (0.8, 0.95)


@pytest.mark.parametrize("method", ["sgd", "adamw"])
def test_a_step_uses_the_rate_that_was_set(method):
    cfg = get_cfg()
    cfg.SOLVER.OPTIMIZING_METHOD = method
    network = model()
    optimizer = build_optimizer(cfg, network)
    set_learning_rate(optimizer, 0.0)
    before = [p.detach().clone() for p in network.parameters()]
    network(torch.randn(4, 3)).square().sum().backward()
    optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    set_learning_rate(optimizer, 0.1)
    optimizer.step()
    assert not torch.equal(before[0], network[0].weight)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"OPTIMIZING_METHOD": "adagrad"}, "sgd or adamw"),
        ({"OPTIMIZING_METHOD": "adamw", "LARS_ON": True}, "LARS_ON False"),
        ({"MOMENTUM": 0.0}, "NESTEROV"),
        ({"LAYER_DECAY": 0.75}, "LAYER_DECAY"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, words):
    cfg = get_cfg()
    for key, value in changes.items():
        cfg.SOLVER[key] = value
    with pytest.raises(ValueError, match=words):
        build_optimizer(cfg, model())


def test_a_model_without_anything_to_train_is_refused():
    with pytest.raises(ValueError, match="requires_grad"):
        build_optimizer(get_cfg(), model().requires_grad_(False))
