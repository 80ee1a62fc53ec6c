"""How weights are laid out and whether the network is compiled changes neither results nor names."""

from __future__ import annotations

import copy
import functools
import re

import pytest
import torch
import torch._dynamo
from torch import nn

from rhovideo.config import get_cfg
from rhovideo.engine import model_setup
from rhovideo.engine.model_setup import place
from rhovideo.errors import JobError
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


def test_a_compiled_network_gives_the_same_step(method, monkeypatch):
    """As one graph for the encoder and one for the momentum encoder, which takes no gradient: no block by itself.

    Taken apart, differentiated and put together as for the compiler, whose own work would take a minute.
    """
    monkeypatch.setattr(nn.Module, "compile", functools.partialmethod(nn.Module.compile, backend="aot_eager"))
    monkeypatch.setattr(model_setup, "_check_compiler", lambda device: None)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    cfg, plain, compiled = configuration(), copy.deepcopy(method), copy.deepcopy(method)
    place(plain, cfg, CPU)
    cfg.MODEL.COMPILE = True
    place(compiled, cfg, CPU)
    for _ in range(2):
        expected, found = one_step(plain), one_step(compiled)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-11, msg=name)
    counters = torch._dynamo.utils.counters
    assert not counters["graph_break"]
    assert counters["stats"]["unique_graphs"] == 2


@pytest.mark.parametrize(("device", "variable", "usual"), [("cpu", "CXX", "g++"), ("cuda", "CC", "gcc or clang")])
def test_compiling_without_a_compiler_is_refused_before_the_first_step(device, variable, usual, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(variable, raising=False)
    message = rf"MODEL\.COMPILE .* no {re.escape(usual)}: .*{variable}.* MODEL\.COMPILE False"
    with pytest.raises(JobError, match=message):
        model_setup._check_compiler(torch.device(device))
    compiler = tmp_path / "another"
    compiler.touch(mode=0o755)
    monkeypatch.setenv(variable, f"{compiler} -O2")
    model_setup._check_compiler(torch.device(device))


def test_place_looks_for_a_compiler_where_it_compiles(method, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    cfg = configuration()
    place(copy.deepcopy(method), cfg, CPU)
    cfg.MODEL.COMPILE = True
    with pytest.raises(JobError, match="compiler"):
        place(copy.deepcopy(method), cfg, CPU)


def test_compiling_keeps_the_names_of_the_state(method, monkeypatch):
    monkeypatch.setattr(model_setup, "_check_compiler", lambda device: None)
    cfg, compiled = configuration(), copy.deepcopy(method)
    cfg.MODEL.COMPILE = True
    place(compiled, cfg, CPU)
    assert compiled.state_dict().keys() == method.state_dict().keys()
    parts = {name for name, part in compiled.named_children() if part._compiled_call_impl is not None}
    assert parts == {"encoder", "momentum_encoder"}
