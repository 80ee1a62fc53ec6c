from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

STAND_IN = Path(__file__).parent / "stand_in"


def forget(*packages: str) -> None:
    """Take packages out of ``sys.modules``, so that the next import runs them anew."""
    for name in list(sys.modules):
        if any(name == package or name.startswith(f"{package}.") for package in packages):
            del sys.modules[name]


@pytest.fixture(scope="module")
def slowfast():
    """``rhovideo.integrations.slowfast`` with the stand-in for PySlowFast, which is gone after the module's tests."""
    forget("slowfast", "rhovideo.integrations.slowfast")
    sys.path.insert(0, str(STAND_IN))
    try:
        yield import_module("rhovideo.integrations.slowfast")
    finally:
        sys.path.remove(str(STAND_IN))
        forget("slowfast", "rhovideo.integrations.slowfast")


@pytest.fixture
def cfg(slowfast, synthetic_set):
    """The stand-in's configuration for the small set of videos."""
    cfg = import_module("slowfast.config.defaults").get_cfg()
    cfg.TRAIN.DATASET = cfg.TEST.DATASET = "rhovideo"
    cfg.DATA.PATH_TO_DATA_DIR = str(synthetic_set)
    return cfg
