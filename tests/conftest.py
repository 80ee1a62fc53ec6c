from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from rhovideo.config.schema.job import TASKS
from rhovideo.demo.synthetic_videos import write_synthetic

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As for every process that a shell starts in the background; the programs that are tested here are to hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# A busy machine must not fail a test whose answer is right.
settings.register_profile("without a deadline", deadline=None)
settings.load_profile("without a deadline")

# Marked essential: what shows that a version of Python or torch is good enough. Whole trainings are in config.
ESSENTIAL = (
    "config",
    "data/sampling",
    "data/video",
    "data/loading/test_loader.py",
    "engine/checkpoints/test_checkpoint.py",
    "optim",
    "ssl",
)


def pytest_collection_modifyitems(items):
    folder = Path(__file__).parent
    for item in items:
        if any(item.path.is_relative_to(folder / name) for name in ESSENTIAL):
            item.add_marker("essential")


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    """Each kind of device that a network may be on."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    return torch.device(request.param)


@pytest.fixture(scope="session")
def synthetic_set(tmp_path_factory):
    """A small labelled set of real video files with train.csv, val.csv and test.csv."""
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic(folder, num_classes=3, train_videos=24, val_videos=6, seconds=2, size=(48, 64), seed=0)
    return folder


@pytest.fixture
def jobs_folder(tmp_path, monkeypatch):
    """The current folder: lists of empty videos, a configuration for each task, nobody's cluster.yaml in reach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "a.mp4").touch()
    (tmp_path / "train.csv").write_text("a.mp4 0\n" * 128)
    for split in ("val", "test"):
        (tmp_path / split).mkdir()
        names = [f"{split}/{number}.mp4" for number in range(128)]
        for name in names:
            (tmp_path / name).touch()
        (tmp_path / f"{split}.csv").write_text("".join(f"{name} 0\n" for name in names))
    for task in TASKS:
        (tmp_path / f"{task}.yaml").write_text(
            f"TASK: {task}\nOUTPUT_DIR: out/{task}\nNUM_GPUS: 0\nDATA: {{PATH_TO_DATA_DIR: .}}\n"
        )
    return tmp_path
