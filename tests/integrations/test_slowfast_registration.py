from __future__ import annotations

import logging
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import rhovideo
from tests.integrations.conftest import STAND_IN, forget

ROOT = Path(__file__).parents[2]


@pytest.fixture
def absent(monkeypatch):
    """No ``slowfast`` anywhere."""
    forget("slowfast", "rhovideo.integrations.slowfast")
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if not (Path(folder) / "slowfast").is_dir()])


@pytest.fixture
def incomplete(absent, monkeypatch, tmp_path):
    """A ``slowfast`` that asks for a package that is not there."""
    for folder in ("config", "models"):
        (tmp_path / "slowfast" / folder).mkdir(parents=True)
    (tmp_path / "slowfast/__init__.py").write_text("")
    (tmp_path / "slowfast/config/defaults.py").write_text("")
    (tmp_path / "slowfast/models/contrastive.py").write_text("from detectron2.layers import ROIAlign")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    forget("slowfast")


def test_without_pyslowfast_the_import_says_what_to_do(absent):
    with pytest.raises(ImportError, match=r"PySlowFast is not installed: clone https://.* on PYTHONPATH"):
        import_module("rhovideo.integrations.slowfast")
    assert rhovideo.register() == ["pytorchvideo"]


def test_a_folder_of_that_name_is_no_pyslowfast(absent, monkeypatch, tmp_path, caplog):
    (tmp_path / "slowfast").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert rhovideo.register() == ["pytorchvideo"]
    assert not caplog.text


def test_a_pyslowfast_that_lacks_something_is_told_of_by_name(incomplete, caplog):
    with pytest.raises(ImportError, match=r"No module named 'detectron2'.*: install detectron2 from https://"):
        import_module("rhovideo.integrations.slowfast")
    with caplog.at_level(logging.WARNING):
        assert rhovideo.register() == ["pytorchvideo"]
    assert "detectron2" in caplog.text


def test_register_puts_everything_into_both(slowfast):
    assert rhovideo.register() == ["pytorchvideo", "slowfast"]
    models = import_module("slowfast.models.build").MODEL_REGISTRY
    assert all(name in models for name in ("RhoSimCLR", "RhoMoCo", "RhoBYOL", "RhoSwAV", "Classifier"))
    assert "Rhovideo" in import_module("slowfast.datasets.build").DATASET_REGISTRY
    assert "rho_contrastive" in import_module("slowfast.models.losses")._LOSSES


def test_configurations_may_hold_our_keys_with_our_defaults(slowfast):
    cfg = import_module("slowfast.config.defaults").get_cfg()
    cfg.merge_from_list(["CONTRASTIVE.LOSS_FORM", "paper", "DATA.TRAIN_JITTER_FPS_RELATIVE", 0.5])
    assert cfg.CONTRASTIVE.SWAV_NUM_PROTOTYPES == 1000


def test_one_import_is_enough_even_after_pyslowfasts_loop(synthetic_set):
    program = f"""
import slowfast.train
import rhovideo.integrations.slowfast
from slowfast.config.defaults import get_cfg
cfg = get_cfg()
cfg.merge_from_list(["TRAIN.DATASET", "rhovideo", "MODEL.MODEL_NAME", "RhoSimCLR", "SOLVER.MAX_EPOCH", 1,
    "DATA.TRAIN_CROP_NUM_TEMPORAL", 2, "DATA.PATH_TO_DATA_DIR", {str(synthetic_set)!r}, "TRAIN.BATCH_SIZE", 8])
print(len(slowfast.train.train(cfg)[1]), "steps")
"""
    environment = {"PYTHONPATH": f"{ROOT}:{STAND_IN}", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.endswith("3 steps\n"), done.stderr
