"""Networks that cannot be built are refused before a job starts, by building them without their numbers."""

from __future__ import annotations

import time
from importlib import import_module

import pytest

from rhovideo.checks import network
from rhovideo.checks.network import NetworkCheck
from rhovideo.config.extension.registries import BACKBONES
from rhovideo.config.files.reading import load_cfg
from rhovideo.config.findings import ConfigError, Finding
from rhovideo.launch.before_start import CHECKS, Start, check_before_start
from rhovideo.launch.plan import make_plan
from tests.configured_runs import METHOD_KEYS

OTHER_CHECKS = {check.name for group in CHECKS for check in group} - {"the network"}


def _findings(task: str = "linear", *overrides: object) -> list[Finding]:
    words = ["TASK", task, "NUM_GPUS", 0, "TRAIN.BATCH_SIZE", 1, *overrides]
    return NetworkCheck()(load_cfg(None, words))


@pytest.mark.parametrize("task", ["pretrain", "finetune"])
@pytest.mark.parametrize("arch", list(BACKBONES))
def test_every_architecture_passes_at_full_size_in_seconds(arch, task):
    start = time.monotonic()
    # MViT's default needs more frames than it has patches in time, and knows one size of crops.
    words = ["DATA.NUM_FRAMES", 16, "DATA.TEST_CROP_SIZE", 224]
    assert _findings(task, "MODEL.ARCH", arch, *words) == []
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("kind", METHOD_KEYS)
@pytest.mark.parametrize("norm", ["batchnorm", "sync_batchnorm"])
def test_every_method_passes_also_for_several_machines(kind, norm):
    overrides = ["NUM_SHARDS", 2, "NUM_CPU_PROCESSES", 2, "BN.NUM_SYNC_DEVICES", 2, "BN.NORM_TYPE", norm]
    # The queue holds whole batches.
    methods = [*METHOD_KEYS[kind], "CONTRASTIVE.TYPE", kind, "TRAIN.BATCH_SIZE", 16, "CONTRASTIVE.SWAV_QEUE_LEN", 32]
    assert _findings("pretrain", *overrides, *methods) == []


def test_a_network_that_cannot_be_built_is_refused_with_its_key():
    # 8 frames are no whole number of patches of 3.
    words = ["MODEL.ARCH", "mvit", "DATA.TEST_CROP_SIZE", 224, "MVIT.PATCH_STRIDE", "[3, 4, 4]"]
    findings = _findings("linear", *words)
    [finding] = findings
    assert finding.keys[0] == "DATA.NUM_FRAMES"
    assert "MODEL.ARCH mvit cannot be built" in finding.wrong
    assert "MVIT.PATCH_STRIDE" in finding.wrong


def test_a_module_that_the_check_imports_first_keeps_its_numbers(tmp_path, monkeypatch):
    (tmp_path / "network_with_a_constant.py").write_text(
        "import torch\nfrom rhovideo.models.networks.resnet import build_resnet as build\nCONSTANT = torch.ones(1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(BACKBONES.builtin, "slow", "network_with_a_constant:build")
    assert _findings() == []
    assert import_module("network_with_a_constant").CONSTANT.item() == 1


@pytest.fixture
def built(monkeypatch) -> list[str]:
    """The tasks whose networks were built, in order."""
    tasks: list[str] = []

    def count(build):
        return lambda cfg: tasks.append(cfg.TASK) or build(cfg)

    for name in ("build_method", "build_classifier"):
        monkeypatch.setattr(network, name, count(getattr(network, name)))
    return tasks


@pytest.mark.parametrize(
    ("sweep", "expected"),
    [
        # Keys that shape no network, such as a rate; a classifier is the same after any method.
        ("SOLVER.BASE_LR=0.1,0.2 RNG_SEED=1,2", ["pretrain", "linear"]),
        ("CONTRASTIVE.TYPE=moco,simclr", ["pretrain", "linear", "pretrain"]),
        ("RESNET.WIDTH_PER_GROUP=4,8", ["pretrain", "linear"] * 2),
    ],
)
def test_cells_share_what_they_have_in_common(jobs_folder, built, sweep, expected):
    plan = make_plan(["pretrain.yaml", "linear.yaml"], [], sweep, "s")
    check_before_start(Start(plan, "local"), without=OTHER_CHECKS)
    assert built == expected


def test_the_cell_whose_value_cannot_be_built_is_named(jobs_folder):
    words = ["MODEL.ARCH", "mvit", "DATA.NUM_FRAMES", 16, "DATA.TEST_CROP_SIZE", 224]
    plan = make_plan(["linear.yaml"], words, "MVIT.PATCH_STRIDE=[2,4,4],[3,4,4]", "s")
    with pytest.raises(ConfigError) as error:
        check_before_start(Start(plan, "local"), without=OTHER_CHECKS)
    [problem] = error.value.problems
    assert problem.wrong.endswith("(in PATCH_STRIDE=3_4_4)")
