"""The examples are programs that people copy: they run as they are, on small networks."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import torch

import rhovideo
from rhovideo.config.extension.registries import METHODS
from rhovideo.engine.log.json_stats import read_json_stats

ROOT = Path(__file__).parents[2]
SMALL = ["--epochs", "2", "--batch", "8", "--crop", "32", "--depth", "18", "--width", "4", "--workers", "0"]


def start(example: str, data: Path, out: Path, *words: str) -> subprocess.CompletedProcess:
    """Run an example in the folder of its output, which is not that of the videos."""
    return launch(example, data, "--out", out, *SMALL, *words, cwd=out.parent)


def launch(
    example: str | Path, *words: object, cwd: Path | None = None, seconds: float = 240
) -> subprocess.CompletedProcess:
    """Run a program and all processes that it starts; those that hang are ended, and what they printed is shown.

    The output goes into files: a process that is left behind would keep a pipe open, and the test waiting.
    """
    command = [str(word) for word in (sys.executable, ROOT / "examples" / example, *words)]
    # The name of the machine may lead to an interface on which its processes cannot meet.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as errors:
        how = {"stdout": printed, "stderr": errors, "start_new_session": True}
        process = subprocess.Popen(command, cwd=cwd, env=environment, **how)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for file in (printed, errors):
            file.seek(0)
        done = subprocess.CompletedProcess(command, code, printed.read(), errors.read())
    assert code is not None, f"{example} hangs after {seconds:g} s:\n{done.stdout}\n{done.stderr}"
    return done


def run(example: str, data: Path, out: Path, *words: str) -> str:
    done = start(example, data, out, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"the encoder's weights are in {out}\n")
    return done.stdout


def assert_asks_for_a_smaller_batch(example: str, data: Path, out: Path) -> None:
    done = start(example, data, out, "--batch", "25", "--epochs", "1")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("fewer videos than the 25 of a batch: write a smaller --batch")
    assert not out.exists()


def assert_encoder_was_trained(file: Path) -> int:
    """The number of batches that the encoder has seen."""
    torch.manual_seed(0)
    encoder = rhovideo.create_backbone("slow", depth=18, width=4)
    encoder.load_state_dict(torch.load(file, weights_only=True))
    assert encoder.blocks[0].norm.num_batches_tracked > 0
    return int(encoder.blocks[0].norm.num_batches_tracked)


def test_moco_on_a_list_of_relative_paths(synthetic_set, tmp_path):
    words = ["--queue", "16", "--rho", "3"]
    printed = run("pytorchvideo_moco.py", synthetic_set / "train.csv", tmp_path / "encoder.pt", *words)
    assert printed.count("loss") == 2 * 24 // 8
    assert_encoder_was_trained(tmp_path / "encoder.pt")


def test_moco_on_absolute_paths_and_on_a_folder(synthetic_set, tmp_path):
    lines = (synthetic_set / "train.csv").read_text().splitlines()
    (tmp_path / "list.csv").write_text("".join(f"{synthetic_set}/{line}\n" for line in lines))
    for data in (tmp_path / "list.csv", synthetic_set / "train"):
        words = ["--queue", "16", "--epochs", "1"]
        assert run("pytorchvideo_moco.py", data, tmp_path / "encoder.pt", *words).count("loss") == 24 // 8


def test_a_list_shorter_than_a_batch_is_refused(synthetic_set, tmp_path):
    assert_asks_for_a_smaller_batch("pytorchvideo_moco.py", synthetic_set / "train.csv", tmp_path / "encoder.pt")


def test_every_flag_is_explained():
    shown = launch("pytorchvideo_moco.py", "--help").stdout
    flags = re.findall(r"^  (--\w+) \w+ +(\S.*)$", shown, re.MULTILINE)
    assert len(flags) == 10


@pytest.mark.parametrize(
    ("example", "package", "named"),
    [
        ("lightning_byol.py", "lightning", "pip install -e '.[lightning]'"),
        ("slowfast_train.py", "slowfast", "PYTHONPATH"),
    ],
)
def test_a_package_that_is_missing_is_named_without_a_traceback(example, package, named):
    path = str(ROOT / "examples" / example)
    code = f"import runpy, sys; sys.modules[{package!r}] = None; runpy.run_path({path!r}, run_name='__main__')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code, "--help"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(importlib.util.find_spec("lightning") is None, reason="Lightning is not installed")
def test_byol_in_lightning(synthetic_set, tmp_path):
    run("lightning_byol.py", synthetic_set / "train.csv", tmp_path / "encoder.pt")
    assert_encoder_was_trained(tmp_path / "encoder.pt")
    assert_asks_for_a_smaller_batch("lightning_byol.py", synthetic_set / "train.csv", tmp_path / "other.pt")


# Run before the example, in each process: it writes the names of its videos and the weights that it ends with.
WATCHER = """
import torch
from lightning import LightningModule

names = []

def begin(module, batch, number):
    names.extend(batch["video_name"])

def end(module):
    weights = torch.cat([p.detach().flatten() for p in module.method.parameters()])
    torch.save((names, weights), f"rank{module.global_rank}.pt")
    torch.distributed.barrier()

LightningModule.on_train_batch_start, LightningModule.on_train_end = begin, end
"""


@pytest.mark.skipif(importlib.util.find_spec("lightning") is None, reason="Lightning is not installed")
def test_byol_in_lightning_in_two_processes(synthetic_set, tmp_path):
    """They share the videos of an epoch and end with the same weights."""
    (tmp_path / "watched.py").write_text(WATCHER + (ROOT / "examples/lightning_byol.py").read_text())
    words = [*SMALL, "--devices", "2", "--accelerator", "cpu", "--batch", "4", "--out", tmp_path / "encoder.pt"]
    done = launch(tmp_path / "watched.py", synthetic_set / "train.csv", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (names, weights), (other_names, other_weights) = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))
    assert torch.equal(weights, other_weights)
    # Two epochs of 24 videos.
    assert len(names) == len(other_names) == 24
    for epoch in (slice(0, 12), slice(12, 24)):
        assert len({*names[epoch], *other_names[epoch]}) == 24
    assert names[:12] != names[12:]
    assert done.stdout.count("the encoder's weights are in") == 1
    # Of two clips, in two epochs of three steps.
    assert assert_encoder_was_trained(tmp_path / "encoder.pt") == 2 * 2 * 3


def test_a_program_that_hangs_with_a_process_of_its_own_is_ended_and_shown(tmp_path):
    child = "import time; print('rank 1 waits', flush=True); time.sleep(600)"
    (tmp_path / "hangs.py").write_text(
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {child!r}]).wait()\n"
    )
    started = time.monotonic()
    with pytest.raises(AssertionError, match=r"hangs after 3 s:\s+rank 1 waits"):
        launch(tmp_path / "hangs.py", seconds=3)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_stay_short(example):
    assert len(example.read_text().splitlines()) < 80


def published_vicreg(x: torch.Tensor, y: torch.Tensor) -> float:
    """The loss of two views [B, D], term by term as the paper's algorithm 1 writes it, with its weights."""
    videos, dim = x.shape
    loss = 25.0 * ((x - y) ** 2).mean()
    for view in (x, y):
        view = view - view.mean(dim=0)
        loss = loss + 25.0 * torch.relu(1 - (view.var(dim=0) + 1e-4).sqrt()).mean() / 2
        covariance = view.T @ view / (videos - 1)
        for i in range(dim):
            for j in range(dim):
                loss = loss + (covariance[i, j] ** 2 / dim if i != j else 0)
    return float(loss)


@pytest.fixture
def vicreg(monkeypatch):
    """The example as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    monkeypatch.setattr("rhovideo.config.schema._registered", {})
    monkeypatch.setattr(METHODS, "_registered", {})
    monkeypatch.delitem(sys.modules, "vicreg", raising=False)
    yield importlib.import_module("vicreg")
    sys.modules.pop("vicreg", None)


def test_vicreg_is_the_published_loss(vicreg):
    torch.manual_seed(0)
    encoder, projection = torch.nn.Flatten(), torch.nn.Linear(12, 5)
    method = vicreg.VICReg(encoder, projection, (25.0, 25.0, 1.0)).double()
    views = [0.3 * torch.randn(6, 3, 1, 2, 2, dtype=torch.float64) for _ in range(3)]
    embeddings = [projection(encoder(view)) for view in views]
    two = float(method(views[:2]).detach())
    assert two == pytest.approx(published_vicreg(*embeddings[:2]))
    # Of rho clips it is the mean over the pairs of clips.
    pairs = [published_vicreg(embeddings[i], embeddings[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert float(method(views).detach()) == pytest.approx(sum(pairs) / 3)
    method(views).backward()
    assert method.after_backward(0.0, 0)
    assert projection.weight.grad.abs().sum() > 0


def test_vicreg_trains_as_a_program(tmp_path):
    done = launch("vicreg.py", "SOLVER.MAX_EPOCH", "6", "DATA.TRAIN_CROP_NUM_TEMPORAL", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = read_json_stats(tmp_path / "outputs/vicreg/run/json_stats.log")
    losses = [line["loss"] for line in lines if line["_type"] == "train_epoch"]
    assert len(losses) == 6
    assert max(losses[-2:]) < min(losses[:2])
    assert "vicreg: slow R-18" in done.stdout


def test_vicreg_is_a_plugin(vicreg, monkeypatch):
    monkeypatch.chdir(ROOT / "examples")
    words = ["PLUGINS", "[vicreg]", "TASK", "pretrain", "CONTRASTIVE.TYPE", "vicreg", "VICREG.COVARIANCE", "0.04"]
    method = rhovideo.build_method(rhovideo.load_cfg(None, [*words, "RESNET.WIDTH_PER_GROUP", "8"]))
    assert (type(method).__name__, method.weights) == ("VICReg", (25.0, 25.0, 0.04))
