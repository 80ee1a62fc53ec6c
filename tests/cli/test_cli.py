"""The words a person types, and what comes of them; whole runs are in test_methods_and_tasks.py."""

from __future__ import annotations

import math
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import rhovideo
from rhovideo.cli import main, run
from rhovideo.cli.arguments import CommandParser
from rhovideo.cli.command_line import _parser
from rhovideo.cli.monitor import NAMES
from rhovideo.cli.run import HELP
from rhovideo.config.recipes.recipe_files import find_recipe
from tests.configured_runs import write_weights_of_nan

ROOT = Path(__file__).parents[2]


def command(*words):
    """Run the installed command's function in a process of its own, without torch: it must not be needed."""
    code = "import sys; sys.modules['torch'] = None; from rhovideo.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], env=environment, capture_output=True, text=True
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
        ("run --cfg a.yaml --launcher slurm b.yaml --nodes 2 K V --time=4:00:00", ["a.yaml", "b.yaml"], ["K", "V"]),
        ("run --launcher slurm --mem 64G --cfg a.yaml --resume K V --slurm-arg a=b", ["a.yaml"], ["K", "V"]),
        ("run --cfg a.yaml --sweep SOLVER.BASE_LR=1,2 K V --study s.yaml", ["a.yaml"], ["K", "V"]),
        ("run --cfg a.yaml --gpus-per-node -1 K V", ["a.yaml"], ["K", "V"]),
        (
            "run --cfg a.yaml K -inf L -1e-3 --opts M -.5 N -x",
            ["a.yaml"],
            ["K", "-inf", "L", "-1e-3", "M", "-.5", "N", "-x"],
        ),
        ("run --cfg a.yaml K --dry-run V --comment -inf L -1", ["a.yaml"], ["K", "V", "L", "-1"]),
        ("run K V --cfg a.yaml b.yaml --dry-run c.yaml", ["a.yaml", "b.yaml", "c.yaml"], ["K", "V"]),
    ],
)
def test_first_word_that_is_no_yaml_begins_the_overrides(words, configs, overrides):
    parser = CommandParser()
    run.add_command(parser.add_subparsers(dest="command"))
    options = parser.parse_args(words.split())
    assert run.configurations_and_overrides(options) == (configs, overrides)
    assert options.command == "run"


@pytest.mark.parametrize(
    ("word", "meant"), [("--partiton", "--partition"), ("--gpus_per_node=2", "--gpus-per-node"), ("--cgf", "--cfg")]
)
def test_flag_that_does_not_exist_names_the_nearest(word, meant, jobs_folder, capsys):
    assert main(["run", "--cfg", "pretrain.yaml", word, "2"]) == 2
    assert re.search(rf"there is no such option\n +Write {meant}\n", capsys.readouterr().err)


@pytest.mark.parametrize("words", [["--nodes"], ["--nodes", "two"], ["--nodes", "--time", "1"], ["--launcher", "lsf"]])
def test_flag_without_its_value_is_named(words, jobs_folder, capsys):
    with pytest.raises(SystemExit) as left:
        main(["run", "--cfg", "pretrain.yaml", *words])
    assert left.value.code == 2
    assert f"argument {words[0]}" in capsys.readouterr().err


def test_flags_of_slurm_need_its_launcher(jobs_folder, capsys):
    assert main(["run", "--cfg", "pretrain.yaml", "--nodes", "2", "--slurm-arg", "a=b"]) == 2
    shown = capsys.readouterr().err
    assert "1 problem:\n--nodes and --slurm-arg: is for a SLURM cluster\n    Write --launcher slurm, or leave" in shown


def test_study_of_a_cluster_runs_here_by_the_same_words(jobs_folder, capsys):
    words = ["--sweep", "RNG_SEED=1,2", "--study", "s", "--max-jobs", "2", "--print-cfg"]
    assert main(["run", "--cfg", "pretrain.yaml", *words]) == 0
    assert "--max-jobs has no effect here" in capsys.readouterr().err


def test_flags_of_slurm_reach_the_configuration_and_win(jobs_folder, capsys):
    (jobs_folder / "pretrain.yaml").open("a").write(
        "NUM_SHARDS: 8\nSLURM: {PARTITION: slow, QOS: low}\nCONTRASTIVE: {TYPE: simclr}\n"
    )
    words = "--launcher slurm --partition gpu --nodes=2 --gpus-per-node 0 --tasks-per-node 4 --time 1:30:00 --mem 64G "
    words += "--slurm-arg reservation=video --slurm-arg exclusive --max-jobs 3 --name mine --print-cfg"
    assert main(["run", "--cfg", "pretrain.yaml", *words.split()]) == 0
    shown = capsys.readouterr()
    cfg = yaml.safe_load(shown.out)
    slurm = cfg["SLURM"]
    assert (slurm["PARTITION"], slurm["QOS"], slurm["NODES"], cfg["NUM_SHARDS"]) == ("gpu", "low", 2, 2)
    assert (slurm["GPUS_PER_NODE"], cfg["NUM_GPUS"], slurm["TASKS_PER_NODE"], cfg["NUM_CPU_PROCESSES"]) == (0, 0, 4, 4)
    assert (slurm["TIME"], slurm["MEM"], slurm["MAX_JOBS"], slurm["NAME"]) == ("1:30:00", "64G", 3, "mine")
    assert slurm["ARGS"] == ["reservation=video", "exclusive"]
    assert "SLURM.NODES 2 (command line) wins over NUM_SHARDS 8 (pretrain.yaml:5)" in shown.err


def test_flag_and_key_for_one_thing_stop(jobs_folder, capsys):
    words = ["--launcher", "slurm", "--nodes", "2", "SLURM.NODES", "3"]
    assert main(["run", "--cfg", "pretrain.yaml", *words]) == 2
    assert "--nodes: SLURM.NODES: is given as a flag and as a key" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--launcher", "slurm", "--dry-run", "SOLVER.BASE_LRR", "1"],
        ["--launcher", "slurm", "--gpus-per-node", "0", "DATA.PATH_TO_DATA_DIR", "nowhere"],
        ["--sweep", "CONTRASTIVE.TYP=moco", "--study", "s"],
        ["--dry-run", "DATA.PATH_TO_DATA_DIR", "nowhere"],
    ],
)
def test_mistakes_are_told_without_torch(words, jobs_folder):
    done = command("run", "--cfg", "pretrain.yaml", *words)
    assert done.returncode == 2
    assert "problem" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["--dry-run"], []])
@pytest.mark.parametrize(
    ("train", "said"),
    [
        ("../a.mp4 0\n" * 20, "TRAIN.BATCH_SIZE: lists/train.csv lists 20 videos, fewer than the 64 of one step"),
        ("../a.mp4\n" * 64, "lists/train.csv has no labels, which TASK linear needs"),
        ("../a.mp4 3\n" * 64, "MODEL.NUM_CLASSES: lists/train.csv has the label 3, but MODEL.NUM_CLASSES is 3"),
        ("b.mp4 0\n" * 64, "DATA.PATH_PREFIX: lists/train.csv, line 1: "),
    ],
)
def test_lists_of_later_jobs_too_are_checked_before_anything_starts_without_torch(words, train, said, jobs_folder):
    (jobs_folder / "lists").mkdir()
    for split in ("train", "val", "test"):
        (jobs_folder / "lists" / f"{split}.csv").write_text("../a.mp4 0\n" * 64)
    later = (jobs_folder / "linear.yaml").read_text().replace("PATH_TO_DATA_DIR: .", "PATH_TO_DATA_DIR: lists")
    (jobs_folder / "linear.yaml").write_text(later + "MODEL: {NUM_CLASSES: 3}\nTRAIN: {BATCH_SIZE: 64}\n")
    (jobs_folder / "lists/train.csv").write_text(train)
    done = command("run", "--cfg", "pretrain.yaml", "linear.yaml", *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert not (jobs_folder / "out").exists()


def test_a_number_of_classes_that_is_too_small_for_three_lists_is_told_once(jobs_folder):
    for split in ("train", "val", "test"):
        (jobs_folder / f"{split}.csv").write_text("a.mp4 4\n" * 64)
    done = command("run", "--cfg", "linear.yaml", "MODEL.NUM_CLASSES", "2", "--dry-run")
    assert "1 problem:\n" in done.stderr
    assert done.stderr.count("Write MODEL.NUM_CLASSES 5") == 1
    # One remedy for all three stands once, below the last.
    for split in ("train", "val", "test"):
        (jobs_folder / f"{split}.csv").write_text("b.mp4 0\n" * 64)
    done = command("run", "--cfg", "linear.yaml", "--dry-run")
    assert "3 problems:\n" in done.stderr
    assert done.stderr.count("Write the folder that the list's paths start from") == 1


def test_dry_run_shows_every_job_of_a_sweep_and_leaves_nothing(jobs_folder):
    words = ["--sweep", "SOLVER.BASE_LR=0.1,0.2", "--study", "s", "--dry-run"]
    done = command("run", "--cfg", "pretrain.yaml", "linear.yaml", *words)
    assert done.stderr.endswith("; nothing was started\n")
    assert done.stderr.splitlines()[-1].startswith("rhovideo: checked: keys, run folders, files and lists")
    shown = list(yaml.safe_load_all(done.stdout))
    assert [(cfg["TASK"], cfg["SOLVER"]["BASE_LR"], cfg["OUTPUT_DIR"]) for cfg in shown] == [
        ("pretrain", 0.1, "s/BASE_LR=0.1/pretrain"),
        ("linear", 0.1, "s/BASE_LR=0.1/linear"),
        ("pretrain", 0.2, "s/BASE_LR=0.2/pretrain"),
        ("linear", 0.2, "s/BASE_LR=0.2/linear"),
    ]
    assert not (jobs_folder / "s").exists()


@pytest.mark.parametrize("name", NAMES)
def test_script_knows_the_commands_that_look_at_runs(name):
    words = [sys.executable, ROOT / "tools/run_net.py", name, "--help"]
    script = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert script.stdout == command(name, "--help").stdout
    assert f"rhovideo {name}" in script.stdout


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
    "words", [["run"], ["run", "--cfg", "configs/demo"], ["run", "K", "V"], ["run", "--cgf", "a.yaml"]]
)
def test_wrong_words_end_with_2(words):
    done = command(*words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a.yaml", "K", "V"], "Write --cfg before a.yaml"),
        (["--cfg", "demo.yml.txt"], "'demo.yml.txt' is neither a YAML file nor a recipe. Write --cfg CONFIG.yaml"),
    ],
)
def test_forgotten_configuration_is_told_where_it_goes(words, told, capsys):
    assert main(["run", *words]) == 2
    assert told in capsys.readouterr().err


def test_help_teaches_by_example_and_needs_no_torch():
    shown = command("run", "--help")
    assert shown.returncode == 0
    examples = [line for line in shown.stdout.splitlines() if line.strip().startswith("rhovideo run --cfg")]
    assert len(examples) > 10
    assert "--launcher slurm" in shown.stdout
    assert "--sweep" in shown.stdout
    words = [sys.executable, ROOT / "tools/run_net.py", "--help"]
    script = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert script.stdout == shown.stdout


@pytest.mark.parametrize("name", ["pretrain/BYOL_SlowR50_8x8", "linear/K400_linear_SlowR50_8x8"])
def test_help_names_recipes_that_exist(name):
    assert name in command("run", "--help").stdout
    assert find_recipe(name)


def shown_commands(text):
    """The arguments of every `rhovideo run` of a recipe in a text, with lines that end in a backslash joined."""
    lines = text.replace("\\\n", " ").splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.strip().startswith("rhovideo run --cfg ")]
    return [arguments for arguments in commands if find_recipe(arguments[2])]


SHOWN = shown_commands(
    "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "INSTALL.md")) + HELP
)


def test_help_and_pages_show_many_recipes():
    assert len(SHOWN) >= 8


@pytest.mark.parametrize("words", SHOWN, ids=lambda words: f"{Path(words[2]).stem} {len(words)}")
def test_commands_that_are_shown_load(words, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # The small recipes fit themselves to the list.
    (tmp_path / "data/mine").mkdir(parents=True)
    (tmp_path / "data/mine/train.csv").write_text("a.mp4 0\n" * 256)
    assert main([*words, "--print-cfg"]) == 0, capsys.readouterr().err


def test_folder_of_videos_in_place_of_the_lists_is_told_how_to_list_it(jobs_folder, capsys):
    (jobs_folder / "my videos").mkdir()
    assert main(["run", "--cfg", "pretrain.yaml", "DATA.PATH_TO_DATA_DIR", "my videos"]) == 2
    shown = capsys.readouterr().err
    assert "my videos holds no train.csv" in shown
    assert "`rhovideo index 'my videos' --out data/mine`" in shown


def test_what_is_wrong_in_two_files_alike_is_told_once(jobs_folder, capsys):
    for name in ("pretrain", "linear"):
        (jobs_folder / f"{name}.yaml").write_text(f"TASK: {name}\nNUM_GPUS: 0\nOUTPUT_DIR: out/{name}\n")
    assert main(["run", "--cfg", "pretrain.yaml", "linear.yaml"]) == 2
    shown = capsys.readouterr().err
    assert "1 problem:\npretrain.yaml and linear.yaml: DATA.PATH_TO_DATA_DIR: is empty" in shown
    assert shown.count("Write ") == 1


@pytest.mark.parametrize(("word", "meant"), [("statsu", "status"), ("evla", "eval"), ("indx", "index")])
def test_command_that_does_not_exist_names_the_nearest(word, meant, capsys):
    assert main([word, "outputs"]) == 2
    assert f"there is no command '{word}': write rhovideo {meant}\n" in capsys.readouterr().err


def test_overview_has_a_line_for_every_command_and_each_explains_itself(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    names = re.findall(r"^  (\w+)  +\w", shown.partition("First steps")[0], re.MULTILINE)
    assert len(names) == len(set(names))
    assert {"run", "eval", "extract", "demo", "configs", *NAMES} <= set(names)
    for name in names:
        with pytest.raises(SystemExit) as left:
            main([name, "--help"])
        assert left.value.code == 0
    capsys.readouterr()
    assert main(["nothing-like-it"]) == 2
    assert "there is no command 'nothing-like-it'" in capsys.readouterr().err


def test_overview_and_version_need_no_torch():
    shown = command()
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout == command("--help").stdout
    version = command("--version").stdout
    assert re.fullmatch(rf"rhovideo {rhovideo.__version__} \(Python 3[.\d]+, torch \S+\)\n", version)


def test_first_steps_of_the_overview_are_right(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    main([])
    lines = re.findall(r"^  rhovideo (.+?)(?:   .*)?$", capsys.readouterr().out, re.MULTILINE)
    (run_line,) = [line for line in lines if line.startswith("run ")]
    assert main([*shlex.split(run_line), "--print-cfg"]) == 0
    parser, _ = _parser()
    for line in lines:
        if line != run_line:
            assert parser.parse_args(shlex.split(line)).command == line.split()[0]


def test_sweep_without_quotes_is_told_how_to_write_it(jobs_folder, capsys):
    words = ["--study", "s", "--sweep", "RNG_SEED=1,2", "SOLVER.BASE_LR=0.1,0.2", "SOLVER.MAX_EPOCH", "3"]
    assert main(["run", "--cfg", "pretrain.yaml", *words]) == 2
    assert "Write --sweep 'RNG_SEED=1,2 SOLVER.BASE_LR=0.1,0.2'" in capsys.readouterr().err


def test_who_watches_is_told_that_it_has_begun(jobs_folder):
    theirs, ours = pty.openpty()
    code = "import sys; from rhovideo.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["run", "--cfg", "pretrain.yaml", "--launcher", "slurm", "--gpus-per-node", "0", "--dry-run"]
    command = [sys.executable, "-c", code, *words]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=ours)
    os.close(ours)
    assert b"rhovideo: checking the rest ..." in os.read(theirs, 4096)
    os.close(theirs)


def test_failing_job_ends_with_1_and_names_those_not_run(jobs_folder, capfd):
    words = ["RESNET.WIDTH_PER_GROUP", "4"]
    write_weights_of_nan(jobs_folder / "nan.pyth", jobs_folder / "pretrain.yaml", *words)
    with (jobs_folder / "pretrain.yaml").open("a") as file:
        file.write("TRAIN: {CHECKPOINT_FILE_PATH: nan.pyth}\n")
    assert main(["run", "--cfg", "pretrain.yaml", "linear.yaml", "DATA_LOADER.NUM_WORKERS", "0", *words]) == 1
    assert "pretrain.yaml failed; not run: linear.yaml" in capfd.readouterr().err


def test_index_and_scan_and_synthetic(tmp_path, capsys):
    videos = tmp_path / "videos"
    assert main(["synthetic", str(videos), "--classes", "2", "--train", "4", "--val", "2"]) == 0
    assert capsys.readouterr().err == f"rhovideo: {videos}: writing 6 videos ...\n"
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
    assert main(["synthetic", str(tmp_path / "lists")]) == 2
    assert main(["synthetic", str(videos), "--classes", "2", "--train", "4", "--val", "2"]) == 0
    capsys.readouterr()
    assert main(["scan", str(tmp_path / "lists")]) == 2
    assert f"write one of its lists, {tmp_path / 'lists/train.csv'}" in capsys.readouterr().err


_INTERRUPTED_IMPORT = """
import os, signal, sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == "rhovideo.cli.command_line":
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
from rhovideo.cli import main
sys.exit(main(["index", "videos"]))
"""


def test_ctrl_c_while_the_commands_are_imported_is_one_line():
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED_IMPORT], capture_output=True, text=True, timeout=60)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1] == "rhovideo: interrupted"
    assert "Traceback" not in done.stderr
