"""A table of real tiny runs: a pre-training that is killed once and goes on, and the linear classifier on it."""

from __future__ import annotations

import csv
import io
import json
import time

import pytest

from rhovideo.cli import main
from rhovideo.runs.sessions import SESSIONS_FILE, device_time
from rhovideo.studies.record import CellRecord, StatedFigure
from tests.configured_runs import kill, run, start, write_config
from tests.studies.study_folders import table, write


@pytest.mark.slow
def test_the_table_of_real_runs_has_their_number_and_their_hours(tmp_path, synthetic_set, capsys):
    study = tmp_path / "study"
    one = CellRecord("2", "", "K", [["runs/simclr/K_linear"]], ["runs/simclr/training"], stated=StatedFigure(60.5))
    write(study, table([one]), seeds=[3])
    training, linear = study / one.pretraining[0], study / one.runs[0][0]
    jobs = [
        write_config(tmp_path / "pretrain.yaml", training, "pretrain"),
        write_config(tmp_path / "linear.yaml", linear, "linear"),
    ]
    keys = ["DATA.PATH_TO_DATA_DIR", synthetic_set, "RNG_SEED", 3]
    killed = start([jobs[0]], *keys, "SOLVER.MAX_EPOCH", 500)
    deadline = time.monotonic() + 120
    while not (training / "json_stats.log").exists():
        assert killed.poll() is None, killed.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kill(killed)
    before = device_time(training).cpu
    assert before > 0
    run(jobs, *keys)
    lines = [json.loads(line) for line in (training / SESSIONS_FILE).read_text().splitlines()]
    assert [line["event"] for line in lines] == ["begin", "session", "begin", "session"]
    assert device_time(training).cpu > before
    assert main(["results", str(study), "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out, newline=""))
    top1 = json.loads((linear / "results.json").read_text())["test_top1"]
    assert float(row["value"]) == pytest.approx(top1, rel=1e-4)
    assert (row["seed"], row["stated"], row["state"]) == ("3", "60.5", "finished")
    assert float(row["training_hours"]) == pytest.approx(device_time(training).cpu / 3600, rel=1e-3)
    assert main(["results", str(study)]) == 0
    assert f"{top1:.1f} (60.5)" in capsys.readouterr().out
