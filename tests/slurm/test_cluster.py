"""The cluster that the other tests here trust."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.slurm.cluster import SCRIPT, Cluster


def test_two_nodes_of_four_cpus_are_idle(cluster):
    rows = cluster.command("sinfo", "-h", "-N", "-p", "debug", "-o", "%N %c %T").splitlines()
    assert rows == ["node0 4 idle", "node1 4 idle"]


def test_a_job_of_two_nodes_and_four_tasks_runs_and_sacct_tells_of_it(cluster, tmp_path):
    script = 'srun bash -c "echo \\$SLURM_PROCID on \\$SLURMD_NODENAME; getent hosts \\$SLURMD_NODENAME"'
    job = cluster.submit(script, "-N2", "--ntasks-per-node=2", folder=tmp_path)
    cluster.wait_for_state(job, "COMPLETED", show=[tmp_path])
    said = (tmp_path / f"{job}.out").read_text().splitlines()
    assert sorted(line for line in said if " on " in line) == ["0 on node0", "1 on node0", "2 on node1", "3 on node1"]
    assert sum(line.startswith("127.0.0.1") for line in said) == 4, "a node's name must lead to this machine"

    def recorded() -> bool:
        return cluster.command("sacct", "-n", "-X", "-j", job, "-o", "state").strip() == "COMPLETED"

    cluster.wait_until("sacct knows the job's end", recorded, 30)


def test_without_grace_a_job_in_urgent_requeues_a_preemptible_one_which_runs_again(cluster, tmp_path):
    script = 'echo "start $SLURM_RESTART_COUNT"; srun -n2 sleep $((SLURM_RESTART_COUNT ? 0 : 300))'
    job = _running(cluster, tmp_path, script, "abrupt")
    _preempt_and_let_it_end(cluster, tmp_path, job)
    assert cluster.restarts(job) == 1
    assert _lines(tmp_path, job, "start") == ["start", "start 1"]


def test_with_grace_the_tasks_get_sigterm_and_time_and_the_batch_script_requeues_itself(cluster, tmp_path):
    on_term = "trap 'echo caught; sleep 1; echo saved; exit 0' TERM; echo ready; sleep 300 & wait"
    # A script that merely ends within the grace time has failed: SLURM does not requeue it then.
    script = f"""
        echo "start $SLURM_RESTART_COUNT"
        [ -n "$SLURM_RESTART_COUNT" ] && exit 0
        srun -n2 bash -c "{on_term}"
        scontrol requeue $SLURM_JOB_ID
        sleep 30"""
    job = _running(cluster, tmp_path, script, "preempted")
    # On a busy machine a task starts well after its step: without its trap it would die of SIGTERM without a word.
    cluster.wait_until(
        "both tasks catch SIGTERM", lambda: _lines(tmp_path, job, "ready") == ["ready", "ready"], 60, [tmp_path]
    )
    _preempt_and_let_it_end(cluster, tmp_path, job)
    assert cluster.restarts(job) == 1
    said = _lines(tmp_path, job, "caught", "saved")
    # Once in some ten runs this SLURM loses a node's signal. One rank that hears it is enough: the ranks agree to stop.
    assert said in (["caught", "caught", "saved", "saved"], ["caught", "saved"])


def _running(cluster: Cluster, folder: Path, script: str, partition: str) -> str:
    """A job whose step has been running for a moment."""
    job = cluster.submit(script, "-p", partition, "-N2", "--requeue", folder=folder)

    def has_step() -> bool:
        return f"{job}.0" in cluster.command("squeue", "-h", "-s", "-o", "%i")

    cluster.wait_until("srun has started its step", has_step, 60, [folder])
    time.sleep(0.5)
    return job


def _preempt_and_let_it_end(cluster: Cluster, folder: Path, job: str) -> None:
    urgent = cluster.preempt(folder=folder)
    cluster.wait_for_state(urgent, "COMPLETED", seconds=90, show=[folder])
    cluster.hurry(job)
    cluster.wait_for_state(job, "COMPLETED", show=[folder])


def _lines(folder: Path, job: str, *beginnings: str) -> list[str]:
    return [line.strip() for line in (folder / f"{job}.out").read_text().splitlines() if line.startswith(beginnings)]


def test_a_requeued_task_of_an_array_can_be_hurried_and_the_queue_lists_every_task(cluster, tmp_path):
    array = cluster.submit(
        "sleep $((SLURM_RESTART_COUNT ? 0 : 300))", "--array=0-1", "-J", "cells", "--requeue", folder=tmp_path
    )
    cluster.wait_for_state(f"{array}_1", "RUNNING")
    assert [(row["id"], row["name"]) for row in cluster.queue()] == [(f"{array}_0", "cells"), (f"{array}_1", "cells")]
    cluster.command("scontrol", "requeue", f"{array}_1")
    cluster.hurry(f"{array}_1")
    cluster.wait_for_state(f"{array}_1", "COMPLETED")
    assert cluster.state(f"{array}_0") == "RUNNING"


def test_the_warning_signal_reaches_the_tasks(cluster, tmp_path):
    caught = "trap 'echo caught; exit 0' USR2; echo ready; while true; do sleep 0.1; done"
    job = cluster.submit(f'srun bash -c "{caught}"', folder=tmp_path)
    out = tmp_path / f"{job}.out"
    cluster.wait_until("the task listens", lambda: out.is_file() and "ready" in out.read_text(), 30)
    cluster.interrupt(job)
    cluster.wait_for_state(job, "COMPLETED", show=[tmp_path])
    assert "caught" in out.read_text()


def test_without_accounting_sacct_fails_and_jobs_run_beside_the_other_cluster(
    cluster, cluster_without_accounting, tmp_path
):
    bare = cluster_without_accounting
    with pytest.raises(AssertionError, match="accounting storage is disabled"):
        bare.command("sacct")
    job = bare.submit("srun -N2 hostname", "-N2", folder=tmp_path)
    bare.wait_for_state(job, "COMPLETED", show=[tmp_path])
    assert cluster.answers()


def test_up_twice_is_up_once_and_down_leaves_no_process(cluster, tmp_path):
    other = Cluster(cluster.folder.parent / f"{cluster.folder.name}-down")
    try:
        other.start()
        before = _processes(other)
        assert {"munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd"} <= set(before.values())
        assert other.start() is other
        assert _processes(other) == before
        job = other.submit("srun bash -c 'trap \"\" TERM; sleep 300'", "-N2", folder=tmp_path)
        other.wait_for_state(job, "RUNNING")
    finally:
        other.stop()
    assert _processes(other) == {}
    assert cluster.answers(), "the other cluster was hit"
    subprocess.run(["rm", "-r", other.folder], check=True)


def test_a_daemon_that_does_not_start_is_named_with_its_log_and_nothing_stays(cluster):
    other = Cluster(cluster.folder.parent / f"{cluster.folder.name}-broken")
    try:
        (other.folder / "mariadb").mkdir(parents=True)
        (other.folder / "mariadb/installed").touch()  # and yet there is no database
        environment = {**os.environ, "CLUSTER_PATIENCE": "2"}
        done = subprocess.run([SCRIPT, "up", other.folder], env=environment, capture_output=True, text=True)
        assert done.returncode == 1
        assert "mariadbd did not answer within 2 s" in done.stderr
        assert "[ERROR]" in done.stderr
        assert _processes(other) == {}
    finally:
        other.stop()
        subprocess.run(["rm", "-r", other.folder], check=True)


def _processes(cluster: Cluster) -> dict[int, str]:
    """The names of all processes that were started for this cluster, by their number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            mine = f"SLURM_CONF={cluster.conf}\0".encode() in (folder / "environ").read_bytes()
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue  # it has ended meanwhile
        # slurmctld's helper names itself anew.
        if mine and not name.startswith((":", "slurmscriptd")):
            found[int(folder.name)] = name
    return found
