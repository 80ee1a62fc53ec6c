"""The copied code is whole, runs, and does not change."""

from __future__ import annotations

import os
import subprocess
import sys

from rhovideo.launch.snapshot import PACKAGE, snapshot


def test_the_copy_is_what_is_imported(tmp_path):
    copy = snapshot(tmp_path / "code")
    words = [sys.executable, "-c", "import rhovideo.launch.batch as b; print(b.__file__)"]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    shown = subprocess.run(words, cwd=copy, env=environment, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == str(copy / "rhovideo/launch/batch.py")


def test_the_same_code_is_copied_once_and_no_caches(tmp_path):
    first = snapshot(tmp_path / "code")
    assert snapshot(tmp_path / "code") == first
    assert [path.name for path in (tmp_path / "code").iterdir()] == [first.name]
    copied = {path.relative_to(first / "rhovideo") for path in first.rglob("*") if path.is_file()}
    present = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")}
    assert present <= copied
    assert not any("__pycache__" in path.parts for path in copied)
