"""How weights are laid out and whether the network is compiled changes neither results nor names."""

from __future__ import annotations

import copy

import pytest
import torch

from rhovideo.config import get_cfg
from rhovideo.engine.placement import place
from rhovideo.ssl.build import build_method

CPU = torch.device("cpu")


def configuration():
    cfg = get_cfg()
    cfg.RESNET.DEPTH, cfg.RESNET.WIDTH_PER_GROUP = 18, 4
    cfg.TRAIN.DTYPE = "float64"
    cfg.CONTRASTIVE.TYPE, cfg.CONTRASTIVE.LOSS_FORM, cfg.CONTRASTIVE.PREDICTOR_DEPTHS = "byol", "paper", [2]
    return cfg


def one_step(method: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Loss, gradients and state of a step on fixed clips."""
    generator = torch.Generator().manual_seed(3)
    views = torch.randn(2, 3, 3, 2, 16, 16, dtype=torch.float64, generator=generator)
    found = {}
    for number, loss in enumerate(method.losses(list(views), 0.5)):
        loss.backward()
        found[f"loss {number}"] = loss.detach()
    found |= {f"gradient {name}": p.grad for name, p in method.named_parameters() if p.grad is not None}
    return found | method.state_dict()


@pytest.fixture(scope="module")
def method():
    torch.manual_seed(0)
    return build_method(configuration())


def test_channels_last_weights_give_the_same_step(method):
    cfg, plain, turned = configuration(), copy.deepcopy(method), copy.deepcopy(method)
    place(plain, cfg, CPU)
    cfg.MODEL.CHANNELS_LAST = True
    place(turned, cfg, CPU)
    weights = [p for p in turned.parameters() if p.ndim == 5]
    assert all(p.is_contiguous(memory_format=torch.channels_last_3d) for p in weights)
    assert not all(p.is_contiguous() for p in weights)
    expected, found = one_step(plain), one_step(turned)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=name)


def test_compiling_keeps_the_names_of_the_state(method):
    cfg, compiled = configuration(), copy.deepcopy(method)
    cfg.MODEL.COMPILE = True
    place(compiled, cfg, CPU)
    assert compiled.state_dict().keys() == method.state_dict().keys()
    parts = {name for name, part in compiled.named_children() if part._compiled_call_impl is not None}
    assert parts == {"encoder", "momentum_encoder"}
