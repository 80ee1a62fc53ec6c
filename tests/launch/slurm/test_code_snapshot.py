"""The copied code is whole, runs, and does not change."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rhovideo.errors import JobError
from rhovideo.launch.slurm import code_snapshot as module
from rhovideo.launch.slurm.code_snapshot import PACKAGE, snapshot, snapshot_folder


def test_the_copy_is_what_is_imported(tmp_path):
    copy = snapshot(tmp_path / "code")
    words = [sys.executable, "-c", "import rhovideo.launch.slurm.batch_script as b; print(b.__file__)"]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    shown = subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == str(copy / "rhovideo/launch/slurm/batch_script.py")


def test_the_same_code_is_copied_once_and_no_caches(tmp_path):
    first = snapshot(tmp_path / "code")
    assert snapshot(tmp_path / "code") == first
    assert [path.name for path in (tmp_path / "code").iterdir()] == [first.name]
    copied = {path.relative_to(first / "rhovideo") for path in first.rglob("*") if path.is_file()}
    present = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
    assert present <= copied
    assert not any("__pycache__" in path.parts for path in copied)


def test_of_two_copies_at_once_both_are_content_with_the_first(tmp_path, monkeypatch):
    copy = module._copy

    def another_is_faster(folder, plugins):
        monkeypatch.setattr(module, "_copy", copy)
        snapshot(tmp_path)
        copy(folder, plugins)

    monkeypatch.setattr(module, "_copy", another_is_faster)
    assert snapshot(tmp_path) == snapshot_folder(tmp_path)
    assert list(tmp_path.iterdir()) == [snapshot_folder(tmp_path)]


def test_a_copy_that_fails_says_where_and_leaves_nothing(tmp_path, monkeypatch):
    def disk_full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", disk_full)
    with pytest.raises(JobError, match=r"could not be copied there .*No space left.* free space"):
        snapshot(tmp_path / "code")
    assert list((tmp_path / "code").iterdir()) == []


def test_plugins_are_copied_beside_the_package(tmp_path):
    package = tmp_path / "mine"
    (package / "deep/__pycache__").mkdir(parents=True)
    for name in ("__init__.py", "deep/data.json", "deep/__pycache__/x.pyc", ".hidden"):
        (package / name).write_text("")
    (tmp_path / "single.py").write_text("VALUE = 1")
    plugins = [package, tmp_path / "single.py"]
    copy = snapshot(tmp_path / "code", plugins)
    copied = {str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file()}
    assert {name for name in copied if not name.startswith("rhovideo/")} == {
        "mine/__init__.py",
        "mine/deep/data.json",
        "single.py",
    }
    (tmp_path / "single.py").write_text("VALUE = 2")
    assert snapshot(tmp_path / "code", plugins) != copy
    assert (copy / "single.py").read_text() == "VALUE = 1"


def test_a_plugin_with_data_in_its_package_is_refused(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/weights.pt").write_bytes(bytes(2**20))
    monkeypatch.setattr(module, "_MOST_BYTES", 2**19)
    with pytest.raises(JobError, match=r"PLUGINS: the package .*mine has 1 MB.*pip install -e"):
        snapshot(tmp_path / "code", [tmp_path / "mine"])
    assert not (tmp_path / "code").exists()
