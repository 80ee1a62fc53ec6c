"""The words a person types, and what comes of them; whole runs are in test_methods_and_tasks.py."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rhovideo.cli import main, split_run_words
from rhovideo.config import ConfigError
from rhovideo.config.loading import load
from rhovideo.launch.jobs import check_jobs, load_jobs, with_checkpoint_of_earlier_job

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def jobs_folder(tmp_path, monkeypatch):
    """A folder with lists of videos, and a configuration for each task."""
    monkeypatch.chdir(tmp_path)
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.csv").write_text("a.mp4 0\n")
    for task in ("pretrain", "linear", "finetune", "test", "knn"):
        (tmp_path / f"{task}.yaml").write_text(
            f"TASK: {task}\nOUTPUT_DIR: out/{task}\nNUM_GPUS: 0\nDATA: {{PATH_TO_DATA_DIR: .}}\n"
        )
    return tmp_path


def no_machine(cfg):
    return []


def check(*names, overrides=()):
    jobs = load_jobs([f"{name}.yaml" for name in names], overrides)
    check_jobs(jobs, no_machine)
    return jobs


def command(*words):
    """Run the installed command's function in a process of its own, without torch: it must not be needed."""
    code = "import sys; sys.modules['torch'] = None; from rhovideo.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], env=ENVIRONMENT, capture_output=True, text=True
    )


@pytest.mark.parametrize(
    ("words", "configs", "overrides"),
    [
        ("run --cfg a.yaml b.yml SOLVER.BASE_LR 0.1", ["a.yaml", "b.yml"], ["SOLVER.BASE_LR", "0.1"]),
        ("run --cfg a.yaml K V --cfg b.yaml", ["a.yaml", "b.yaml"], ["K", "V"]),
        ("run --cfg a.yaml K b.yaml", ["a.yaml"], ["K", "b.yaml"]),
        ("run --opts K V --cfg a.yaml", ["a.yaml"], ["K", "V"]),
        ("run --cfg a.yaml --opts K V L W", ["a.yaml"], ["K", "V", "L", "W"]),
        ("run --cfg=a.yaml --print-cfg K -inf", ["a.yaml"], ["K", "-inf"]),
        ("run --cfg a.yaml K -1 --launcher local L W", ["a.yaml"], ["K", "-1", "L", "W"]),
    ],
)
def test_first_word_that_is_no_yaml_begins_the_overrides(words, configs, overrides):
    found_configs, found_overrides, rest = split_run_words(words.split())
    assert (found_configs, found_overrides) == (configs, overrides)
    assert rest[0] == "run"


def test_print_cfg_shows_the_merged_values_of_every_file(jobs_folder, capsys):
    words = ["run", "--cfg", "pretrain.yaml", "linear.yaml", "CONTRASTIVE.DELTA_CLIPS_MIN", "-inf", "--print-cfg"]
    assert main(words) == 0
    first, second = yaml.safe_load_all(capsys.readouterr().out)
    assert (first["TASK"], second["TASK"]) == ("pretrain", "linear")
    assert second["MODEL"]["FROZEN_BN"] is True
    assert first["CONTRASTIVE"]["DELTA_CLIPS_MIN"] == -math.inf


def test_wrong_configuration_ends_with_2_without_torch_and_without_a_traceback(jobs_folder):
    (jobs_folder / "wrong.yaml").write_text("TASK: pretrain\nSOLVER:\n  BASE_LRR: 1\n")
    done = command("run", "--cfg", "pretrain.yaml", "wrong.yaml")
    assert done.returncode == 2
    assert "wrong.yaml:3: SOLVER.BASE_LRR: there is no such key\n    Write SOLVER.BASE_LR" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (jobs_folder / "out").exists()


@pytest.mark.parametrize(
    "words", [["run"], ["run", "--cfg", "configs/demo"], ["run", "K", "V"], ["run", "--cgf", "a.yaml"], []]
)
def test_wrong_words_end_with_2(words):
    done = command(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_help_teaches_by_example_and_needs_no_torch():
    shown = command("run", "--help")
    assert shown.returncode == 0
    examples = [line for line in shown.stdout.splitlines() if line.strip().startswith("rhovideo run --cfg")]
    assert len(examples) > 5
    words = [sys.executable, ROOT / "tools/run_net.py", "--help"]
    script = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True)
    assert script.stdout == shown.stdout


@pytest.mark.parametrize(
    "name", ["configs/pretrain/BYOL_SlowR50_8x8.yaml", "configs/linear/K400_linear_SlowR50_8x8.yaml"]
)
def test_help_names_recipes_that_exist(name):
    assert name in command("run", "--help").stdout
    assert (ROOT / name).is_file()


def test_lists_that_are_missing_are_told_before_anything_starts(jobs_folder):
    (jobs_folder / "val.csv").unlink()
    with pytest.raises(ConfigError) as error:
        check("pretrain", "linear", "finetune", overrides=["TRAIN.EVAL_PERIOD", "5"])
    assert [(p.key, p.origin.file) for p in error.value.problems] == [
        ("DATA.PATH_TO_DATA_DIR", f"{task}.yaml") for task in ("pretrain", "linear", "finetune")
    ]
    check("pretrain", "linear", overrides=["TRAIN.EVAL_PERIOD", "0"])


def test_list_without_labels_needs_no_validation_set(jobs_folder):
    (jobs_folder / "val.csv").unlink()
    (jobs_folder / "train.csv").write_text("video 1.mp4\n")
    check("pretrain")


@pytest.mark.parametrize("folder", ["", "nowhere"])
def test_folder_of_the_lists_must_be_there(folder, jobs_folder):
    with pytest.raises(ConfigError, match=r"DATA.PATH_TO_DATA_DIR(.|\n)*rhovideo index"):
        check("pretrain", overrides=["DATA.PATH_TO_DATA_DIR", folder])


def test_two_jobs_with_one_output_folder_stop(jobs_folder):
    with pytest.raises(ConfigError, match=r"OUTPUT_DIR: pretrain.yaml and linear.yaml would both write to out/both"):
        check("pretrain", "linear", overrides=["OUTPUT_DIR", "out/both"])
    check("pretrain", overrides=["OUTPUT_DIR", "out/both"])


def test_checkpoint_that_is_missing_names_the_one_beside_it(jobs_folder):
    (jobs_folder / "checkpoint_epoch_00200.pyth").touch()
    with pytest.raises(ConfigError, match=r"Write checkpoint_epoch_00200.pyth"):
        check("linear", overrides=["TRAIN.CHECKPOINT_FILE_PATH", "checkpoint_epoch_0200.pyth"])
    linear = load("linear.yaml", ["TRAIN.CHECKPOINT_FILE_PATH", "out/pretrain/checkpoints/x.pyth"])
    check_jobs([load("pretrain.yaml"), linear], no_machine)


def test_task_that_measures_needs_a_checkpoint(jobs_folder):
    for task in ("knn", "test"):
        with pytest.raises(ConfigError, match=r"TEST.CHECKPOINT_FILE_PATH"):
            check(task)
    check("pretrain", "knn")
    check("linear", "test")


@pytest.mark.parametrize(
    ("names", "key", "source"),
    [
        (["pretrain", "linear"], "TRAIN", "pretrain"),
        (["pretrain", "linear", "finetune"], "TRAIN", "pretrain"),
        (["pretrain", "linear", "test"], "TEST", "linear"),
        (["pretrain", "linear", "knn"], "TEST", "pretrain"),
    ],
)
def test_later_job_takes_the_newest_checkpoint_of_an_earlier_one(names, key, source, jobs_folder):
    for task in names[:-1]:
        folder = jobs_folder / "out" / task / "checkpoints"
        folder.mkdir(parents=True)
        for name in ("epoch_00001", "epoch_00001_step_0000003"):
            (folder / f"checkpoint_{name}.pyth").touch()
    cfg, note = with_checkpoint_of_earlier_job(check(*names), len(names) - 1)
    assert cfg[key].CHECKPOINT_FILE_PATH == f"out/{source}/checkpoints/checkpoint_epoch_00001_step_0000003.pyth"
    assert cfg.is_frozen()
    assert f"{source}.yaml" in note


def test_checkpoint_that_was_written_down_stays(jobs_folder):
    (jobs_folder / "mine.pyth").touch()
    jobs = [load("pretrain.yaml"), load("linear.yaml", ["TRAIN.CHECKPOINT_FILE_PATH", "mine.pyth"])]
    assert with_checkpoint_of_earlier_job(jobs, 1)[0].TRAIN.CHECKPOINT_FILE_PATH == "mine.pyth"
    assert with_checkpoint_of_earlier_job(jobs, 0)[1] == ""


def test_earlier_job_without_checkpoint_stops_the_later_one(jobs_folder):
    with pytest.raises(ConfigError, match=r"pretrain.yaml has left no checkpoint"):
        with_checkpoint_of_earlier_job(check("pretrain", "linear"), 1)


def test_failing_job_ends_with_1_and_names_those_not_run(jobs_folder, capfd):
    # The lists name a video that does not exist, so the first job fails when it starts.
    words = ["NUM_CPU_PROCESSES", "1", "DATA_LOADER.NUM_WORKERS", "0"]
    assert main(["run", "--cfg", "pretrain.yaml", "linear.yaml", *words]) == 1
    assert "pretrain.yaml failed; not run: linear.yaml" in capfd.readouterr().err


def test_index_and_scan_and_synthetic(tmp_path, capsys):
    videos = tmp_path / "videos"
    assert main(["synthetic", str(videos), "--classes", "2", "--train", "4", "--val", "2"]) == 0
    assert main(["index", str(videos), "--out", str(tmp_path / "lists")]) == 0
    assert len((tmp_path / "lists/train.csv").read_text().splitlines()) == 4
    assert main(["index", str(videos), "--out", str(tmp_path / "lists")]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["index", str(videos), "--out", str(tmp_path / "lists"), "--force"]) == 0
    listed = str(tmp_path / "lists/val.csv")
    assert main(["scan", listed, "--workers", "1"]) == 0
    next((videos / "val").rglob("*.mp4")).write_bytes(b"no video")
    assert main(["scan", listed, "--workers", "1"]) == 1
    assert main(["scan", str(tmp_path / "none.csv")]) == 2
