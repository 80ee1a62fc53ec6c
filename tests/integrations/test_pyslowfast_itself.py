"""What the stand-in cannot show: PySlowFast's own loop, loader and networks, where there is a checkout of it.

RHOVIDEO_PYSLOWFAST names the checkout; RHOVIDEO_PYSLOWFAST_SHIMS a folder for PYTHONPATH with what the checkout imports
and nobody offers any more; RHOVIDEO_PYSLOWFAST_PYTHON the interpreter that has its other requirements (this one).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import rhovideo
from rhovideo.config import cfg_from_released
from rhovideo.models import build_classifier
from rhovideo.optim.build import build_optimizer
from rhovideo.zoo import export
from rhovideo.zoo.released_format.name_mapping import to_released
from tests.zoo.drawn_weights import clip
from tests.zoo.released_format.test_exporting import REFERENCE, trained_method, write

ROOT = Path(__file__).parents[2]
CHECKOUT = os.environ.get("RHOVIDEO_PYSLOWFAST", "")
PYTHON = os.environ.get("RHOVIDEO_PYSLOWFAST_PYTHON", sys.executable)
# How the names of its networks' tensors begin; the others are of queues and banks.
WEIGHTS = ("backbone.", "backbone_hist.", "swav_prototypes.", "s1", "s2.", "s3.", "s4.", "s5.", "head.")
pytestmark = pytest.mark.skipif(not CHECKOUT, reason="RHOVIDEO_PYSLOWFAST names no checkout of PySlowFast")


def run(program: str, *words: object) -> str:
    """Run a program of in_pyslowfast beside PySlowFast; what it printed and logged."""
    places = [os.environ.get("RHOVIDEO_PYSLOWFAST_SHIMS", ""), CHECKOUT, str(ROOT)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places)), "OMP_NUM_THREADS": "1"}
    script = Path(__file__).parent / "in_pyslowfast" / program
    command = [PYTHON, "-W", "ignore", script, *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize("method", ["RhoMoCo", "RhoBYOL", "RhoSimCLR", "RhoSwAV"])
def test_its_training_loop_takes_steps_with_our_data_and_each_method(method, synthetic_set, tmp_path):
    printed = run("train.py", CHECKOUT, method, synthetic_set, tmp_path)
    losses = [float(value) for value in re.findall(r'"_type": "train_iter_ssl".*?"loss": ([-0-9.einfa]+)', printed)]
    assert len(losses) >= 3
    assert all(0 < abs(loss) < 100 for loss in losses)
    (written,) = tmp_path.rglob("*.pyth")
    state = torch.load(written, weights_only=True)["model_state"]
    assert all(value.isfinite().all() for value in state.values() if value.is_floating_point())
    # What it trained is an encoder here.
    assert rhovideo.load_pretrained(written)(torch.randn(1, 3, 4, 32, 32)).isfinite().all()


def exported_methods(folder: Path) -> Iterator[tuple[Path, torch.nn.Module, torch.optim.Optimizer]]:
    for kind in ("simclr", "moco", "byol", "swav"):
        path, method, optimizer = trained_method(folder, kind, BN__NORM_TYPE="batchnorm", CONTRASTIVE__KNN_ON=False)
        export(path, folder / f"{kind}_export.pyth")
        yield folder / f"{kind}_export.pyth", method.eval(), optimizer


def exported_classifiers(folder: Path) -> Iterator[tuple[Path, torch.nn.Module, torch.optim.Optimizer]]:
    released = torch.load(REFERENCE / "linear_tiny_epoch_00060.pyth", weights_only=True)["cfg"]
    for arch in ("slow", "c2d", "i3d", "slowfast"):
        cfg = cfg_from_released(released).clone()
        cfg.defrost()
        cfg.TASK, cfg.MODEL.DETACH_FINAL_FC, cfg.MODEL.ARCH, cfg.RESNET.WIDTH_PER_GROUP = "finetune", False, arch, 8
        cfg.SLOWFAST.ALPHA, cfg.SLOWFAST.FUSION_KERNEL_SZ, cfg.SOLVER.BASE_LR = 4, 7, 1e-4
        classifier = build_classifier(cfg)
        optimizer = build_optimizer(cfg, classifier)
        classifier(clip().repeat(2, 1, 1, 1, 1)).logsumexp(1).sum().backward()
        optimizer.step()
        path = write(folder / f"{arch}.pyth", cfg, classifier, optimizer)
        export(path, folder / f"{arch}_export.pyth")
        yield folder / f"{arch}_export.pyth", classifier.eval(), optimizer


def test_its_loader_takes_what_we_export(tmp_path):
    exported = [*exported_methods(tmp_path), *exported_classifiers(tmp_path)]
    run("load.py", tmp_path / "loaded.pt", *(path for path, *_ in exported))
    loaded = torch.load(tmp_path / "loaded.pt", weights_only=True)
    for path, ours, optimizer in exported:
        theirs = loaded[str(path)]
        name = path.name.removesuffix("_export.pyth")
        same = to_released(ours.state_dict(), name if hasattr(ours, "head") else "slow")
        # Its momentum encoder has a predictor too, which nothing calls.
        used = [
            key for key in theirs["state"] if key.startswith(WEIGHTS) and "backbone_hist.head.predictors" not in key
        ]
        weights = {key: theirs["state"][key] for key in used}
        assert [key for key, value in weights.items() if key not in same or not value.equal(same[key])] == [], name
        assert (theirs["epoch"], theirs["momenta"]) == (4, len(optimizer.state)), name
        with torch.no_grad():
            feature = ours.encoder(clip())[0]
            assert (theirs["feature"] - feature).abs().max() <= 1e-5 * feature.abs().max(), name
            if hasattr(ours, "scores"):
                assert (theirs["output"] - ours.scores(clip())).abs().max() <= 1e-5, name


def test_recorded_outputs_are_what_it_computes(tmp_path):
    run("record.py", tmp_path / "outputs.json")
    found = json.loads((tmp_path / "outputs.json").read_text())
    recorded = json.loads((ROOT / "tests/zoo/slowfast_outputs.json").read_text())
    assert found.keys() == recorded.keys()
    for case, there in found.items():
        here = recorded[case]
        assert [there[key] for key in ("settings", "tensors", "feature_size")] == [
            here[key] for key in ("settings", "tensors", "feature_size")
        ]
        assert here["feature"] == pytest.approx(there["feature"], rel=1e-4, abs=1e-5)
        assert here["scores"] == pytest.approx(there["scores"], abs=1e-5)
