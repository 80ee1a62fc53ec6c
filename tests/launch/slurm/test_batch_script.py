"""What the batch script decides, from what SLURM and the ranks have left; the script itself runs in tests/slurm."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from functools import partial

import pytest

from rhovideo.errors import JobError, LostPeerError
from rhovideo.launch.failures import write_failure
from rhovideo.launch.slurm import batch_script
from rhovideo.launch.slurm.job_environment import failures_folder, free_port, write_runs
from rhovideo.launch.slurm.script_text import rank_command, script_lines, whole_commands
from rhovideo.runs import records
from rhovideo.runs.folder import FAILURE_FILE, RESULTS_FILE
from tests.configured_runs import ROOT, write_config

# Rank 1 is killed, and those who miss it fail.
KILLED = {0: "1 node0", 1: "137 node0", 2: "1 node1", 3: "1 node1"}


def leave_exits(exits):
    """What the shell around each rank leaves; the shell itself is run below."""
    failures_folder().mkdir(parents=True, exist_ok=True)
    for rank, text in exits.items():
        (failures_folder() / f"exit_{rank}").write_text(f"{text}\n")


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job of four ranks in its first attempt, on a machine without SLURM."""
    run, folder = tmp_path / "run", tmp_path / "slurm"
    run.mkdir()
    write_runs(folder, [run], [False], max_failures=1, ranks=4)
    for name, value in (("SLURM_JOB_ID", "7"), ("SLURM_NTASKS", "4"), ("RHOVIDEO_ATTEMPT", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RHOVIDEO_SLURM_FOLDER", str(folder))
    monkeypatch.setenv("SLURM_JOB_NODELIST", "node[0-1]")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert batch_script.start(folder) == 0
    return run, folder


def checkpoint(run, epoch):
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints" / f"checkpoint_epoch_{epoch:05d}.pyth").touch()


def last_event(run):
    return records.read_attempts(run)[-1]


def test_success_is_finished(job):
    run, folder = job
    # Of an earlier attempt, which this one has found to be of this very run.
    (run / RESULTS_FILE).touch()
    os.utime(run / RESULTS_FILE, (0, 0))
    records.append_attempt(run, {"event": "succeeded", "attempt": 1})
    assert batch_script.end(folder, 0) == 0
    assert last_event(run)["outcome"] == "finished"


@pytest.mark.parametrize("earlier", [False, True])
def test_success_without_results_is_a_failure(job, capsys, earlier):
    run, folder = job
    if earlier:
        # Its time stamp says nothing: the clock of the node that wrote it may be ahead.
        (run / RESULTS_FILE).touch()
        records.append_attempt(run, {"event": "succeeded", "attempt": 0})
    # What is left where srun starts no rank, and has exit code 0 all the same.
    assert batch_script.end(folder, 0) == 1
    assert (last_event(run)["outcome"], last_event(run)["requeued"]) == ("failed", False)
    assert "all 4 ranks ended and left no report" in capsys.readouterr().err


def test_stopped_is_requeued_and_a_requeue_that_fails_is_said(job, capsys):
    run, folder = job
    records.append_attempt(run, {"event": "stopped", "attempt": 1, "reason": "preempted"})
    # There is no scontrol on this PATH.
    assert batch_script.end(folder, 0) == 1
    stopped, failed = records.read_attempts(run)[-2:]
    assert (stopped["outcome"], stopped["requeued"]) == ("stopped", True)
    assert (failed["outcome"], failed["requeued"]) == ("failed", False)
    assert "submit the same command again with --resume" in capsys.readouterr().err


def test_failure_without_progress_is_final(job):
    run, folder = job
    assert batch_script.end(folder, 3) == 3
    assert (last_event(run)["outcome"], last_event(run)["requeued"]) == ("failed", False)
    assert "no checkpoint" in last_event(run)["why"]


def test_failures_with_progress_are_requeued_as_often_as_allowed(job, monkeypatch):
    run, folder = job
    requeued = []
    monkeypatch.setattr(batch_script, "_requeue", lambda place: requeued.append(place.job_id) or 0)
    checkpoint(run, 1)
    assert batch_script.end(folder, 137) == 0
    assert requeued == ["7"]
    assert last_event(run)["progress"] == [1, 0]
    batch_script.start(folder)
    monkeypatch.setenv("RHOVIDEO_ATTEMPT", "2")
    checkpoint(run, 2)
    assert batch_script.end(folder, 137) == 137
    assert requeued == ["7"]
    assert "SLURM.MAX_FAILURES, 1," in last_event(run)["why"]


def test_a_preemption_between_failures_begins_their_count_anew(job, monkeypatch):
    run, folder = job
    monkeypatch.setattr(batch_script, "_requeue", lambda place: 0)
    for number, code in enumerate((137, 0, 137), 1):
        monkeypatch.setenv("RHOVIDEO_ATTEMPT", str(number))
        checkpoint(run, number)
        if code == 0:
            records.append_attempt(run, {"event": "stopped", "attempt": number, "reason": "preempted"})
        assert batch_script.end(folder, code) == 0
        batch_script.start(folder)


def test_an_attempt_whose_start_could_not_be_written_is_requeued_all_the_same(job, monkeypatch):
    run, folder = job
    monkeypatch.setattr(batch_script, "_requeue", lambda place: 0)
    (run / records.ATTEMPTS_FILE).write_text('{"event": "sta')
    checkpoint(run, 1)
    assert batch_script.end(folder, 137) == 0
    assert last_event(run)["requeued"]


def test_a_cancelled_job_is_not_requeued(job):
    run, folder = job
    (run / records.CANCELLED_FILE).touch()
    records.append_attempt(run, {"event": "stopped", "attempt": 1, "reason": "SIGTERM"})
    assert batch_script.end(folder, 0) == 1
    assert last_event(run)["outcome"] == "cancelled"
    # It would only say the same once more.
    assert last_event(run)["why"] == ""


def test_the_killed_rank_comes_first(job):
    run, folder = job
    leave_exits(KILLED)
    for rank in (0, 2, 3):
        write_failure(failures_folder(), rank, LostPeerError("Connection closed by peer"))
    batch_script.end(folder, 137)
    lines = (run / FAILURE_FILE).read_text().splitlines()
    assert lines[0].startswith("rank 1 of 4 on node0 ended by itself: it was killed (SIGKILL)")
    assert lines[1:3] == ["", "attempt 1 of job 7 failed"]
    assert lines[3] == lines[0]


def test_a_rank_that_failed_by_itself_comes_before_those_that_srun_has_killed(job):
    run, folder = job
    leave_exits(KILLED)
    write_failure(failures_folder(), 0, ZeroDivisionError("by itself"))
    batch_script.end(folder, 1)
    lines = (run / FAILURE_FILE).read_text().splitlines()
    assert lines[0] == "rank 0 of 4 failed: ZeroDivisionError: by itself"
    assert lines[3] == "rank 0 of 4 failed:"


@pytest.mark.parametrize("exits", [{0: "143 node0", 1: "140 node1", 3: "138 node1"}, {}])
def test_a_signal_while_the_ranks_start_is_no_failure(job, monkeypatch, exits):
    run, folder = job
    monkeypatch.setattr(batch_script, "_requeue", lambda place: 0)
    leave_exits(exits)
    assert batch_script.end(folder, 143) == 0
    assert (last_event(run)["outcome"], last_event(run)["requeued"]) == ("stopped", True)


def test_a_rank_that_cannot_start_is_a_failure_though_srun_ends_the_others_by_signals(job):
    run, folder = job
    leave_exits({0: "143 node0", 2: "1 node1"})
    assert batch_script.end(folder, 143) == 143
    assert last_event(run)["outcome"] == "failed"


def test_a_finished_run_has_no_attempt(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    write_runs(tmp_path / "slurm", [tmp_path], [True], max_failures=1, ranks=1)
    assert batch_script.start(tmp_path / "slurm") == 0
    assert capsys.readouterr().out == ""
    assert records.read_attempts(tmp_path) == []


def test_an_array_finds_its_run(tmp_path, monkeypatch):
    runs = [tmp_path / name for name in "ab"]
    write_runs(tmp_path / "slurm", runs, [False, False], max_failures=1, ranks=1)
    runs[1].mkdir()
    for name, value in (("SLURM_JOB_ID", "12"), ("SLURM_ARRAY_JOB_ID", "11"), ("SLURM_ARRAY_TASK_ID", "1")):
        monkeypatch.setenv(name, value)
    batch_script.start(tmp_path / "slurm")
    assert records.read_attempts(runs[1])[0]["job_id"] == "11_1"


def test_the_batch_script_does_not_wait_for_torch():
    code = "import sys, rhovideo.launch.slurm.batch_script\n"
    code += "print(json.dumps([m for m in ('torch', 'numpy') if m in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", f"import json\n{code}"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_an_attempt_is_given_a_port_that_is_free(job, capsys):
    _, folder = job
    capsys.readouterr()
    batch_script.start(folder)
    number, port = map(int, capsys.readouterr().out.split())
    assert number == 2
    with socket.socket() as free:
        free.bind(("", port))


@pytest.mark.parametrize(
    ("rank", "left", "code"),
    [
        ("sys.exit(0)", [], 0),
        ("sys.exit(3)", ["3 node1"], 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", ["137 node1"], 137),
        # SLURM's signals reach the shell around the rank too.
        ("os.kill(os.getppid(), signal.SIGTERM); os.kill(os.getpid(), signal.SIGUSR2)", ["140 node1"], 140),
        # What the shell catches is not caught in the rank by that, and the shell waits for a rank that goes on.
        ("os.kill(os.getppid(), signal.SIGUSR2); os.kill(os.getpid(), signal.SIGHUP)", ["129 node1"], 129),
        ("os.kill(os.getppid(), signal.SIGTERM); time.sleep(0.3)", [], 0),
    ],
)
def test_the_shell_around_a_rank_leaves_its_exit_code(job, monkeypatch, tmp_path, rank, left, code):
    for name, value in (("SLURM_PROCID", "2"), ("SLURMD_NODENAME", "node1"), ("PATH", "/usr/bin:/bin")):
        monkeypatch.setenv(name, value)
    command = f"{rank_command(sys.executable, tmp_path)} -c {shlex.quote(f'import os, signal, sys, time; {rank}')}"
    # Under nohup the tests themselves ignore SIGHUP, and so would the rank.
    listens = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    assert subprocess.run(["bash", "-c", command], preexec_fn=listens).returncode == code
    files = sorted(failures_folder().glob("*"))
    assert [(file.name, file.read_text()) for file in files] == [("exit_2", f"{text}\n") for text in left]


def test_the_script_hands_on_number_and_port(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 3 23456\n")
    python.chmod(0o755)
    before, _ = script_lines(str(python), tmp_path, tmp_path)
    shown = subprocess.run(
        ["bash", "-c", "\n".join([*before, 'echo "$RHOVIDEO_ATTEMPT $MASTER_PORT"'])],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "3 23456\n"


def run_script(tmp_path, setup):
    """The script up to srun, with a Python that writes down what it is called with."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nfor word in "$@"; do echo "<$word>" >> ' + f"{tmp_path}/called; done\necho 3 23456\n")
    python.chmod(0o755)
    before, _ = script_lines(str(python), tmp_path, tmp_path, setup)
    script = "\n".join([*before, "echo started; false; echo $- ${HERE:-}"])
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, cwd=tmp_path)
    called = (tmp_path / "called").read_text().split("\n") if (tmp_path / "called").exists() else []
    return done, [word.strip("<>") for word in called if word]


@pytest.mark.parametrize(
    ("setup", "line", "code"),
    [
        (["true", "module load 'cuda/12'", "echo later"], "module load 'cuda/12'", 127),
        (["set -e", "false", "echo later"], "false", 1),
        (["exit 7"], "exit 7", 7),
        (["set -eu", "echo $NO_SUCH_VARIABLE"], "echo $NO_SUCH_VARIABLE", 1),
        (["if true; then", "  sh -c 'exit 3'", "fi"], "if true; then\n  sh -c 'exit 3'\nfi", 3),
        (["exit 0"], "exit 0", 0),
    ],
)
def test_a_line_of_setup_that_fails_ends_the_script_and_is_named(tmp_path, setup, line, code):
    done, called = run_script(tmp_path, setup)
    assert done.returncode == code
    assert "started" not in done.stdout
    assert "later" not in done.stdout
    where = called.index("setup")
    assert "\n".join(called[where + 2 :]).split("\n", 1) == [str(code), line]


def test_lines_of_setup_that_succeed_reach_the_job_and_leave_the_script_as_it_was(tmp_path):
    setup = ["set -euo pipefail", "cat <<END", "a $HOME", "END", "for i in 1 2; do", "export HERE=$i", "done"]
    setup[2] = "a text"
    done, called = run_script(tmp_path, setup)
    assert done.returncode == 0, done.stderr
    assert "setup" not in called
    flags, here = done.stdout.splitlines()[-1].split()
    assert not set("eu") & set(flags)
    assert here == "2"


def test_lines_of_one_command_stay_together():
    lines = ["module load a \\", "  b", "x() {", "  echo", "}", "cat <<E", "text", "E", "echo 'a", "b'", "if broken"]
    assert [part.count("\n") for part in whole_commands(lines)] == [1, 2, 2, 1, 0]


def test_a_failed_line_of_setup_is_recorded(job, capsys):
    run, folder = job
    assert batch_script.main(["setup", str(folder), "127", "module load nothing"]) == 127
    assert "`module load nothing` failed with exit code 127" in (run / FAILURE_FILE).read_text().splitlines()[0]
    end = last_event(run)
    assert (end["outcome"], end["requeued"], end["attempt"]) == ("failed", False, 2)
    assert "module load nothing" in end["why"]


def test_a_job_that_is_cancelled_while_it_is_set_up_has_not_failed(job):
    run, folder = job
    (run / records.CANCELLED_FILE).touch()
    assert batch_script.main(["setup", str(folder), "143", "sleep 60"]) == 143
    assert last_event(run)["outcome"] == "cancelled"
    assert not (run / FAILURE_FILE).exists()


def test_a_job_that_is_no_array_does_not_take_the_number_of_another(job, monkeypatch):
    run, folder = job
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "3")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert batch_script.start(folder) == 0
    assert last_event(run)["job_id"] == "7"


def test_ranks_read_what_a_site_keeps_from_them(job, monkeypatch, tmp_path):
    folder = job[1]
    monkeypatch.setenv("PYTHONPATH", "/a folder/code")
    monkeypatch.setenv("RHOVIDEO_ATTEMPT", "99")
    assert batch_script.start(folder) == 0
    rank = "from os import environ as e; print(e['RHOVIDEO_ATTEMPT'], e['RHOVIDEO_SLURM_FOLDER'], e['PYTHONPATH'])"
    command = f"{rank_command(sys.executable, folder)} -c {shlex.quote(rank)}"
    bare = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "PATH": "/usr/bin:/bin"}
    shown = subprocess.run(["sh", "-c", command], env=bare, capture_output=True, text=True, check=True).stdout
    assert shown == f"2 {folder} /a folder/code\n"


def test_damaged_records_are_passed_over_or_named(job, capsys):
    run, folder = job
    (run / records.ATTEMPTS_FILE).write_bytes(
        b'\0\xff\0\n{}\n[1]\n{"event": "start"}\n{"event": "end", "attempt": 1}\n'
    )
    failures_folder().mkdir(parents=True)
    (failures_folder() / "failure_0").write_bytes(b"\0\0")
    (failures_folder() / "failure_1").write_text("[]")
    (failures_folder() / "exit_2").write_text("\n")
    (failures_folder() / "exit_3").write_text("255 node0")
    assert batch_script.end(folder, 3) == 3
    assert last_event(run)["outcome"] == "failed"
    for damage in (b"", b"[]", b'{"runs": []}', b"\xff"):
        (folder / "runs.json").write_bytes(damage)
        assert batch_script.main(["start", str(folder)]) == 1
        assert "runs.json: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    "damage", ["", "[]", "{}", "null", '{"created": 0, "cells": [3]}', '{"created": 0, "cells": 3}']
)
@pytest.mark.parametrize(("read", "name"), [(records.read_job, "job.json"), (records.read_study, "study.json")])
def test_a_damaged_record_is_named(tmp_path, damage, read, name):
    (tmp_path / name).write_text(damage)
    with pytest.raises(JobError, match=f"{name}: cannot be read .* remove it if it is damaged"):
        read(tmp_path)


@pytest.mark.parametrize(("results", "outcome"), [(True, "finished"), (False, "stopped")])
def test_a_signal_that_ends_the_ranks_while_they_leave_undoes_nothing(job, monkeypatch, results, outcome):
    run, folder = job
    monkeypatch.setattr(batch_script, "_requeue", lambda place: 0)
    if results:
        records.append_attempt(run, {"event": "succeeded", "attempt": 1})
    leave_exits(dict.fromkeys(range(4), "143 node0"))
    assert batch_script.end(folder, 143) == 0
    assert (last_event(run)["outcome"], last_event(run)["requeued"]) == (outcome, not results)


def run_rank(config, words) -> str:
    """What srun starts on the one rank of a job, in its own interpreter; what it prints."""
    code = (
        "import sys\n"
        "from rhovideo.config import load_cfg\n"
        "from rhovideo.launch.slurm.rank_entry import SlurmTask\n"
        "SlurmTask(load_cfg(sys.argv[1], sys.argv[2:]))()\n"
    )
    environment = {
        **os.environ,
        **{"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", "SLURM_NTASKS": "1"},
        **{"SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "localhost", "SUBMITIT_EXECUTOR": "slurm"},
        **{"RHOVIDEO_WORK_FOLDER": str(config.parent), "MASTER_PORT": str(free_port()), "PYTHONPATH": str(ROOT)},
    }
    command = [sys.executable, "-c", code, str(config), *map(str, words)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_run_that_was_finished_before_is_a_success_and_stays_as_it_is(job, monkeypatch, synthetic_set, tmp_path):
    run, folder = job
    config = write_config(tmp_path / "pre.yaml", run, "pretrain")
    words = ["CONTRASTIVE.TYPE", "simclr", "TRAIN.EVAL_PERIOD", 0, "SOLVER.MAX_EPOCH", 1]
    words += ["DATA.PATH_TO_DATA_DIR", synthetic_set]
    run_rank(config, words)
    assert last_event(run) == {"event": "succeeded", "attempt": 1}
    assert batch_script.end(folder, 0) == 0
    before = {name: (run / name).stat().st_mtime_ns for name in (RESULTS_FILE, "config.yaml", "inputs.json")}
    # The same job again, as after a node that failed just then.
    assert batch_script.start(folder) == 0
    monkeypatch.setenv("RHOVIDEO_ATTEMPT", "2")
    assert "is finished with these settings, and stays as it is" in run_rank(config, words)
    assert batch_script.end(folder, 0) == 0
    assert (last_event(run)["outcome"], last_event(run)["attempt"]) == ("finished", 2)
    assert {name: (run / name).stat().st_mtime_ns for name in before} == before
