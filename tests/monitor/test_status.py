from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rhovideo.cli import main
from rhovideo.launch.failures import keep_report
from rhovideo.monitor.status import headline, status, table
from rhovideo.runs import records
from rhovideo.runs.folder import FAILURE_FILE
from tests.launch.run_folders import configure, ended, finish, started, study, submit, train

FAILURE = """\
rank 1 of 4 failed: ZeroDivisionError: division by zero

attempt 2 of job 17 failed
rank 1 of 4 failed:
Traceback (most recent call last):
  File "x.py", line 1, in <module>
    1 / 0
ZeroDivisionError: division by zero
After that:
  rank 0: RuntimeError: connection closed
"""


def state_of(run: Path) -> str:
    found = status(run).runs[0]
    return f"{found.state} ({found.why})" if found.why else found.state


def test_a_running_job_tells_where_it_is_and_how_far(tmp_path, slurm):
    run = tmp_path / "moco"
    submit(run, "17")
    cfg = configure(run, "pretrain", "SOLVER.MAX_EPOCH", 3)
    train(cfg, steps=7, of=10, loss=2.5, evaluation={"knn_top1": 41.25})
    started(run, "17")
    ended(run, "17", "stopped", requeued=True, why="preempted")
    started(run, "17", attempt=2)
    slurm.say("squeue", "17|RUNNING|node[0-1]|None\n")
    found = status(run).runs[0]
    assert (found.run, found.job_id, found.state, found.nodes) == ("moco", "17", "running", "node[0-1]")
    assert (found.epoch, found.step, found.loss) == ("1/3", "7/10", 2.5)
    assert (found.accuracy, found.accuracy_of, found.restarts) == (41.25, "knn", 1)
    assert found.eta.startswith("0:0")


def test_the_states_of_a_job_in_the_queue(tmp_path, slurm):
    run = tmp_path / "run"
    submit(run, "17_3")
    slurm.say("squeue", "17_2|RUNNING|node0|None\n17_3|PENDING||Resources\n")
    assert state_of(run) == "waiting (Resources)"
    slurm.say("squeue", "17_3|CONFIGURING|node0|None\n")
    assert state_of(run) == "running (configuring)"
    started(run, "17_3")
    slurm.say("squeue", "17_3|RUNNING|node0|None\n")
    assert state_of(run) == "running"
    ended(run, "17_3", "failed", requeued=True, why="failure 1 of at most 3; it goes on from its checkpoint")
    slurm.say("squeue", "17_3|COMPLETING|node0|None\n")
    assert state_of(run) == "requeued"
    slurm.say("squeue", "17_3|PENDING||BeginTime\n")
    assert state_of(run) == "requeued (BeginTime)"
    assert status(run).runs[0].nodes == "", "it is no longer where it ran"


def test_the_states_of_a_job_that_has_left_the_queue(tmp_path, slurm):
    slurm.say("squeue", "", "slurm_load_jobs error: Invalid job id specified", 1)
    run = tmp_path / "run"
    submit(run, "17")
    configure(run, "pretrain")
    assert state_of(run) == "ended without a word (it never started)"
    started(run, "17")
    assert state_of(run) == "ended without a word (SLURM no longer knows it)"
    slurm.say("sacct", "17|NODE_FAIL|node0\n")
    assert state_of(run) == "failed (SLURM says NODE_FAIL)"
    slurm.say("sacct", "17|CANCELLED by 0|node0\n")
    assert state_of(run) == "cancelled (SLURM says CANCELLED)"
    slurm.say("sacct", "", "disabled", 1)
    (run / records.CANCELLED_FILE).touch()
    assert state_of(run) == "cancelled"
    ended(run, "17", "failed", why="no checkpoint was written")
    assert state_of(run) == "failed (no checkpoint was written)"
    finish(run, "pretrain", knn_top1=50.0)
    started(run, "17", attempt=2)
    ended(run, "17", "finished", attempt=2, why="all ranks succeeded")
    assert state_of(run) == "finished"


def test_a_job_that_scancel_has_stopped_is_cancelled(tmp_path, slurm):
    run = tmp_path / "run"
    submit(run, "17")
    started(run, "17")
    ended(run, "17", "stopped", why="SLURM is ending the job (COMPLETING)")
    slurm.say("squeue", "17|CANCELLED|node0|None\n")
    assert state_of(run) == "cancelled (by scancel)"


def test_a_job_whose_script_died_after_its_results_has_finished(tmp_path, slurm):
    slurm.say("squeue", "", "slurm_load_jobs error: Invalid job id specified", 1)
    run = tmp_path / "run"
    submit(run, "17")
    configure(run, "pretrain")
    started(run, "17")
    finish(run, "pretrain", knn_top1=50.0)
    assert state_of(run) == "finished"


def test_a_job_whose_predecessor_failed_is_told_apart_from_one_that_died(tmp_path, slurm):
    slurm.say("squeue", "18|CANCELLED||DependencyNeverSatisfied\n")
    run = tmp_path / "run"
    submit(run, "18", "linear", depends_on="17")
    assert state_of(run) == "cancelled (never started: job 17, which it waited for, did not succeed)"
    slurm.say("squeue", "18|PENDING||DependencyNeverSatisfied\n")
    assert state_of(run) == "waiting (DependencyNeverSatisfied)"
    assert "rhovideo cancel" in table(status(run)).render("text")


def test_a_second_submission_is_not_judged_by_the_first(tmp_path, slurm):
    run = tmp_path / "run"
    submit(run, "17")
    started(run, "17")
    ended(run, "17", "failed", why="x")
    submit(run, "21", earlier_ids=["17"])
    slurm.say("squeue", "21|PENDING||Priority\n")
    assert state_of(run) == "waiting (Priority)"


def test_without_slurm_the_folder_tells_what_it_can(tmp_path, slurm, capsys):
    slurm.hide()
    done, open_end = tmp_path / "s/a/x", tmp_path / "s/b/x"
    study(tmp_path / "s", {"a": {"K": "1"}, "b": {"K": "2"}}, ["x"])
    submit(done, "17_0")
    started(done, "17_0")
    ended(done, "17_0", "finished")
    submit(open_end, "17_1")
    started(open_end, "17_1")
    report = status(tmp_path / "s")
    assert [run.state for run in report.runs] == ["finished", "unknown"]
    assert "squeue" in report.trouble
    assert main(["status", str(tmp_path / "s")]) == 0
    assert "SLURM was not asked" in capsys.readouterr().err


def test_a_failure_is_told_in_a_line_with_the_place_of_the_rest(tmp_path, slurm, capsys):
    slurm.say("squeue", "17|FAILED|node0|NonZeroExitCode\n")
    run = tmp_path / "moco"
    submit(run, "17")
    started(run, "17")
    ended(run, "17", "failed", why="SLURM.MAX_FAILURES, 3, is used up")
    (run / FAILURE_FILE).write_text(FAILURE)
    assert main(["status", str(run)]) == 0
    said = capsys.readouterr().out
    assert "moco: rank 1 of 4 failed: ZeroDivisionError: division by zero" in said
    assert f"in full: {run / FAILURE_FILE}" in said
    assert "is used up" in said


def test_a_failure_without_a_traceback_shows_its_first_line(tmp_path):
    path = tmp_path / "failure.txt"
    keep_report(tmp_path, "rank 1 of 4 on node0 ended by itself: killed (SIGKILL)", "attempt 1 of job 17 failed\n ...")
    assert headline(path) == "rank 1 of 4 on node0 ended by itself: killed (SIGKILL)"
    path.unlink()
    assert headline(path) == ""


def test_local_runs_are_judged_by_their_lock_and_their_results(tmp_path):
    run = tmp_path / "run"
    cfg = configure(run, "linear", "SOLVER.MAX_EPOCH", 2)
    train(cfg, evaluation={"top1": 30.0, "top5": 60.0})
    with (run / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert state_of(run) == "running"
    assert state_of(run) == "ended without a word"
    finish(run, "linear", test_top1=31.0)
    found = status(run).runs[0]
    assert (found.state, found.eta, found.restarts) == ("finished", "", None)
    assert (found.accuracy_of, found.accuracy) == ("top1", 30.0)
    # Started again, and killed: those results are of the time before.
    later = time.time() + 10
    os.utime(run / "config.yaml", (later, later))
    assert state_of(run) == "ended without a word"


def test_a_study_has_a_line_for_every_job_and_json_for_scripts(tmp_path, capsys):
    folder = tmp_path / "rho"
    study(folder, {"RHO=2": {"A.RHO": "2"}, "RHO=3": {"A.RHO": "3"}}, ["moco", "linear"])
    configure(folder / "RHO=2/moco", "pretrain")
    finish(folder / "RHO=2/moco", "pretrain", knn_top1=61.5)
    assert main(["status", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["RHO=2/moco", "RHO=2/linear", "RHO=3/moco", "RHO=3/linear"]
    assert "finished" in lines[1]
    assert "knn 61.50" in lines[1]
    assert "not started" in lines[2]
    assert len({line.index("finished") for line in lines[1:2]} | {line.index("not started") for line in lines[2:]}) == 1
    main(["status", str(folder), "--json"])
    assert [run["accuracy"] for run in json.loads(capsys.readouterr().out)["runs"]] == [61.5, None, None, None]


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert main(["status", str(tmp_path)]) == 2
    assert "neither a run's folder nor a study's" in capsys.readouterr().err
    assert main(["status", str(tmp_path / "typo")]) == 2
    (tmp_path / "checkpoint.pyth").write_text("")
    for command in ("status", "results", "logs", "cancel", "report"):
        assert main([command, str(tmp_path / "checkpoint.pyth")]) in (1, 2)
        assert "checkpoint.pyth: a file, and not the folder of a run" in capsys.readouterr().err


def test_a_pipe_that_closes_early_is_no_error(tmp_path):
    folder = tmp_path / "rho"
    study(folder, {f"K={number}": {"K": str(number)} for number in range(3000)}, ["moco"])
    command = f"'{sys.executable}' -m rhovideo.cli status '{folder}' | head -n 1"
    done = subprocess.run(
        command, shell=True, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.startswith("run ")
    assert [line for line in done.stderr.splitlines() if " ..." not in line] == [], "a beat alone may be there"


@pytest.mark.parametrize(
    "module",
    [
        "rhovideo.cli",
        "rhovideo.monitor.status",
        "rhovideo.monitor.results",
        "rhovideo.monitor.cancel",
        "rhovideo.monitor.logs",
    ],
)
def test_looking_does_not_wait_for_torch(module):
    code = f"import sys, {module}; print([name for name in ('torch', 'numpy', 'submitit') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
