"""status, logs and cancel beside a real SLURM, with ``sacct`` and without it. The jobs are shell scripts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rhovideo.cli import main
from rhovideo.launch.slurm.job_queue import live_state
from rhovideo.monitor.status import status
from rhovideo.runs.records import CANCELLED_FILE, read_attempts
from tests.configured_runs import ROOT
from tests.launch.run_folders import ended, started, study, submit
from tests.slurm.cluster import Cluster


@pytest.fixture(params=["cluster", "cluster_without_accounting"])
def either(request: pytest.FixtureRequest) -> Cluster:
    """A cluster with a working ``sacct``, then one without."""
    return request.getfixturevalue(request.param)


def queue_job(cluster: Cluster, run: Path, script: str, *options: object) -> str:
    """A job that writes its log where a run's job does, and the record of its submission."""
    (run / "slurm").mkdir(parents=True)
    logs = ("--output", run / "slurm/%j_0_log.out")
    job_id = cluster.submit(script, *logs, *options, folder=run)
    submit(run, job_id)
    return job_id


def state_of(run: Path) -> str:
    found = status(run).runs[0]
    return f"{found.state} ({found.why})" if found.why else found.state


def test_status_follows_a_job_from_the_queue_to_its_end(either, tmp_path, capsys):
    run = tmp_path / "run"
    job_id = queue_job(either, run, "sleep 100", "--requeue", "--hold")
    either.wait_until("the hold", lambda: state_of(run) == "waiting (JobHeldUser)", 20)
    either.command("scontrol", "release", job_id)
    either.wait_for_state(job_id, "RUNNING")
    started(run, job_id)
    found = status(run).runs[0]
    assert (found.state, found.nodes) == ("running", "node0")
    either.command("scontrol", "requeue", job_id)
    either.wait_until("the requeue", lambda: state_of(run).startswith("requeued"), 20)
    either.hurry(job_id)
    either.wait_until("the second start", lambda: state_of(run) == "running", 60)
    started(run, job_id, attempt=2)
    assert main(["cancel", str(run)]) == 0
    assert f"job {job_id} is cancelled" in capsys.readouterr().err
    assert either.queue() == []
    assert state_of(run) == "cancelled"
    assert status(run).runs[0].restarts == 1
    assert (run / CANCELLED_FILE).exists()


def test_what_slurm_says_of_arrays_dependents_and_ended_jobs(either, tmp_path):
    failing = either.submit("exit 3", folder=tmp_path)
    array = either.submit("sleep 60", "--array=0-3%1", "-c4", "-w", "node1", folder=tmp_path)
    dependent = either.submit("true", "--array=0-1", f"--dependency=aftercorr:{array}", folder=tmp_path)
    hopeless = either.submit("true", f"--dependency=afterok:{failing}", "--kill-on-invalid-dep=yes", folder=tmp_path)
    ids = [failing, f"{array}_0", f"{array}_3", f"{dependent}_1", hopeless, "99999"]

    def settled() -> bool:
        found = live_state(ids)
        return found[f"{array}_0"].state == "RUNNING" and not found[failing].live and not found[hopeless].live

    either.wait_until("the array runs and the others have ended", settled, 60)
    found = live_state(ids)
    assert [found[job].state for job in ids[:-1]] == ["FAILED", "RUNNING", "PENDING", "PENDING", "CANCELLED"]
    assert found[f"{array}_0"].nodes == "node1"
    assert [found[job].reason for job in ids[2:4]] == ["JobArrayTaskLimit", "Dependency"]
    assert found[hopeless].reason == "DependencyNeverSatisfied"
    assert "99999" not in found
    assert live_state(["99999"]) == {}


def test_a_job_that_the_controller_has_forgotten_is_looked_up_in_the_accounts(cluster, tmp_path, monkeypatch):
    array = cluster.submit("[ $SLURM_ARRAY_TASK_ID = 0 ] || exit 3", "--array=0-1", folder=tmp_path)
    waiting = cluster.submit("true", "--array=0-2", "--hold", folder=tmp_path)
    cluster.command("scancel", waiting)
    # What squeue says MinJobAge after a job's end.
    forgetful = tmp_path / "bin"
    forgetful.mkdir()
    (forgetful / "squeue").write_text("#!/bin/sh\necho 'slurm_load_jobs error: Invalid job id specified' >&2\nexit 1\n")
    (forgetful / "squeue").chmod(0o755)
    cluster.wait_until("the array's end", lambda: not cluster.queue(), 60)
    monkeypatch.setenv("PATH", f"{forgetful}:{os.environ['PATH']}")
    ids = [f"{array}_0", f"{array}_1", f"{waiting}_1"]
    # The accounts follow after a moment.
    cluster.wait_until("all three in the accounts", lambda: len(live_state(ids)) == 3, 30)
    assert [found.state for found in live_state(ids).values()] == ["COMPLETED", "FAILED", "CANCELLED"]


def test_logs_are_followed_from_the_queue_over_a_requeue_to_the_end(cluster, tmp_path):
    run = tmp_path / "run"
    script = 'echo "attempt ${SLURM_RESTART_COUNT:-0}"; sleep $((SLURM_RESTART_COUNT ? 5 : 300))'
    job_id = queue_job(cluster, run, script, "--requeue", "--hold")
    command = [sys.executable, "-m", "rhovideo.cli", "logs", run, "-f"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    said = tmp_path / "said"
    with said.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file, env=environment) as following:
        try:
            _wait_for_line(cluster, said, f"rhovideo: waiting: job {job_id} is pending (JobHeldUser)")
            cluster.command("scontrol", "release", job_id)
            _wait_for_line(cluster, said, "attempt 0")
            started(run, job_id)
            cluster.command("scontrol", "requeue", job_id)
            cluster.hurry(job_id)
            _wait_for_line(cluster, said, "attempt 1")
            started(run, job_id, attempt=2)
            # As the script's last command does, before SLURM sees the job end.
            ended(run, job_id, "finished", attempt=2)
            assert following.wait(30) == 0
        finally:
            following.kill()
    assert said.read_text().splitlines()[-1] == f"rhovideo: job {job_id}: finished"


def _wait_for_line(cluster: Cluster, said: Path, line: str) -> None:
    cluster.wait_until(repr(line), lambda: line in said.read_text().splitlines(), 60, [said])


def test_cancel_ends_a_study_with_all_that_waits_in_it(either, tmp_path, capsys):
    folder = tmp_path / "study"
    cells = {f"RNG_SEED={seed}": {"RNG_SEED": str(seed)} for seed in range(3)}
    study(folder, cells, ["moco", "linear"])
    first = either.submit("exec sleep 300", "--array=0-2%1", "--requeue", folder=tmp_path)
    second = either.submit("true", "--array=0-2", f"--dependency=aftercorr:{first}", folder=tmp_path)
    done = either.submit("true", folder=tmp_path)
    either.wait_for_state(done, "COMPLETED")
    for number, cell in enumerate(cells):
        submit(folder / cell / "moco", f"{first}_{number}")
        submit(folder / cell / "linear", f"{second}_{number}", "linear", depends_on=f"{first}_{number}")
    # One that has come to its end already is left alone.
    over = folder / "RNG_SEED=2/linear"
    submit(over, done, "linear")
    started(over, done)
    ended(over, done, "finished")
    either.command("scancel", f"{second}_2")
    either.wait_for_state(f"{first}_0", "RUNNING")
    started(folder / "RNG_SEED=0/moco", f"{first}_0")
    assert main(["cancel", str(folder)]) == 0
    assert either.queue() == []
    said = capsys.readouterr().err
    assert said.count("is cancelled") == 5
    assert f"job {done} was over before: finished" in said
    assert not (over / CANCELLED_FILE).exists()
    states = {run.run: run.state for run in status(folder).runs}
    assert states.pop("RNG_SEED=2/linear") == "finished"
    assert set(states.values()) == {"cancelled"}
    # The jobs that waited had no script to write down their end.
    (event,) = read_attempts(folder / "RNG_SEED=1/moco")
    assert (event["event"], event["outcome"], event["job_id"]) == ("end", "cancelled", f"{first}_1")
    assert main(["cancel", str(folder)]) == 0
    assert "is cancelled" not in capsys.readouterr().err
