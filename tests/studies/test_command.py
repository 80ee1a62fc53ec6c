"""``rhovideo study`` as a person starts it, on real videos."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rhovideo.cli import main
from rhovideo.runs.folder import read_results
from rhovideo.studies.record import read_record
from tests.configured_runs import ROOT, TINY

STUDY = """
TITLE: A try
TRAIN_ON: K400
ROW_HEADING: rho
SET: {{RECIPE: {recipe}, SOLVER.MAX_EPOCH: 1, TRAIN.EVAL_PERIOD: 0}}
ROWS:
  "1": {{DATA.TRAIN_CROP_NUM_TEMPORAL: 1}}
  "2": {{DATA.TRAIN_CROP_NUM_TEMPORAL: 2}}
COLUMNS:
  SimCLR: {{CONTRASTIVE.TYPE: simclr}}
  Scratch: {{START: random, MEASURE: [U]}}
WITHOUT: [["2", Scratch]]
MEASURE:
  K: {{DATA: K400, PROTOCOL: knn, KNN.NUM_CLIPS: 1, KNN.K: 3}}
  U: {{DATA: UCF101, PROTOCOL: finetune, SPLITS: [1, 2], {finetune}}}
"""
# A measure's own settings make it as small.
FINETUNE = (
    "SOLVER.MAX_EPOCH: 1, SOLVER.LR_POLICY: cosine, SOLVER.STEPS: [], SOLVER.LRS: [], TRAIN.EVAL_PERIOD: 0, "
    "TEST.NUM_ENSEMBLE_VIEWS: 1, TEST.NUM_SPATIAL_CROPS: 1, BN.NORM_TYPE: batchnorm"
)
SMALL = ["NUM_GPUS", "0", "TRAIN.BATCH_SIZE", "8", "DATA_LOADER.NUM_WORKERS", "0"]


@pytest.fixture
def words(tmp_path, synthetic_set):
    (tmp_path / "recipe.yaml").write_text(f"{TINY}TASK: pretrain\n")
    (tmp_path / "mine.yaml").write_text(STUDY.format(recipe=tmp_path / "recipe.yaml", finetune=FINETUNE))
    (tmp_path / "ucf101").mkdir()
    for split in ("split1", "split2"):
        (tmp_path / "ucf101" / split).symlink_to(synthetic_set)
    data = [f"K400={synthetic_set}", f"UCF101={tmp_path / 'ucf101'}"]
    return [str(tmp_path / "mine.yaml"), "--data", *data, "--out", str(tmp_path / "out"), "--opts", *SMALL]


def start(words) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "rhovideo.cli", "study", *words]
    return subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True)


def results_of(out):
    return {path.parent: path.stat().st_mtime_ns for path in sorted(out.rglob("results.json"))}


def test_a_killed_study_goes_on_and_starts_no_finished_job_again(tmp_path, words):
    out = tmp_path / "out"
    first = start(words)
    deadline = time.monotonic() + 240
    while len(results_of(out)) < 2 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = results_of(out)
    assert len(done) >= 2
    second = start(words)
    _, said = second.communicate(timeout=240)
    assert second.returncode == 0, said
    found = results_of(out)
    assert {folder: found[folder] for folder in done} == done
    record = read_record(out)
    runs = [folder for cell in record.tables[0].cells for splits in cell.runs for folder in splits]
    assert len(runs) == len(set(runs)) == 2 + 4 + 2
    for folder in runs:
        assert read_results(out / folder), folder
    # What a cell is, is what its runs did.
    for cell in record.tables[0].cells:
        if cell.column == "SimCLR":
            config = (out / cell.pretraining[0] / "config.yaml").read_text()
            assert f"TRAIN_CROP_NUM_TEMPORAL: {cell.row}\n" in config


def test_a_dry_run_checks_and_starts_nothing(tmp_path, words, capsys):
    assert main(["study", *words, "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert "10 jobs in 4 chains: 2 trainings, 8 measurements" in said
    assert "checked: keys" in said
    assert not (tmp_path / "out/runs").exists()


def test_the_cost_is_measured_and_told(words, capsys):
    assert main(["study", *words, "--cost"]) == 0
    shown = capsys.readouterr()
    assert "mine: " in shown.out
    assert "hours in 10 jobs" in shown.out


def test_other_settings_do_not_mix_with_a_study_that_has_run(tmp_path, words, capsys):
    assert main(["study", *words, "--only", "1/Scratch"]) == 0
    capsys.readouterr()
    assert main(["study", *words, "KNN.T", "0.5", "--only", "1/Scratch"]) == 1
    assert "write the same, or write another --out" in capsys.readouterr().err
    # The machine is no setting of that kind.
    assert main(["study", *words, "DATA_LOADER.NUM_WORKERS", "1", "--only", "1/Scratch"]) == 0


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        ([], 2, "rhovideo study --list"),
        (["tabel2"], 2, "table2"),
        (["table2", "K400=data"], 2, "--data K400=data"),
        (["table2", "--seeds", "1", "1"], 2, "each seed once"),
        (["table2", "--miniature", "--data", "K400=."], 2, "one of the two"),
        (["table2", "--miniature", "--launcher", "slurm"], 2, "without --launcher slurm"),
        (["table2", "--workers", "0"], 2, "1 or more"),
        (["table2"], 2, "nothing to run. Write --data K400=FOLDER UCF101=FOLDER"),
        (["table2", "--data", "K400=.", "SOLVER.MAX_EPOCH", "3"], 2, "KEY VALUE pairs stand after --opts"),
        (["table2", "--data", "K400=empty", "--dry-run"], 2, "train.csv: there is no such list"),
    ],
)
def test_wrong_arguments_are_refused(command, code, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["study", *command]) == code
    assert says in capsys.readouterr().err


SUBSET = """
TRAIN_ON: S
SET: {RECIPE: demo/simclr}
ROWS: {a: {}}
MEASURE: {K: K400 linear}
SUBSETS: {S: {OF: K400, VIDEOS: 5}}
"""


@pytest.mark.parametrize("words", ["table1 --data K400=.", "subset.yaml --data K400=.", "table2 --miniature"])
@pytest.mark.parametrize("out", ["/proc/x", "file", "file/below"])
def test_a_place_that_cannot_be_written_to_is_named(words, out, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "subset.yaml").write_text(SUBSET)
    (tmp_path / "train.csv").write_text("".join(f"{n}.mp4 0\n" for n in range(8)))
    assert main(["study", *words.split(), "--out", out]) in (1, 2)
    said = capsys.readouterr().err
    assert ("file is a file" if out.startswith("file") else "/proc/x") in said
    assert "cannot be written to" in said or "a folder; it is made if missing" in said


def test_data_that_no_study_uses_and_data_that_is_needed_are_named(tmp_path, capsys):
    assert main(["study", "table2", "--data", f"ucf={tmp_path}", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "--data ucf: not used" in said
    assert "needs K400 and UCF101" in said
    assert "Write --data K400=FOLDER UCF101=FOLDER" in said


def test_list_and_print(capsys):
    assert main(["study", "--list"]) == 0
    assert "table10 " in capsys.readouterr().out
    assert main(["study", "table2", "--print"]) == 0
    assert "TITLE: Clips of a video" in capsys.readouterr().out


def test_a_damaged_record_says_what_to_do(tmp_path, words, capsys):
    (tmp_path / "out/runs").mkdir(parents=True)
    (tmp_path / "out/tables.json").write_text("{")
    assert main(["study", *words]) == 1
    assert "tables.json: cannot be read" in (said := capsys.readouterr().err)
    assert "remove the file, and the same `rhovideo study` writes it again" in said
