"""``rhovideo eval`` on the three splits of a data set as one evaluation, on generated lists and real runs."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path

import pytest

from rhovideo.cli import main
from tests.configured_runs import ROOT

MOCO = str(ROOT / "tests/reference/moco_tiny_epoch_00200.pyth")
QUICK = [
    *("NUM_GPUS", 0, "DATA_LOADER.NUM_WORKERS", 0, "SOLVER.MAX_EPOCH", 1, "TRAIN.BATCH_SIZE", 8, "SOLVER.STEPS", [0]),
    *("SOLVER.LRS", [1], "TRAIN.EVAL_PERIOD", 0, "TEST.NUM_ENSEMBLE_VIEWS", 1, "TEST.NUM_SPATIAL_CROPS", 1),
]


@pytest.fixture
def three(synthetic_set, tmp_path) -> Path:
    """Three splits of the generated videos: other videos are tested in each."""
    rows = [row for split in ("train", "test") for row in (synthetic_set / f"{split}.csv").read_text().splitlines()]
    rows = list(dict.fromkeys(f"{synthetic_set / row.split()[0]} {row.split()[1]}" for row in rows))
    for number in range(3):
        folder = tmp_path / f"data/split{number + 1}"
        folder.mkdir(parents=True)
        tested = rows[number::4]
        (folder / "train.csv").write_text("".join(f"{row}\n" for row in rows if row not in tested))
        for split in ("val", "test"):
            (folder / f"{split}.csv").write_text("".join(f"{row}\n" for row in tested))
    return tmp_path / "data"


def evaluate(data, out, *words, protocol="finetune"):
    command = ["eval", MOCO, "--data", data, "--protocol", protocol, "--out", out, *QUICK, *words]
    return main([str(word) for word in command])


def told(out):
    return json.loads((out / "eval.json").read_text())


def test_the_number_is_the_mean_and_a_second_call_goes_on_where_it_stopped(three, tmp_path, capsys):
    out = tmp_path / "eval/moco"
    # The second split cannot be used.
    good = (three / "split2/train.csv").read_text()
    (three / "split2/train.csv").write_text(
        "".join(f"{line.split()[0]}.gone {line.split()[1]}\n" for line in good.splitlines())
    )
    assert evaluate(three, out) == 2
    shown = capsys.readouterr().err
    assert "split2 cannot be measured, and nothing was started" in shown
    assert str(three / "split2/train.csv") in shown
    assert not out.exists()
    (three / "split2/train.csv").write_text(good)

    assert evaluate(three, out) == 0
    shown = capsys.readouterr().out
    found = told(out)
    values = [told(out / f"split{number}")["value"] for number in (1, 2, 3)]
    assert [found["splits"][f"split{number}"]["value"] for number in (1, 2, 3)] == values
    assert found["value"] == pytest.approx(statistics.fmean(values))
    assert found["deviation"]["test_top1"] == pytest.approx(statistics.stdev(values))
    assert "mean of 3 splits" in shown
    assert f"top-1      {found['value']:6.2f} % ± {statistics.stdev(values):.2f}" in shown
    for number, value in enumerate(values, 1):
        assert f"split{number}     {value:6.2f} %" in shown

    # Of a run that is gone, only this one is run again.
    shutil.rmtree(out / "split3")
    before = {number: (out / f"split{number}/results.json").stat().st_mtime_ns for number in (1, 2)}
    (out / "eval.json").unlink()
    assert evaluate(three, out) == 0
    assert {number: (out / f"split{number}/results.json").stat().st_mtime_ns for number in (1, 2)} == before
    assert told(out)["value"] == pytest.approx(found["value"])

    # The table of the splits, and the one of all evaluations.
    capsys.readouterr()
    assert main(["results", str(out)]) == 0
    table = capsys.readouterr().out.splitlines()
    mean = next(line for line in table if line.startswith("mean of 3 splits"))
    assert f"{found['value']:.2f}" in mean
    assert any(line.startswith("standard deviation") and f"{statistics.stdev(values):.2f}" in line for line in table)
    assert main(["results", str(out.parent)]) == 0
    table = capsys.readouterr().out
    assert f"test_top1, mean of 3 splits, ± {statistics.stdev(values):.2f}" in table


def test_a_split_that_fails_leaves_the_others_and_is_named(three, tmp_path, capsys):
    out = tmp_path / "out"
    (out / "split2").mkdir(parents=True)
    assert evaluate(three, out, protocol="linear") == 0
    shutil.rmtree(out / "split2")
    # A file stands where the run's folder must be.
    (out / "split2").write_text("")
    assert evaluate(three, out, protocol="linear") != 0
    assert "split2" in capsys.readouterr().err
    assert told(out / "split1")["protocol"] == "linear"


def test_a_missing_split_is_refused(three, tmp_path, capsys):
    shutil.rmtree(three / "split2")
    assert evaluate(three, tmp_path / "out") == 2
    assert "has split1, split3 and no split2" in capsys.readouterr().err


def test_a_dry_run_shows_each_split_and_leaves_nothing(three, tmp_path, capsys):
    assert evaluate(three, tmp_path / "out", "--dry-run") == 0
    shown = capsys.readouterr()
    for number in (1, 2, 3):
        assert f"PATH_TO_DATA_DIR: {three / f'split{number}'}" in shown.out
    assert not (tmp_path / "out").exists()


def test_two_checkpoints_of_one_name_have_folders_of_their_own(three, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for study in ("one", "two"):
        checkpoint = Path(study, "moco/checkpoints/checkpoint_epoch_00200.pyth")
        checkpoint.parent.mkdir(parents=True)
        shutil.copy(MOCO, checkpoint)
        words = ["eval", checkpoint, "--data", three, "--protocol", "knn", "NUM_GPUS", 0, "DATA_LOADER.NUM_WORKERS", 0]
        assert main([str(word) for word in [*words, "KNN.NUM_CLIPS", 1]]) == 0
    assert len(list(Path("outputs/eval").glob("*/split1/eval.json"))) == 2
