"""What a user imports: every public name is there, importing is quiet, and README's program runs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch

import rhovideo
import rhovideo.zoo
from tests.runs import ROOT


@pytest.mark.parametrize("module", [rhovideo, rhovideo.zoo], ids=lambda module: module.__name__)
def test_every_public_name_is_there(module):
    assert sorted(module._HOME) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name).__name__ == name


def test_program_in_readme_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    tiny = str(ROOT / "tests/reference/byol_tiny_epoch_00200.pyth")
    program, replaced = re.subn(r'load_pretrained\("[^"]+"\)', f"load_pretrained({tiny!r})", program)
    assert replaced == 1
    names = {"clips": torch.rand(2, 3, 8, 32, 32), "views": [torch.rand(2, 3, 8, 32, 32) for _ in range(2)]}
    exec(program, names)
    assert len(names["features"]) == 2
    assert any(p.grad is not None and p.grad.norm() > 0 for p in names["method"].parameters())


def test_import_says_nothing():
    code = "import rhovideo; rhovideo.build_method"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
