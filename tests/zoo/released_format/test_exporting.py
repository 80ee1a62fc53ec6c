"""Export to the released format: nothing is lost on the way there and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from rhovideo.cli import main
from rhovideo.config import cfg_from_released, get_cfg
from rhovideo.config.keys import leaves
from rhovideo.engine.checkpoints.checkpoint import FORMAT
from rhovideo.models import build_backbone, build_classifier
from rhovideo.optim.build import build_optimizer
from rhovideo.ssl.build import METHODS, build_method
from rhovideo.zoo import WeightsError, export, load_classifier, load_method, load_pretrained
from rhovideo.zoo.released_format.name_mapping import to_released
from rhovideo.zoo.released_format.released_cfg import own_keys, released_cfg

REFERENCE = Path(__file__).parents[2] / "reference"
# What PySlowFast's files have and never read: BYOL's queue.
LEFT_OUT = {"byol": {"queue_x", "ptr"}}


def released_file(kind: str) -> Path:
    return REFERENCE / f"{kind}_tiny_epoch_00200.pyth"


def tiny_cfg(kind: str, **keys: object):
    cfg = cfg_from_released(torch.load(released_file(kind), weights_only=True)["cfg"]).clone()
    cfg.defrost()
    cfg.merge_from_list([word for key, value in keys.items() for word in (key.replace("__", "."), value)])
    return cfg


def write(path: Path, cfg, module: torch.nn.Module, optimizer: torch.optim.Optimizer, step: int = 0) -> Path:
    """As the trainer writes it."""
    state = {"format": FORMAT, "task": cfg.TASK, "cfg": cfg.dump(), "epoch": 5, "step": step, "global_step": 40}
    state |= {"epoch_layout": {}, "scaler_state": {}, "task_state": {}, "videos": {}}
    state |= {"model_state": module.state_dict(), "optimizer_state": optimizer.state_dict()}
    torch.save(state, path)
    return path


def trained_method(folder: Path, kind: str, **keys: object) -> tuple[Path, torch.nn.Module, torch.optim.Optimizer]:
    """A checkpoint of ours after two steps, so that queues, momenta and counters are no longer as they began."""
    torch.manual_seed(0)
    cfg = tiny_cfg(kind, **keys)
    method = build_method(cfg).train()
    optimizer = build_optimizer(cfg, method)
    for step in range(2):
        optimizer.zero_grad()
        for loss in method.losses([torch.randn(4, 3, 8, 32, 32) for _ in range(2)], 0.3):
            loss.backward()
        method.after_backward(0.3, step)
        optimizer.step()
    return write(folder / f"{kind}.pyth", cfg, method, optimizer), method, optimizer


def test_the_steps_of_an_epoch_that_was_not_done_are_not_passed_over_in_silence(tmp_path):
    cfg = tiny_cfg("simclr")
    method = build_method(cfg)
    for step, said in ((0, False), (12, True)):
        path = write(tmp_path / f"{step}.pyth", cfg, method, build_optimizer(cfg, method), step)
        done = export(path, tmp_path / "out.pyth")
        assert ("of step 12 of epoch 6: PySlowFast" in str(done)) == said
        assert torch.load(done.path, weights_only=True)["epoch"] == 4


def same(module: torch.nn.Module, other: torch.nn.Module) -> bool:
    states = module.state_dict(), other.state_dict()
    return states[0].keys() == states[1].keys() and all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@pytest.mark.parametrize("kind", METHODS)
def test_a_method_comes_back_bit_for_bit_with_all_that_it_holds(kind, tmp_path):
    path, method, _ = trained_method(tmp_path, kind, CONTRASTIVE__SWAV_QEUE_LEN=8)
    done = export(path, tmp_path / "out.pyth")
    assert (done.kind, done.resumable) == (kind, True)
    assert same(load_method(done.path), method)
    assert same(load_pretrained(done.path), method.encoder)
    if kind in ("moco", "byol"):
        assert int(load_method(done.path).momentum.steps) == 2
        assert same(load_pretrained(done.path, encoder="momentum"), method.momentum_encoder)


@pytest.mark.parametrize("kind", METHODS)
def test_names_shapes_and_configuration_are_those_of_a_released_file(kind, tmp_path):
    expected = torch.load(released_file(kind), weights_only=True)
    path, _, _ = trained_method(tmp_path, kind, MODEL__NUM_CLASSES=12, MODEL__LOSS_FUNC="cross_entropy")
    content = torch.load(export(path, tmp_path / "out.pyth").path, weights_only=True)
    shapes = {name: value.shape for name, value in content["model_state"].items()}
    left_out = LEFT_OUT.get(kind, ())
    wanted = {name: value.shape for name, value in expected["model_state"].items() if name not in left_out}
    assert shapes == wanted
    assert expected.keys() - content.keys() == set()
    assert content["epoch"] == 4  # counted from 0
    ours, theirs = yaml.safe_load(content["cfg"]), yaml.safe_load(expected["cfg"])
    assert ours["TASK"] == theirs["TASK"]
    # How the networks and losses are built; SEQUENTIAL only says how much memory they take.
    for section in ("MODEL", "CONTRASTIVE", "RESNET"):
        for key in ours[section].keys() - {"SEQUENTIAL"}:
            assert ours[section][key] == theirs[section][key], key


def known_keys() -> set[str]:
    """Keys of PySlowFast: those that its files of the reference name, and a few that they leave out."""
    found = {"DIST_BACKEND", "LOG_MODEL_INFO", "LOG_PERIOD", "SHARD_ID"}
    found |= {f"NONLOCAL.{name}" for name in ("GROUP", "LOCATION", "POOL")}

    def walk(tree: dict, prefix: str = "") -> None:
        for name, value in tree.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{name}.")
            else:
                found.add(prefix + name)

    walk(yaml.safe_load(torch.load(released_file("moco"), weights_only=True)["cfg"]))
    return found


@pytest.mark.parametrize("arch", ["slow", "slowfast"])
def test_the_exported_configuration_has_no_key_that_slowfast_would_stop_at(arch):
    cfg = get_cfg()
    cfg.MODEL.ARCH, cfg.CONTRASTIVE.LOSS_FORM, cfg.MODEL.FROZEN_BN = arch, "paper", False
    cfg.DATA.DECODING_BACKEND = "torchcodec"
    for method in (True, False):
        tree = yaml.safe_load(released_cfg(cfg, method))
        assert tree["DATA"]["DECODING_BACKEND"] == "pyav"
        flat = {key for key, _ in leaves(type(cfg)(tree))}
        assert flat <= known_keys(), "mark keys of our own with ours=True"
    assert {key for key, _ in leaves(cfg)} >= own_keys()
    assert not known_keys() & own_keys()


@pytest.mark.parametrize(("kind", "lars"), [("moco", False), ("byol", True), ("swav", True)])
def test_the_optimizer_goes_on_in_slowfasts_order(kind, lars, tmp_path):
    """There the parameters are numbered group by group, batch norms first, in the order of the network's modules."""
    path, method, optimizer = trained_method(tmp_path, kind)
    content = torch.load(export(path, tmp_path / "out.pyth").path, weights_only=True)
    groups = content["optimizer_state"]["param_groups"]
    expected = torch.load(released_file(kind), weights_only=True)
    assert [len(group["params"]) for group in groups] == [
        len(group["params"]) for group in expected["optimizer_state"]["param_groups"]
    ]
    assert [group["apply_LARS"] for group in groups] == [False, lars]
    assert {"lr", "momentum", "nesterov", "weight_decay", "layer_decay"} <= groups[0].keys()
    trained = [
        name
        for name, value in expected["model_state"].items()
        if name.startswith(("backbone.", "swav_")) and name.endswith(("weight", "bias"))
    ]
    # A batch norm is what has statistics beside its weight.
    norms = [n for n in trained if n.rpartition(".")[0] + ".running_var" in expected["model_state"]]
    order = [*norms, *(name for name in trained if name not in norms)]
    back = load_method(path)
    names = {id(p): n for n, p in method.named_parameters()}
    buffers = {names[id(p)]: value["momentum_buffer"] for p, value in optimizer.state.items()}
    released = to_released(buffers | {"projection.": torch.zeros(0)}, "slow")
    assert len(order) == sum(len(group["params"]) for group in groups)
    found = content["optimizer_state"]["state"]
    for number, name in enumerate(order):
        assert (number in found) == (name in released), name
        if number in found:
            assert torch.equal(found[number]["momentum_buffer"], released[name]), name
    assert len(found) == len(buffers) > 0
    assert same(back, method)


@pytest.mark.parametrize("arch", ["slow", "i3d", "slowfast"])
def test_a_classifier_comes_back_and_its_frozen_encoder_counts_for_the_optimizer(arch, tmp_path):
    cfg = cfg_from_released(torch.load(REFERENCE / "linear_tiny_epoch_00060.pyth", weights_only=True)["cfg"]).clone()
    cfg.defrost()
    cfg.TASK, cfg.MODEL.ARCH, cfg.RESNET.WIDTH_PER_GROUP, cfg.MODEL.DETACH_FINAL_FC = "linear", arch, 8, True
    classifier = build_classifier(cfg)
    optimizer = build_optimizer(cfg, classifier)
    classifier(torch.randn(2, 3, 8, 32, 32)).sum().backward()
    optimizer.step()
    done = export(write(tmp_path / "c.pyth", cfg, classifier, optimizer), tmp_path / "out.pyth")
    assert same(load_classifier(done.path), classifier)
    assert load_classifier(done.path).detach
    content = torch.load(done.path, weights_only=True)
    assert sum(len(group["params"]) for group in content["optimizer_state"]["param_groups"]) == len(
        list(classifier.parameters())
    )
    text = yaml.safe_load(content["cfg"])
    assert text["MODEL"]["MODEL_NAME"] == ("SlowFast" if arch == "slowfast" else "ResNet")
    assert text["RESNET"]["SPATIAL_STRIDES"][1] == ([2, 2] if arch == "slowfast" else [2])


@pytest.mark.parametrize("which", ["online", "momentum"])
def test_one_encoder_alone(which, tmp_path):
    done = export(released_file("byol"), tmp_path / "out.pyth", encoder=which)
    content = torch.load(done.path, weights_only=True)
    assert all(name[0] == "s" for name in content["model_state"])
    assert "epoch" not in content  # PySlowFast would look for an optimizer too
    assert same(load_pretrained(done.path), load_pretrained(released_file("byol"), encoder=which))


def test_pytorchvideos_names_are_converted_too(tmp_path):
    cfg = tiny_cfg("moco")
    encoder = build_backbone(cfg)
    head = {"blocks.5.proj.weight": torch.randn(7, encoder.dim), "blocks.5.proj.bias": torch.randn(7)}
    torch.save({"model_state": encoder.state_dict() | head}, tmp_path / "ptv.pyth")
    done = export(tmp_path / "ptv.pyth", tmp_path / "out.pyth")
    assert done.kind == "classifier"
    assert same(load_pretrained(done.path), encoder)
    assert torch.equal(load_classifier(done.path).head.projection.weight, head["blocks.5.proj.weight"])


def test_what_cannot_be_exported_is_refused_and_writes_nothing(tmp_path):
    out = tmp_path / "out.pyth"
    with pytest.raises(WeightsError, match="in the released format already"):
        export(released_file("moco"), out)
    path, _, _ = trained_method(tmp_path, "simclr")
    with pytest.raises(WeightsError, match="write the name of another file"):
        export(path, path)
    with pytest.raises(WeightsError, match="no momentum encoder"):
        export(path, out, encoder="momentum")
    cfg = get_cfg()
    cfg.TASK, cfg.MODEL.ARCH, cfg.MODEL.FROZEN_BN = "linear", "s3dg", False
    torch.save({"format": FORMAT, "cfg": cfg.dump(), "model_state": {"x": torch.zeros(1)}}, tmp_path / "s3dg.pyth")
    with pytest.raises(WeightsError, match="only slow, c2d, i3d, slowfast"):
        export(tmp_path / "s3dg.pyth", out)
    assert not out.exists()


def test_a_classifier_is_told_with_the_command_that_tests_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    cfg = get_cfg()
    cfg.TASK, cfg.MODEL.NUM_CLASSES, cfg.MODEL.FROZEN_BN, cfg.RESNET.WIDTH_PER_GROUP = "linear", 7, True, 4
    state = build_classifier(cfg).state_dict()
    torch.save({"format": FORMAT, "cfg": cfg.dump(), "model_state": state}, "my own.pyth")
    assert main(["weights", "my own.pyth"]) == 0
    told = "classifier of 7 classes: rhovideo eval 'my own.pyth' --protocol test --data DIR\n"
    assert told in capsys.readouterr().out
    path, _, _ = trained_method(tmp_path, "simclr")
    assert main(["weights", str(path)]) == 0
    assert "classifier of" not in capsys.readouterr().out


def test_the_commands(tmp_path, capsys):
    path, _, _ = trained_method(tmp_path, "byol")
    assert main(["export", str(path), str(tmp_path / "a" / "out.pyth")]) == 0
    assert "byol, MODEL.ARCH slow, RESNET.DEPTH 50" in capsys.readouterr().out
    assert main(["weights", str(tmp_path / "a" / "out.pyth"), "--encoder", "momentum", "--names"]) == 0
    said = capsys.readouterr().out
    assert "318 tensors used" in said
    assert "backbone_hist.s1.pathway0_stem.conv.weight  ->  blocks.0.conv.weight" in said
    assert main(["export", str(path), str(tmp_path / "out")]) == 1
    assert main(["weights", str(tmp_path / "none.pyth")]) == 1
    assert main(["weights"]) == 0
    assert "byol_slow_r50_8x8_rho4" in capsys.readouterr().out
