from __future__ import annotations

import sys

import pytest

from rhovideo.config import schema
from rhovideo.config.extension import plugins, registries


@pytest.fixture
def own_parts(tmp_path, monkeypatch):
    """The current folder, where plugins are found; what they register is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(plugins, "_folders", [])
    monkeypatch.setattr(schema, "_registered", {})
    for registry in (registries.METHODS, registries.BACKBONES, registries.DATASETS):
        monkeypatch.setattr(registry, "_registered", {})
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]
