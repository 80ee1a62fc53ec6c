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


def test_the_first_words_do_not_wait_for_the_import_of_the_commands(tmp_path):
    slow = SLOW_TORCH.replace('"torch"', '"rhovideo.cli.command_line"').replace("sleep(7)", "sleep(3)")
    (tmp_path / "sitecustomize.py").write_text(slow)
    process = subprocess.Popen(
        [sys.executable, "-m", "rhovideo.cli", "keys", "BASE_LR"],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr.readline().startswith("rhovideo: keys: starting ...")
    # The key itself is printed after the import, which sleeps on.
    assert process.poll() is None
    assert "SOLVER.BASE_LR" in process.communicate()[0]


BEATS_DURING_THE_IMPORT_OF_TQDM = """
import sys, time
from rhovideo.terminal import start_beats, stop_beats
start_beats("importing", 0.1)
import tqdm
time.sleep(0.5)
stop_beats()
"""


def test_beats_go_on_while_another_thread_imports_tqdm(tmp_path):
    """A module is listed before its names are there."""
    (tmp_path / "tqdm").mkdir()
    (tmp_path / "tqdm/__init__.py").write_text("import time\ntime.sleep(6)\nclass tqdm: pass\n")
    done = subprocess.run(
        [sys.executable, "-c", BEATS_DURING_THE_IMPORT_OF_TQDM],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert done.stderr.count("importing ...") == 2
