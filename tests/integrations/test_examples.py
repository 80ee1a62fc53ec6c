"""The examples are programs that people copy: they run as they are, on small networks."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import rhovideo

ROOT = Path(__file__).parents[2]
SMALL = ["--epochs", "2", "--batch", "8", "--crop", "32", "--depth", "18", "--width", "4", "--workers", "0"]


def start(example: str, videos: Path, out: Path, *words: str) -> subprocess.CompletedProcess:
    """Run an example in the folder of the videos, whose lists hold relative paths."""
    command = [sys.executable, ROOT / "examples" / example, videos / "train.csv", "--out", out, *SMALL, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=videos, env=environment, capture_output=True, text=True)


def run(example: str, videos: Path, out: Path, *words: str) -> str:
    done = start(example, videos, out, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def assert_asks_for_a_smaller_batch(example: str, videos: Path, out: Path) -> None:
    done = start(example, videos, out, "--batch", "25", "--epochs", "1")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("fewer videos than the 25 of a batch: write a smaller --batch")
    assert not out.exists()


def assert_encoder_was_trained(file: Path) -> None:
    torch.manual_seed(0)
    encoder = rhovideo.create_backbone("slow", depth=18, width=4)
    encoder.load_state_dict(torch.load(file, weights_only=True))
    assert encoder.blocks[0].norm.num_batches_tracked > 0


def test_moco_on_pytorchvideos_data_set(synthetic_set, tmp_path):
    printed = run("pytorchvideo_moco.py", synthetic_set, tmp_path / "encoder.pt", "--queue", "16", "--rho", "3")
    assert printed.count("loss") == 2 * 24 // 8
    assert_encoder_was_trained(tmp_path / "encoder.pt")


def test_a_list_shorter_than_a_batch_is_told(synthetic_set, tmp_path):
    assert_asks_for_a_smaller_batch("pytorchvideo_moco.py", synthetic_set, tmp_path / "encoder.pt")


@pytest.mark.skipif(importlib.util.find_spec("lightning") is None, reason="Lightning is not installed")
def test_byol_in_lightning(synthetic_set, tmp_path):
    run("lightning_byol.py", synthetic_set, tmp_path / "encoder.pt")
    assert_encoder_was_trained(tmp_path / "encoder.pt")
    assert_asks_for_a_smaller_batch("lightning_byol.py", synthetic_set, tmp_path / "other.pt")


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_stay_short(example):
    assert len(example.read_text().splitlines()) < 80
