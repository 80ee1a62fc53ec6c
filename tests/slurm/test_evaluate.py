"""``rhovideo eval`` and ``extract`` on a real SLURM of two nodes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from rhovideo.cli import main
from tests.configured_runs import ROOT
from tests.slurm.submissions import PATIENCE, Run

MOCO = ROOT / "tests/reference/moco_tiny_epoch_00200.pyth"
NODES = ["--launcher", "slurm", "--nodes", 2, "--gpus-per-node", 0, "--tasks-per-node", 1, "--partition", "debug"]
NODES += ["--time", "30", "DATA_LOADER.NUM_WORKERS", 0]


def rhovideo(*words: object) -> str:
    """The installed command, as a user starts it; what it prints on stdout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    command = [sys.executable, "-m", "rhovideo.cli", *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_extraction_on_two_nodes_gives_the_file_of_one_process(cluster, tmp_path, synthetic_set):
    videos = [line.split()[0] for line in (synthetic_set / "test.csv").read_text().splitlines()]
    listed = tmp_path / "all.csv"
    listed.write_text("".join(f"{synthetic_set / videos[row % len(videos)]} {row}\n" for row in range(100)))
    words = ["extract", MOCO, "--data", listed, "--clips", 1]
    rhovideo(*words, "--out", tmp_path / "spread", *NODES)
    Run(cluster, tmp_path / "spread").wait_for_results()
    alone = [*words, "--out", tmp_path / "alone", "NUM_GPUS", 0, "DATA_LOADER.NUM_WORKERS", 0]
    assert main([str(word) for word in alone]) == 0
    for name in ("features.npy", "manifest.csv"):
        assert (tmp_path / "spread" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_number_is_told_by_the_same_words_once_the_job_has_finished(cluster, tmp_path, synthetic_set):
    out = tmp_path / "out"
    words = ["eval", MOCO, "--data", synthetic_set, "--protocol", "knn", "--out", out, *NODES, "KNN.NUM_CLIPS", 1]
    assert rhovideo(*words) == ""
    assert not Path(out / "eval.json").exists()
    Run(cluster, out).wait_for_results()
    shown = rhovideo(*words)
    assert "k-NN top-1" in shown
    assert json.loads((out / "eval.json").read_text())["value"] is not None


def test_three_splits_are_one_array_and_one_number(cluster, tmp_path, synthetic_set):
    for number in (1, 2, 3):
        split = tmp_path / f"data/split{number}"
        split.mkdir(parents=True)
        for name in ("train", "test"):
            rows = [line.split() for line in (synthetic_set / f"{name}.csv").read_text().splitlines()]
            text = "".join(f"{synthetic_set / path} {label}\n" for path, label in rows[number - 1 :])
            (split / f"{name}.csv").write_text(text)
    out = tmp_path / "out"
    words = ["eval", MOCO, "--data", tmp_path / "data", "--protocol", "knn", "--out", out]
    words += [*NODES[:2], "--nodes", 1, *NODES[4:], "KNN.NUM_CLIPS", 1]
    assert rhovideo(*words) == ""
    ids = [json.loads((out / f"split{number}/job.json").read_text())["job_id"] for number in (1, 2, 3)]
    assert len({job_id.partition("_")[0] for job_id in ids}) == 1
    for number in (1, 2, 3):
        Run(cluster, out / f"split{number}").wait_for_results()
    # Before the number is asked for, the table has the mean too.
    assert "mean of 3 splits" in rhovideo("results", out)
    assert "mean of 3 splits" in rhovideo(*words)
    assert len(json.loads((out / "eval.json").read_text())["splits"]) == 3
