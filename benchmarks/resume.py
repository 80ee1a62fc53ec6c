"""Checkpoints and restarts: write, load, and the time until a process makes its first step.

python -m benchmarks.resume [--only WORDS]
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.inputs import cache_folder
from benchmarks.script import run_script
from benchmarks.table import FLOOR, OURS, Row, Table
from benchmarks.timing import interleaved
from rhovideo.atomic_files import written_whole
from rhovideo.config import get_cfg
from rhovideo.demo.synthetic_videos import write_synthetic
from rhovideo.engine.checkpoints.checkpoint import FORMAT, newest_checkpoint, save_checkpoint
from rhovideo.optim import build_optimizer
from rhovideo.runs.folder import STATS_FILE, checkpoint_path
from rhovideo.ssl.build import build_method

_ROOT = Path(__file__).parent.parent
# A run whose steps take no time beside its start; its network and lists are as small as they can be.
_TINY = """
TASK: pretrain
NUM_GPUS: 0
LOG_PERIOD: 1
DATA: {NUM_FRAMES: 2, SAMPLING_RATE: 4, TRAIN_CROP_SIZE: 32, TEST_CROP_SIZE: 32, TRAIN_JITTER_SCALES: [36, 44]}
RESNET: {WIDTH_PER_GROUP: 4, DEPTH: 18}
CONTRASTIVE: {QUEUE_LEN: 32, DIM: 8}
TRAIN: {BATCH_SIZE: 8, EVAL_PERIOD: 0, CHECKPOINT_PERIOD: 1, CHECKPOINT_MINUTES: 0}
DATA_LOADER: {NUM_WORKERS: 0}
"""
_STARTS = 3
_NOTES = (
    "Seconds that pass. Checkpoints: MoCo on Slow R-50 with a queue of 65,536 and SGD's momenta. torch.save and "
    "torch.load alone neither sync nor verify, and torch.save writes over the file that it wrote before, taking its "
    "memory again. Floor of writing and loading: the file's bytes, written to a new file that is synced and then takes "
    "the place of the old one, and read. First step: from starting the command to the step's line in the log, of a run "
    "so small that only the start counts; its floor: until a process has imported torch, torchvision and "
    "PyTorchVideo's models."
)


def measure(only: str = "") -> Table:
    """Time every row whose text holds ``only``."""
    rows = []
    with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
        if only in "write a checkpoint, load a checkpoint":
            rows += _checkpoint_rows(Path(folder))
        if only in "first step of a new run, first step after a restart":
            rows += _start_rows(Path(folder))
    return Table("resume", "s", _NOTES, rows, digits=2)


def _checkpoint_rows(folder: Path) -> list[Row]:
    state = _state()
    path = checkpoint_path(folder, 1, 0)
    save_checkpoint(state, path, keep=1)
    content = path.read_bytes()
    plain = folder / "plain.pyth"
    writers: dict[str, Callable[[int], object]] = {
        OURS: lambda number: save_checkpoint(state, path, keep=1),
        "torch.save": lambda number: torch.save(state, plain),
        FLOOR: lambda number: _write_bytes(folder / "bytes", content),
    }
    readers: dict[str, Callable[[int], object]] = {
        OURS: lambda number: newest_checkpoint(folder),
        "torch.load": lambda number: torch.load(plain, map_location="cpu", weights_only=True),
        FLOOR: lambda number: path.read_bytes(),
    }
    size = f"{len(content) / 1e6:.0f} MB"
    works = {f"write a checkpoint of {size}": writers, f"load a checkpoint of {size}": readers}
    settings = {"seconds": 4.0, "min_rounds": 3, "clock": time.perf_counter}
    return [Row(work, interleaved(candidates, **settings)) for work, candidates in works.items()]


def _state() -> dict:
    """A checkpoint's content after a step of MoCo with released sizes."""
    cfg = get_cfg()
    cfg.CONTRASTIVE.TYPE, cfg.CONTRASTIVE.LOSS_FORM = "moco", "paper"
    method = build_method(cfg)
    optimizer = build_optimizer(cfg, method)
    for parameter in method.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    return {
        "format": FORMAT,
        "task": "pretrain",
        "cfg": cfg.dump(),
        **{"epoch": 1, "step": 0, "global_step": 1, "epoch_layout": {}, "scaler_state": {}, "task_state": {}},
        "model_state": method.state_dict(),
        "optimizer_state": optimizer.state_dict(),
    }


def _write_bytes(path: Path, content: bytes) -> None:
    with written_whole(path) as file:
        file.write(content)


def _start_rows(folder: Path) -> list[Row]:
    data = cache_folder() / "tiny_set"
    write_synthetic(data, num_classes=3, train_videos=24, val_videos=6, seconds=2, size=(48, 64), seed=0)
    config, output = folder / "tiny.yaml", folder / "run"
    config.write_text(_TINY)

    def command(epochs: int) -> list[str]:
        overrides = ["DATA.PATH_TO_DATA_DIR", data, "SOLVER.MAX_EPOCH", epochs, "OUTPUT_DIR"]
        words = [sys.executable, _ROOT / "tools/run_net.py", "--cfg", config, *overrides]
        return [str(word) for word in words]

    subprocess.run([*command(1), str(output)], check=True, stdout=subprocess.DEVNULL)
    new, again, imports = [], [], []
    for number in range(_STARTS):
        imports.append(_seconds_of_imports())
        new.append(_until_a_step([*command(1), str(folder / f"new_{number}")], folder / f"new_{number}"))
        again.append(_until_a_step([*command(100), str(output)], output))
    floor = sorted(imports)[_STARTS // 2]
    return [
        Row("first step of a new run", {OURS: sorted(new)[_STARTS // 2], FLOOR: floor}),
        Row("first step after a restart", {OURS: sorted(again)[_STARTS // 2], FLOOR: floor}),
    ]


def _seconds_of_imports() -> float:
    """Until a process has them; its end, which takes long too, does not count.

    Raises:
        RuntimeError: they fail.
    """
    code = "import torch, torchvision, pytorchvideo.models.resnet; print('done', flush=True)"
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.readline()
        seconds = time.perf_counter() - start
    if said != "done\n":
        raise RuntimeError(f"{code!r} ended with {process.returncode}")
    return seconds


def _until_a_step(command: list[str], output: Path) -> float:
    """Seconds until a run's first new line of numbers; the run is killed there.

    Raises:
        RuntimeError: the run ends before.
    """
    log = output / STATS_FILE
    before = log.stat().st_size if log.exists() else 0
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        while not log.exists() or log.stat().st_size == before:
            if process.poll() is not None:
                raise RuntimeError(f"the run ended with {process.returncode} before a step: {' '.join(command)}")
            time.sleep(0.005)
        return time.perf_counter() - start
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


if __name__ == "__main__":
    run_script(measure)
