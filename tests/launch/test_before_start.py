"""One table of checks: whoever starts the jobs, and whoever looks first, gets the same answer."""

from __future__ import annotations

import re
import sys

import pytest

from rhovideo.cli import main
from rhovideo.config import ConfigError
from rhovideo.launch.before_start import Start, check_before_start
from rhovideo.launch.plan import make_plan
from rhovideo.runs import records
from tests.launch.run_folders import submit as leave_record

SLURM = ["--launcher", "slurm", "--nodes", "1", "--tasks-per-node", "1"]
STARTS = {"dry run": ["--dry-run"], "local": [], "SLURM, dry run": [*SLURM, "--dry-run"], "SLURM": SLURM}
MVIT = ["MODEL.ARCH", "mvit", "DATA.TEST_CROP_SIZE", "224", "MVIT.PATCH_STRIDE", "[3, 4, 4]"]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("lines", "words", "said"),
    [
        (["a.mp4 0"] * 128, MVIT, r": DATA.NUM_FRAMES: MODEL.ARCH mvit cannot be built as configured"),
        (["a.mp4 0"] * 20_000 + ["a.mp4"], [], r"linear.yaml:4: DATA.PATH_TO_DATA_DIR: train.csv, line 20001: "),
        (["a.mp4 0"] * 20_000 + ["a.mp4 4"], ["MODEL.NUM_CLASSES", "4"], r"train.csv has the label 4, but MODEL.NUM_"),
        (
            ["a.mp4 0"] * 7,
            ["TRAIN.BATCH_SIZE", "64"],
            r": TRAIN.BATCH_SIZE: train.csv lists 7 videos, fewer than the 64 of one",
        ),
        (["b.mp4 0"] * 128, [], r"linear.yaml:4: DATA.PATH_PREFIX: train.csv, line 1: .*b.mp4 is not there"),
        (["a.mp4 0"] * 128, ["TRAIN.CHECKPOINT_FILE_PATH", "no.pyth"], r"TRAIN.CHECKPOINT_FILE_PATH: there is no file"),
    ],
)
def test_an_error_stops_every_start(start, lines, words, said, jobs_folder, submitting, capsys):
    (jobs_folder / "train.csv").write_text("\n".join(lines) + "\n")
    assert main(["run", "--cfg", "linear.yaml", *STARTS[start], *words]) == 2
    assert re.search(said, capsys.readouterr().err)
    assert not (jobs_folder / "out").exists()
    assert submitting.scripts() == []


@pytest.mark.parametrize("start", ["dry run", "SLURM, dry run", "SLURM"])
@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["MODEL.NUM_CLASSES", "400"], "MODEL.NUM_CLASSES: train.csv: labels are 0 to 0, and MODEL.NUM_CLASSES is 400"),
        (["MODEL.NUM_CLASSES", "1"], "DATA.PATH_TO_DATA_DIR: train.csv: 1 of the 16 videos looked for is not there"),
    ],
)
def test_a_warning_is_printed_by_every_start(start, keys, said, jobs_folder, submitting, capsys):
    (jobs_folder / "train.csv").write_text("a.mp4 0\n" * 127 + "gone.mp4 0\n")
    words = [*keys, "RESNET.WIDTH_PER_GROUP", "4"]
    assert main(["run", "--cfg", "linear.yaml", *STARTS[start], *words]) == 0
    shown = capsys.readouterr().err
    assert len(re.findall(rf"^rhovideo: warning: \S.*: {re.escape(said)}", shown, re.MULTILINE)) == 1


def test_a_local_start_prints_warnings_too(jobs_folder, capsys):
    (jobs_folder / "notes.pyth").write_text("no weights")
    words = ["TRAIN.CHECKPOINT_FILE_PATH", "notes.pyth", "RESNET.WIDTH_PER_GROUP", "4"]
    assert main(["run", "--cfg", "linear.yaml", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("rhovideo: warning: linear.yaml:4: MODEL.NUM_CLASSES: train.csv: labels") == 1
    assert "command line: TRAIN.CHECKPOINT_FILE_PATH: notes.pyth: is a text file and no checkpoint" in said


@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_a_run_folder_in_the_queue_stops_a_dry_run_as_it_stops_the_run(dry, jobs_folder, submitting, capsys):
    leave_record(jobs_folder / "out/pretrain", "17")
    submitting.say("squeue", "17|PENDING||BeginTime\n")
    assert main(["run", "--cfg", "pretrain.yaml", *dry]) == 2
    assert "OUTPUT_DIR: job 17 is in the queue for out/pretrain (PENDING)" in capsys.readouterr().err


def test_a_folder_that_slurm_cannot_be_asked_about_is_warned_of(jobs_folder, slurm, capsys):
    leave_record(jobs_folder / "out/pretrain", "17")
    slurm.hide()
    assert main(["run", "--cfg", "pretrain.yaml", "--dry-run"]) == 0
    assert "warning: pretrain.yaml:2: OUTPUT_DIR: out/pretrain: whether job 17 still waits" in capsys.readouterr().err


def test_jobs_that_would_go_on_from_other_weights_are_warned_of(jobs_folder, capsys):
    held = jobs_folder / "out/linear/checkpoints"
    held.mkdir(parents=True)
    (held / "checkpoint_epoch_00003.pyth").touch()
    assert main(["run", "--cfg", "pretrain.yaml", "linear.yaml", "--dry-run", "MODEL.NUM_CLASSES", "1"]) == 0
    said = "warning: linear.yaml:2: OUTPUT_DIR: out/linear goes on from its own checkpoints, while the job"
    assert said in capsys.readouterr().err


def test_what_sbatch_would_refuse_is_a_problem_and_a_dry_run_shows_it_below_the_file(jobs_folder, submitting, capsys):
    submitting.say("sbatch", "", "sbatch: error: Invalid account or account/partition combination specified", 1)
    words = ["run", "--cfg", "pretrain.yaml", *SLURM, "RESNET.WIDTH_PER_GROUP", "4"]
    assert main(words) == 2
    shown = capsys.readouterr().err
    assert "sbatch --test-only: SLURM refuses pretrain.yaml: sbatch: error: Invalid account" in shown
    assert "\n    Write --account NAME with an account that you have" in shown
    assert main([*words, "--dry-run"]) == 2
    assert "#SBATCH --nodes=1" in capsys.readouterr().out
    assert records.read_job("out/pretrain") is None


@pytest.mark.parametrize("start", ["local", "SLURM"])
def test_without_torch_nothing_is_started(start, jobs_folder, submitting, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["run", "--cfg", "pretrain.yaml", *STARTS[start]]) == 2
    assert "1 problem:\ntorch: torch cannot be imported: " in capsys.readouterr().err


def test_checks_that_take_longer_wait_for_those_that_do_not(jobs_folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (jobs_folder / "train.csv").write_text("")
    assert main(["run", "--cfg", "pretrain.yaml", "NUM_GPUS", "64"]) == 2
    assert "1 problem:\npretrain.yaml:4: DATA.PATH_TO_DATA_DIR: train.csv lists no video" in capsys.readouterr().err


def test_checks_can_be_left_out_and_are_not_named_then(jobs_folder):
    (jobs_folder / "train.csv").write_text("")
    plan = make_plan(["pretrain.yaml"])
    with pytest.raises(ConfigError, match="lists no video"):
        check_before_start(Start(plan, "local"))
    checked = check_before_start(Start(plan, "local"), without=["lists", "the network", "the checkpoints"])
    assert checked.summary("local").startswith("checked: keys, run folders, files and this machine; not checked: ")


@pytest.mark.parametrize("option", ["OUTPUT_DIR", "--study"])
@pytest.mark.parametrize(("name", "wrong"), [("a\0b", "has a NUL byte"), ("a" * 5000, "is longer than a name may be")])
def test_a_name_that_no_folder_can_have_is_a_finding(jobs_folder, capsys, option, name, wrong):
    assert main(["run", "--cfg", "pretrain.yaml", option, name, "--dry-run"]) == 2
    shown = capsys.readouterr().err
    assert wrong in shown
    assert "outputs/NAME" in shown
    assert len(shown) < 1000


@pytest.mark.parametrize(
    "setting",
    [
        *("CONTRASTIVE.DIM 1e30", "CONTRASTIVE.QUEUE_LEN 1e30", "DATA.NUM_FRAMES 1e30", "CONTRASTIVE.MLP_DIM 1e30"),
        *("DATA.SAMPLING_RATE 1e30", "LOG_PERIOD 1e30", "CONTRASTIVE.PREDICTOR_DEPTHS [1e30]"),
    ],
)
def test_a_number_beyond_all_sizes_is_a_finding_of_its_key(jobs_folder, capsys, setting):
    key, value = setting.split()
    assert main(["run", "--cfg", "pretrain.yaml", key, value, "--dry-run"]) == 2
    shown = capsys.readouterr().err
    assert key in shown
    assert "frame #" not in shown


def test_a_network_that_torch_cannot_build_is_told_without_its_stack(jobs_folder, capsys):
    size = str(2**45)
    words = ["CONTRASTIVE.DIM", size, "CONTRASTIVE.MLP_DIM", size, "CONTRASTIVE.NUM_MLP_LAYERS", "2"]
    assert main(["run", "--cfg", "pretrain.yaml", *words, "--dry-run"]) == 2
    shown = capsys.readouterr().err
    assert "cannot be built as configured" in shown
    assert "frame #" not in shown


def test_a_seed_may_be_as_long_as_one_likes(jobs_folder):
    assert main(["run", "--cfg", "pretrain.yaml", "RNG_SEED", str(2**70), "--print-cfg"]) == 0
