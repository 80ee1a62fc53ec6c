"""Whole runs from the command line, as a user starts them, on a set small enough for a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import torch

from rhovideo.checks.network import network_builder
from rhovideo.config import load_cfg

ROOT = Path(__file__).parent.parent
METHOD_KEYS = {
    "moco": ["CONTRASTIVE.QUEUE_LEN", 32, "CONTRASTIVE.MOMENTUM", 0.9],
    "byol": ["CONTRASTIVE.PREDICTOR_DEPTHS", "[2]", "CONTRASTIVE.MOMENTUM", 0.9, "CONTRASTIVE.BN_MLP", True],
    "simclr": [],
    "swav": ["CONTRASTIVE.SWAV_NUM_PROTOTYPES", 12, "CONTRASTIVE.BN_MLP", True],
}
TINY = """
NUM_GPUS: 0
LOG_PERIOD: 1
DATA: {NUM_FRAMES: 2, SAMPLING_RATE: 4, TRAIN_CROP_SIZE: 32, TEST_CROP_SIZE: 32, TRAIN_JITTER_SCALES: [36, 44]}
RESNET: {WIDTH_PER_GROUP: 4, DEPTH: 50}
MODEL: {ARCH: slow}
CONTRASTIVE: {DIM: 8, MLP_DIM: 16, NUM_MLP_LAYERS: 2, T: 0.1}
TRAIN: {BATCH_SIZE: 8, CHECKPOINT_MINUTES: 0}
TEST: {BATCH_SIZE: 8, NUM_ENSEMBLE_VIEWS: 2, NUM_SPATIAL_CROPS: 3}
SOLVER: {BASE_LR: 0.01, MAX_EPOCH: 2, WARMUP_START_LR: 0.001}
DATA_LOADER: {NUM_WORKERS: 0}
"""


def write_config(path: Path, output: Path, task: str) -> Path:
    """A configuration of TINY with this task."""
    words = [f"TASK: {task}", f"OUTPUT_DIR: {output}"]
    path.write_text(TINY + "\n".join(words) + "\n")
    return path


def write_weights_of_nan(path: Path, config: Path, *overrides) -> Path:
    """A checkpoint that fits the configured network by all names and shapes; only the job finds that it is NaN."""
    cfg = load_cfg(config, overrides)
    network = network_builder(cfg)(cfg)
    state = network.state_dict()
    state |= {name: torch.full_like(value, torch.nan) for name, value in network.named_parameters()}
    torch.save({"format": "rhovideo", "task": cfg.TASK, "cfg": cfg.dump(), "model_state": state}, path)
    return path


def start(configs: list[Path], *overrides, **popen) -> subprocess.Popen:
    """Start ``tools/run_net.py`` in a process group of its own; ``environment`` adds variables."""
    command = [sys.executable, ROOT / "tools/run_net.py", "--cfg", *configs, *overrides]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **popen.pop("environment", {})}
    return subprocess.Popen(
        [str(word) for word in command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        **popen,
    )


def finish(process: subprocess.Popen, seconds: float = 300) -> str:
    """Wait for a run to succeed and return what it printed."""
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill(process)
        output, _ = process.communicate()
        raise AssertionError(f"the run hangs:\n{output}") from None
    assert process.returncode == 0, output
    return output


def run(configs: list[Path], *overrides, **popen) -> str:
    return finish(start(configs, *overrides, **popen))


def kill(process: subprocess.Popen) -> None:
    """SIGKILL to the run and all its children: no handler runs, as when a machine fails."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def final_state(output: Path) -> dict:
    """The furthest checkpoint of a run."""
    newest = max((output / "checkpoints").glob("*.pyth"))
    return torch.load(newest, weights_only=True)
