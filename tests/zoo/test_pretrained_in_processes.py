"""Loading in a job of several processes, which need not be those that the file's own job had."""

from __future__ import annotations

from pathlib import Path

import torch

from rhovideo import distributed
from rhovideo.config import cfg_from_released
from rhovideo.engine.tasks.pretrain import start_from
from rhovideo.ssl.build import build_method
from rhovideo.zoo import load_classifier, load_method, load_pretrained

from ..processes import run_processes

REFERENCE = Path(__file__).parents[1] / "reference"


def with_groups_of(number: int, name: str, folder: Path) -> Path:
    """A released file whose job shared batch-norm statistics among so many processes."""
    content = torch.load(REFERENCE / name, weights_only=True)
    cfg = cfg_from_released(content["cfg"]).clone()
    cfg.defrost()
    cfg.BN.NORM_TYPE, cfg.BN.NUM_SYNC_DEVICES, cfg.CONTRASTIVE.BN_SYNC_MLP = "sync_batchnorm", number, True
    content["cfg"] = cfg.dump()
    torch.save(content, folder / name)
    return folder / name


def load_all(method_file: str, classifier_file: str) -> list[int]:
    """Everything that loads: those that build by the file's configuration, and a job's start with one of its own."""
    loaded = [load_pretrained(method_file), load_method(method_file), load_classifier(classifier_file)]
    cfg = cfg_from_released(torch.load(method_file, weights_only=True)["cfg"]).clone()
    cfg.defrost()
    cfg.BN.NORM_TYPE, cfg.CONTRASTIVE.BN_SYNC_MLP, cfg.CONTRASTIVE.LOCAL_SHUFFLE_BN = "batchnorm", False, False
    method = build_method(cfg)
    start_from(method, method_file)
    return [len(module.load_report.used) for module in loaded] + [len(method.state_dict())]


def load_alone(method_file: str, classifier_file: str) -> list[int]:
    """The first process loads and the others do not."""
    return load_all(method_file, classifier_file) if distributed.is_main() else []


def test_a_files_own_groups_do_not_decide_who_may_load_it(tmp_path):
    for groups, load in ((3, load_all), (2, load_alone)):
        files = (with_groups_of(groups, f"{name}.pyth", tmp_path) for name in ("moco_tiny_epoch_00200", LINEAR))
        counts = run_processes(load, 4, *map(str, files))
        assert all(counts[0])
        assert counts == [counts[0]] * 4 if load is load_all else counts[1:] == [[]] * 3


LINEAR = "linear_tiny_epoch_00060"
