"""What a person asks a cluster for, in three places, and what sbatch is told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from submitit.slurm import slurm as submitit_slurm

from rhovideo.config import ConfigError
from rhovideo.config.files.reading import load
from rhovideo.config.slurm_options import cluster_file, sbatch_parameters, time_limit
from rhovideo.optim.schedules import rate_factor

ROOT = Path(__file__).parents[2]
CPU = ("NUM_GPUS", 0)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """The user's own defaults; call it with their text."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def write(text):
        cluster_file().parent.mkdir(parents=True, exist_ok=True)
        cluster_file().write_text(text)
        return cluster_file()

    return write


@pytest.fixture
def config(tmp_path):
    def write(text="", name="a.yaml"):
        path = tmp_path / name
        path.write_text(f"TASK: linear\n{text}")
        return path

    return write


def on_slurm(path=None, *overrides):
    return load(path, ["TASK", "linear", *overrides], cluster=cluster_file())


def problems_of(path, *overrides):
    with pytest.raises(ConfigError) as error:
        on_slurm(path, *overrides)
    return error.value.problems


def sbatch_file(cfg):
    """As submitit writes it."""
    return submitit_slurm._make_sbatch_string("python job.py", "/logs", **sbatch_parameters(cfg))


def options(cfg):
    lines = [line.removeprefix("#SBATCH --") for line in sbatch_file(cfg).splitlines() if line.startswith("#SBATCH")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def test_command_line_wins_over_the_file_and_the_file_over_the_users_defaults(site, config):
    site("PARTITION: site\nACCOUNT: site\nQOS: site\n")
    path = config("NUM_GPUS: 0\nSLURM: {ACCOUNT: file, QOS: file}\n")
    slurm = on_slurm(path, "SLURM.QOS", "typed").cfg.SLURM
    assert (slurm.PARTITION, slurm.ACCOUNT, slurm.QOS) == ("site", "file", "typed")


def test_users_defaults_are_read_on_slurm_only(site, config):
    site("PARTITION: site\n")
    assert load(config()).cfg.SLURM.PARTITION == ""


def test_users_defaults_need_not_exist(site):
    assert on_slurm(None, *CPU).cfg.SLURM.PARTITION == ""


def test_users_defaults_are_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cluster_file() == tmp_path / ".config/rhovideo/cluster.yaml"


@pytest.mark.parametrize(
    ("line", "key", "wrong", "write"),
    [
        ("PARTITON: gpu", "PARTITON", "there is no such key", "PARTITION, which"),
        ("partition: gpu", "partition", "there is no such key", "PARTITION, which"),
        ("SLURM: {PARTITION: gpu}", "SLURM.PARTITION", "without its name", "PARTITION"),
        ("SOLVER: {BASE_LR: 1}", "SOLVER.BASE_LR", "there is no such key", "one of PARTITION"),
        ("NODES: two", "SLURM.NODES", "'two' is not a whole number", "a whole number"),
        ("TIME: tomorrow", "SLURM.TIME", "not a time limit", "minutes"),
    ],
)
def test_mistake_in_the_users_defaults_is_named_with_file_and_line(line, key, wrong, write, site):
    path = site(f"# mine\n{line}\n")
    (problem,) = problems_of(None, *CPU)
    assert (problem.key, str(problem.origin)) == (key, f"{path}:2")
    assert wrong in problem.wrong
    assert problem.write.startswith(write)


@pytest.mark.parametrize("text", ["- a\n", "A: [\n"])
def test_users_defaults_that_are_no_yaml_stop(text, site):
    path = site(text)
    assert {problem.origin.file for problem in problems_of(None, *CPU)} == {str(path)}


RELEASED = "NUM_SHARDS: 8\nNUM_GPUS: 8\nSOLVER: {BASE_LR_SCALE_NUM_SHARDS: True}\n"


def test_released_file_says_how_many_nodes_and_gpus(site, config):
    loaded = on_slurm(config(RELEASED))
    slurm = loaded.cfg.SLURM
    assert (slurm.NODES, slurm.GPUS_PER_NODE, slurm.TASKS_PER_NODE) == (8, 8, 8)
    assert loaded.notes == []


def test_flags_win_over_a_released_file_and_say_so(site, config):
    path = config(RELEASED)
    loaded = on_slurm(path, "SLURM.NODES", 2, "SLURM.GPUS_PER_NODE", 4)
    cfg = loaded.cfg
    assert (cfg.NUM_SHARDS, cfg.NUM_GPUS, cfg.SLURM.NODES, cfg.SLURM.TASKS_PER_NODE) == (2, 4, 2, 4)
    assert loaded.notes == [
        f"SLURM.NODES 2 (command line) wins over NUM_SHARDS 8 ({path}:2)",
        f"SLURM.GPUS_PER_NODE 4 (command line) wins over NUM_GPUS 8 ({path}:3)",
    ]


def test_learning_rate_follows_the_nodes(site, config):
    def factor(nodes, *overrides):
        cfg = on_slurm(config(RELEASED), "SLURM.NODES", nodes, "TRAIN.BATCH_SIZE", 64, *overrides).cfg
        return rate_factor(cfg, cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS)

    assert (factor(1), factor(8)) == (1, 8)
    assert factor(3, "SOLVER.BASE_LR_SCALE_NUM_SHARDS", False, "SOLVER.BASE_LR_BATCH", 32) == 6


def test_who_wrote_the_nodes_last_wins(site, config):
    path = site("NODES: 3\n")
    assert on_slurm(None, *CPU).cfg.NUM_SHARDS == 3
    loaded = on_slurm(config("NUM_GPUS: 0\nNUM_SHARDS: 8\n"))
    assert (loaded.cfg.NUM_SHARDS, loaded.cfg.SLURM.NODES) == (8, 8)
    assert f"wins over SLURM.NODES 3 ({path}:1)" in loaded.notes[0]
    both = config("NUM_GPUS: 0\nNUM_SHARDS: 8\nSLURM: {NODES: 2}\n")
    assert on_slurm(both).cfg.NUM_SHARDS == 2
    assert on_slurm(both, "NUM_SHARDS", 4).cfg.SLURM.NODES == 4
    (problem,) = problems_of(None, *CPU, "NUM_SHARDS", 4, "SLURM.NODES", 2)
    assert problem.key == "SLURM.NODES"


@pytest.mark.parametrize(
    ("words", "processes"),
    [
        ("NUM_GPUS 0", 1),
        ("NUM_GPUS 0 NUM_CPU_PROCESSES 4", 4),
        ("NUM_GPUS 0 SLURM.TASKS_PER_NODE 4", 4),
        ("SLURM.GPUS_PER_NODE 0 SLURM.TASKS_PER_NODE 2 SLURM.NODES 2", 2),
    ],
)
def test_nodes_without_gpus_run_as_many_tasks_as_processes(words, processes, site):
    cfg = on_slurm(None, *words.split()).cfg
    assert (cfg.NUM_GPUS, cfg.SLURM.GPUS_PER_NODE) == (0, 0)
    assert (cfg.NUM_CPU_PROCESSES, cfg.SLURM.TASKS_PER_NODE) == (processes, processes)


@pytest.mark.parametrize("words", ["", "SLURM.TASKS_PER_NODE 2", "NUM_GPUS -1"])
def test_number_of_gpus_must_be_said(words, site):
    (problem,) = problems_of(None, *words.split())
    assert problem.key == "NUM_GPUS"
    assert problem.write.startswith("--gpus-per-node N; on CPU-only nodes --gpus-per-node 0 --tasks-per-node")


def test_each_gpu_has_one_task(site):
    (problem,) = problems_of(None, "NUM_GPUS", 2, "SLURM.TASKS_PER_NODE", 4)
    assert "--gpus-per-node 0" in problem.write
    site("TASKS_PER_NODE: 4\n")
    assert on_slurm(None, "NUM_GPUS", 2).cfg.SLURM.TASKS_PER_NODE == 2


def test_batch_is_checked_against_the_tasks(site):
    (problem,) = problems_of(None, "SLURM.GPUS_PER_NODE", 3, "TRAIN.BATCH_SIZE", 8)
    assert problem.key == "TRAIN.BATCH_SIZE"
    assert problem.write.startswith("6 or 9")


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("SLURM.NODES -2", "SLURM.NODES"),
        ("SLURM.TASKS_PER_NODE -1", "SLURM.TASKS_PER_NODE"),
        ("SLURM.GPUS_PER_NODE -2", "SLURM.GPUS_PER_NODE"),
        ("NUM_SHARDS -2", "NUM_SHARDS"),
        ("SLURM.GRACE_SECONDS 70000", "SLURM.GRACE_SECONDS"),
        ("SLURM.TIME 2", "SLURM.TIME"),
        ("SLURM.TIME 1h", "SLURM.TIME"),
        ("SLURM.MEM 64", "SLURM.MEM"),
        ("SLURM.MEM lots", "SLURM.MEM"),
        ("SLURM.ARGS [partition=gpu]", "SLURM.ARGS"),
        ("SLURM.ARGS [--ntasks-per-node=3]", "SLURM.ARGS"),
        ("SLURM.ARGS [output=here]", "SLURM.ARGS"),
        ("SLURM.ARGS [-x]", "SLURM.ARGS"),
        ("SLURM.ARGS x=y", "SLURM.ARGS"),
    ],
)
def test_what_sbatch_would_refuse_is_one_problem_at_its_key(words, key, site):
    site("ARGS: [a=b]\n")
    (problem,) = problems_of(None, *CPU, *words.split())
    assert problem.key == key
    assert str(problem.origin) == "command line"
    assert problem.write


def test_line_break_in_an_option_stops(site, config):
    (problem,) = problems_of(config("NUM_GPUS: 0\nSLURM:\n  COMMENT: |\n    a\n    b\n"))
    assert (problem.key, problem.origin.line) == ("SLURM.COMMENT", 4)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("90:30", 5430),
        ("1:30:00", 5400),
        ("1-12", 129600),
        ("1-0:30", 88200),
        ("2-00:00:01", 172801),
        ("UNLIMITED", None),
    ],
)
def test_time_limits_mean_what_they_mean_to_sbatch(text, seconds):
    assert time_limit(text) == seconds


@pytest.mark.parametrize("text", ["1h", "-1", "1:2:3:4", "1-", "x-1", "1.5", "1::2", ""])
def test_other_words_are_no_time_limit(text):
    with pytest.raises(ValueError, match="^" + text):
        time_limit(text)


def test_hours_in_yaml_stay_hours(site, config):
    """YAML 1.1 reads 1:30:00 as 5400."""
    assert on_slurm(config("NUM_GPUS: 0\nSLURM: {TIME: 1:30:00}\n")).cfg.SLURM.TIME == "1:30:00"
    site("TIME: 20:30:00\n")
    assert on_slurm(None, *CPU).cfg.SLURM.TIME == "20:30:00"


def test_sbatch_is_told_what_was_asked_for(site):
    words = "SLURM.NODES 2 SLURM.GPUS_PER_NODE 4 SLURM.CPUS_PER_TASK 10 SLURM.MEM 64G SLURM.TIME 1-00:00:00 "
    words += "SLURM.PARTITION gpu SLURM.ACCOUNT vision SLURM.QOS high SLURM.CONSTRAINT a100|h100 "
    words += "SLURM.EXCLUDE node[3-5] SLURM.GRACE_SECONDS 300"
    cfg = on_slurm(None, *words.split(), "SLURM.COMMENT", "rho's  4", "SLURM.ARGS", ["mail_type=END", "exclusive"]).cfg
    told = options(cfg)
    assert told["comment"] == """'rho'"'"'s  4'"""
    del told["comment"], told["output"], told["error"], told["job-name"]
    assert told == {
        **{"nodes": "2", "gpus-per-node": "4", "ntasks-per-node": "4", "cpus-per-task": "10", "mem": "64G"},
        **{"time": "1-00:00:00", "partition": "gpu", "account": "vision", "qos": "high", "exclude": "'node[3-5]'"},
        **{"constraint": "'a100|h100'", "signal": "USR2@300", "requeue": "", "open-mode": "append"},
        **{"mail-type": "END", "exclusive": ""},
    }


def test_sbatch_is_told_nothing_that_was_not_asked_for(site):
    told = options(on_slurm(None, *CPU).cfg)
    assert set(told) == {"nodes", "ntasks-per-node", "signal", "requeue", "open-mode", "output", "error", "job-name"}


def test_submitit_takes_the_parameters(site, tmp_path, monkeypatch):
    monkeypatch.setattr(submitit_slurm.SlurmExecutor, "affinity", classmethod(lambda cls: 2))
    cfg = on_slurm(None, *CPU, "SLURM.TIME", "90:30", "SLURM.NODES", 2, "SLURM.TASKS_PER_NODE", 2).cfg
    executor = submitit_slurm.SlurmExecutor(tmp_path)
    executor.update_parameters(**sbatch_parameters(cfg))
    assert executor._num_tasks() == 4
    assert executor.parameters["time"] == 91
    script = tmp_path / "job.sh"
    script.write_text(executor._make_submission_file_text("true", "x"))
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert "--time=90:30" in script.read_text()


def test_options_of_all_three_places_hold_together(site, config):
    site("ARGS: [reservation=video, mail-user=me, licenses=a]\n")
    path = config("NUM_GPUS: 0\nSLURM: {ARGS: [mail-user=you]}\n")
    told = options(on_slurm(path, "SLURM.ARGS", "[licenses=, --nice=5]").cfg)
    assert (told["reservation"], told["mail-user"], told["nice"]) == ("video", "you", "5")
    assert "licenses" not in told


@pytest.mark.parametrize("entry", ["gres=gpu:a100:4", "gpus=8", "gpus-per-task=1"])
def test_other_ways_to_ask_for_gpus_replace_ours(entry, site):
    told = options(on_slurm(None, "NUM_GPUS", 4, "SLURM.ARGS", [entry]).cfg)
    assert "gpus-per-node" not in told
    assert told["ntasks-per-node"] == "4"
    assert "gpus-per-node" in options(on_slurm(None, "NUM_GPUS", 4, "SLURM.ARGS", ["gres=disk:1"]).cfg)


@pytest.mark.parametrize("entry", ["mem-per-cpu=4G", "mem-per-gpu=64G"])
def test_other_ways_to_ask_for_memory_replace_ours(entry, site):
    site("MEM: 64G\n")
    told = options(on_slurm(None, *CPU, "SLURM.ARGS", [entry]).cfg)
    assert "mem" not in told
    assert told[entry.partition("=")[0]] == entry.partition("=")[2]


def test_a_site_may_demand_the_number_of_tasks(site):
    two = [*CPU, "SLURM.NODES", 2, "SLURM.TASKS_PER_NODE", 2]
    assert options(on_slurm(None, *two, "SLURM.ARGS", ["ntasks=4"]).cfg)["ntasks"] == "4"
    with pytest.raises(ConfigError, match=r"ntasks=8.* is 4[\s\S]*Write ntasks=4"):
        on_slurm(None, *two, "SLURM.ARGS", ["ntasks=8"])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("array", "cannot be left out"), ("n tasks", "not the name"), ("ntask-per-node", "Write ntasks-per-node")],
)
def test_what_cannot_be_dropped_is_named(site, name, wrong):
    with pytest.raises(ConfigError, match=rf"SLURM.DROP[\s\S]*{wrong}"):
        on_slurm(None, *CPU, "SLURM.DROP", [name])


def test_every_key_has_a_default_that_says_nothing(site):
    """So that a dumped configuration can be given again."""
    cfg = on_slurm(None, "NUM_GPUS", 2, "SLURM.NODES", 2).cfg
    again = on_slurm(None, *[word for key in ("NODES", "GPUS_PER_NODE") for word in (f"SLURM.{key}", cfg.SLURM[key])])
    assert sbatch_parameters(again.cfg) == sbatch_parameters(cfg)


@pytest.mark.parametrize("folder", ["outputs/100%", "outputs/%j", "out\\puts", "out\nputs"])
def test_folder_that_slurm_would_write_into_another_stops(folder, site, config):
    (problem,) = problems_of(config("NUM_GPUS: 1\n"), "OUTPUT_DIR", folder)
    assert (problem.key, "SLURM reads as something else" in problem.wrong) == ("OUTPUT_DIR", True)
