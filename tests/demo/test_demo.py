"""The demo on a budget that teaches nothing: does it run, and does it write what it promises?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import cv2

from rhovideo.cli import main
from tests.configured_runs import ROOT


def test_demo_writes_its_numbers_and_its_picture(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--epochs", "1", "--videos", "32", "--seed", "3", "--out", str(out)]) == 0
    results = json.loads((out / "results.json").read_text())
    assert {"linear_top1", "random_init_top1", "knn_top1"} <= results.keys()
    for name in ("linear_top1", "random_init_top1", "knn_top1"):
        assert 0 <= results[name] <= 100, name
    assert results["seconds"] > 0
    assert (results["method"], results["rho"], results["seed"]) == ("simclr", 2, 3)
    picture = cv2.imread(str(out / "demo.png"))
    assert min(picture.shape[:2]) > 400
    assert picture.std() > 10
    page = (out / "report.html").read_text()
    assert "simclr_rho2_seed3" in page
    assert page.count("data:image/webp") == 6
    log = (out / "random_seed3_linear/stdout.log").read_text()
    assert "The encoder starts from random weights" in log
    assert "WARNING" not in log
    row = f"| simclr | 2 | 3 | {results['knn_top1']:.1f} | {results['linear_top1']:.1f} |"
    printed = capsys.readouterr().out
    assert row in printed
    assert printed.splitlines()[-1] == f"The page of these runs: {out / 'report.html'}"


def test_ctrl_c_ends_it_with_a_line(tmp_path):
    out = tmp_path / "demo"
    command = [sys.executable, "-m", "rhovideo.cli", "demo", "--videos", "32", "--out", out]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list(out.glob("*/json_stats.log")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("rhovideo: the demo was interrupted")
    assert all(line.startswith("rhovideo: ") for line in said.splitlines()), said


def test_help_names_the_outputs_and_the_options():
    code = "import sys; sys.modules['torch'] = None; from rhovideo.cli import main; main(['demo', '--help'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("results.json", "demo.png", "--seed", "--study", "--epochs", "--videos", "--rho"):
        assert word in done.stdout
