"""A disk that is full, or that nothing may be written to: each writer says the file, the reason and what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from rhovideo.engine.checkpoints.checkpoint import newest_checkpoint
from tests.configured_runs import METHOD_KEYS, ROOT, final_state, run, write_config
from tests.small_disk import run_on_small_disk

BYOL = ["CONTRASTIVE.TYPE", "byol", *METHOD_KEYS["byol"]]
# One after the other on a disk that a file fills; each line is one that a user would meet.
WRITERS = {
    "checkpoint": """
from rhovideo.engine.checkpoints.checkpoint import FORMAT, save_checkpoint
save_checkpoint({"format": FORMAT, "weight": torch.zeros(2**20)}, disk / "checkpoints/checkpoint_epoch_00001.pyth", 0)
""",
    "results.json": """
from rhovideo.atomic_files import write_text
write_text(disk / "results.json", "x" * 2**20)
""",
    "json_stats.log": """
from rhovideo.atomic_files import append_line
append_line(disk / "json_stats.log", "x" * 2**20)
""",
    "features": """
import numpy as np
from rhovideo.engine.evaluation.feature_file import FeatureFile
file = FeatureFile(disk, 4096, 256)
file.prepare({})
for block in range(file.blocks):
    rows = len(file.rows_of(block))
    file.write(block, np.ones((rows, 256), np.float16), np.ones(rows, bool))
""",
    "scores": """
import numpy as np
from rhovideo.engine.evaluation.scores import VideoScores, write_scores
blank = np.zeros(4096, int)
result = VideoScores(np.arange(4096), np.zeros((4096, 400)), blank, (), 1.0, 1.0, blank)
write_scores(disk / "scores.npz", result, ["x"] * 4096)
""",
    "packed list": """
from rhovideo.data.lists.manifest import Manifest
(folder / "train.csv").write_text("".join(f"{'v' * 200}{i}.mp4 0\\n" for i in range(9999)))
Manifest.open(folder / "train.csv", cache_dir=disk)
""",
    "contact sheet": """
import numpy as np
from rhovideo.pictures.canvas import finish
finish(np.random.default_rng(0).integers(0, 255, (999, 999, 3), np.uint8), disk / "sheet.png")
""",
}
FILL = """
import os, sys, pathlib, torch
from rhovideo.errors import JobError
disk, folder = map(pathlib.Path, sys.argv[1:])
(disk / "checkpoints").mkdir()
with open(disk / "others", "wb") as others:
    others.write(bytes(2**20 * 4 - 2**16))
try:
%s
except (JobError, OSError) as error:
    from rhovideo.errors import as_write_error
    print(type(error).__name__, ":", error if isinstance(error, JobError) else as_write_error(error))
"""


@pytest.mark.parametrize("writer", WRITERS)
def test_each_writer_says_that_no_space_is_left(tmp_path, writer):
    body = "\n".join(f"    {line}" for line in WRITERS[writer].strip().splitlines())
    done = run_on_small_disk(tmp_path / "disk", 4, ["-c", FILL % body, tmp_path / "disk", tmp_path])
    assert done.returncode == 0, done.stdout
    assert "No space left" in done.stdout or "no space left" in done.stdout, done.stdout
    assert str(tmp_path / "disk") in done.stdout
    assert "start" in done.stdout or "DATA.MANIFEST_CACHE" in done.stdout, "nothing says what to do"
    assert "unexpected pos" not in done.stdout


def test_a_training_keeps_its_checkpoints_on_a_full_disk_and_goes_on(tmp_path, synthetic_set):
    disk, kept = tmp_path / "disk", tmp_path / "kept"
    config = write_config(tmp_path / "run.yaml", disk / "out", "pretrain")
    keys = [*BYOL, "DATA.PATH_TO_DATA_DIR", synthetic_set, "TRAIN.EVAL_PERIOD", 0]
    saving = ["TRAIN.CHECKPOINT_MINUTES", 1e-6, "TRAIN.CHECKPOINT_KEEP", 0]
    done = run_on_small_disk(disk, 5, [ROOT / "tools/run_net.py", "--cfg", config, *keys, *saving], keep=kept)
    assert done.returncode == 1, done.stdout
    assert "no space left: free some" in done.stdout
    assert "Traceback" not in done.stdout
    assert "inline_container" not in done.stdout
    path, _ = newest_checkpoint(kept / "out")
    assert f"The last checkpoint is {disk / 'out/checkpoints' / path.name}: the same command goes on" in done.stdout
    assert not list((kept / "out/checkpoints").glob(".*.tmp"))
    shutil.copytree(kept / "out", disk / "out")
    assert "Resuming from" in run([config], *keys)
    assert final_state(disk / "out")["epoch"] == 2


def test_a_limit_of_file_sizes_is_named(tmp_path, synthetic_set):
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    keys = [*BYOL, "DATA.PATH_TO_DATA_DIR", synthetic_set, "TRAIN.EVAL_PERIOD", 0]
    words = [sys.executable, ROOT / "tools/run_net.py", "--cfg", config, *keys]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 600; exec "$@"', "sh", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert "is larger than files may be here: raise the limit (`ulimit -f`)" in told
    assert "There is no earlier checkpoint" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("place", ["read-only", "a file", "/proc"])
def test_commands_name_a_place_that_cannot_be_written_to(tmp_path, synthetic_set, place):
    disk = tmp_path / "disk"
    if place == "a file":
        disk.write_text("a file")
    out = "/proc/nothing" if place == "/proc" else disk / "out"
    checkpoint = ROOT / "tests/reference/linear_tiny_epoch_00060.pyth"
    for command in (
        ["extract", checkpoint, "--data", synthetic_set / "val.csv", "--out", out, "NUM_GPUS", 0],
        ["index", synthetic_set / "train", "--out", out],
        ["synthetic", out, "--train", 2, "--val", 2, "--classes", 2],
        ["weights", "export", checkpoint, f"{out}/x.pyth"],
    ):
        words = ["-m", "rhovideo.cli", *command]
        if place == "read-only":
            done = run_on_small_disk(disk, 1, words, read_only=True)
        else:
            words = [sys.executable, *map(str, words)]
            done = subprocess.run(
                words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=200
            )
        assert done.returncode in (1, 2), done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        assert str(out) in done.stdout or str(disk) in done.stdout, done.stdout
