"""What a user imports: every public name is there, importing is quiet, and README's program runs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module

import pytest
import torch

from tests.configured_runs import ROOT

FACES = ("", ".config", ".data", ".demo", ".metrics", ".models", ".optim", ".runs", ".ssl", ".zoo")
DATA_FACES = tuple(f".data.{room}" for room in ("video", "lists", "sampling", "augment", "loading"))


@pytest.mark.parametrize("room", FACES + DATA_FACES)
def test_every_public_name_is_there(room):
    module = import_module(f"rhovideo{room}")
    for name in module.__all__:
        assert getattr(module, name).__name__ == name
        assert name in dir(module)


@pytest.mark.parametrize("room", ["", ".data", ".demo", ".metrics", ".runs", ".ssl", ".zoo"])
def test_importing_a_room_leaves_torch_alone(room):
    code = f"import sys, rhovideo{room}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_names_that_are_not_loaded_yet_are_offered():
    code = "import rhovideo, sys; print(set(rhovideo.__all__) <= set(dir(rhovideo)), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "True False\n", done.stderr


def test_metrics_need_no_import_of_their_own():
    code = "import rhovideo, sys; rhovideo.metrics.ava_map; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_program_in_readme_runs(monkeypatch):
    monkeypatch.chdir(ROOT)
    (program,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    tiny = str(ROOT / "tests/reference/byol_tiny_epoch_00200.pyth")
    program, replaced = re.subn(r'load_pretrained\("[^"]+"\)', f"load_pretrained({tiny!r})", program)
    assert replaced == 1
    batches = [[torch.rand(2, 3, 8, 32, 32) for _ in range(2)] for _ in range(2)]
    names = {"clips": torch.rand(2, 3, 8, 32, 32), "batches": batches}
    exec(program, names)
    assert len(names["features"]) == 2
    assert not names["features"].requires_grad
    method = names["method"]
    assert method.queue.pointer == 2 * 2 * 2
    weights = zip(method.encoder.parameters(), method.momentum_encoder.parameters(), strict=True)
    assert any((trained != slow).any() for trained, slow in weights)


@pytest.mark.parametrize("name", ["MoCo", "BYOL", "SimCLR", "SwAV"])
def test_help_tells_what_a_methods_calls_do(name):
    method = getattr(import_module(f"rhovideo.ssl.{name.lower()}"), name)
    assert "views: V >= 2 normalised tensors" in method.losses.__doc__
    assert method.after_backward.__doc__
    assert method.embed.__doc__


def test_import_says_nothing():
    code = "import rhovideo; rhovideo.build_method"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
