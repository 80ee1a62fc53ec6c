"""Beats: a command is never silent for long, also where its output goes into a file."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.configured_runs import ROOT

SLOW_TORCH = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            sys.meta_path.remove(self)
            time.sleep(7)
sys.meta_path.insert(0, Slow())
"""


def test_a_slow_import_of_torch_is_shown_and_stdout_stays_clean(jobs_folder):
    (jobs_folder / "slow").mkdir()
    (jobs_folder / "slow/sitecustomize.py").write_text(SLOW_TORCH)
    words = ["run", "--cfg", "pretrain.yaml", "--dry-run", "CONTRASTIVE.TYPE", "simclr", "TRAIN.BATCH_SIZE", "8"]
    process = subprocess.Popen(
        [sys.executable, "-m", "rhovideo.cli", *words],
        env={**os.environ, "PYTHONPATH": f"{jobs_folder / 'slow'}:{ROOT}"},
        stdout=(jobs_folder / "printed").open("w"),
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = [(line, time.monotonic()) for line in process.stderr]
    assert process.wait() == 0, lines
    beats = [at for line, at in lines if "importing torch ..." in line]
    assert beats, lines
    assert "..." not in (jobs_folder / "printed").read_text()


def test_a_quick_command_has_no_beat(jobs_folder):
    code = "import sys; from rhovideo.cli import main; main(['keys', 'BASE_LR'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "..." not in done.stderr
