"""What is refused before queueing once SLURM has been asked."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from rhovideo.config.files.reading import Loaded, load
from rhovideo.runs import records
from tests.configured_runs import write_config
from tests.launch.slurm.test_preflight import RECORD, problems_of


def _job(tmp_path: Path, *overrides: object) -> Loaded:
    return load(write_config(tmp_path / "job.yaml", tmp_path / "run", "pretrain"), overrides)


def _said(job: Loaded, resume: bool = False) -> list[str]:
    return [str(problem) for problem in problems_of(job, resume)]


@pytest.mark.parametrize("partition", ["", "debug", "urgent,preempted"])
def test_a_partition_that_there_is_passes_quickly(cluster, tmp_path, partition):
    job = _job(tmp_path, "SLURM.PARTITION", partition)
    start = time.monotonic()
    assert _said(job) == []
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("partition", "said", "remedy"),
    [
        ("debgu", "no partition 'debgu'; it has debug, preempted, abrupt, urgent", "Write debug"),
        ("preempted,Urgent", "no partition 'Urgent'", "Write preempted,urgent"),
        ("gpu", "no partition 'gpu'", "Write one of these"),
    ],
)
def test_a_partition_that_there_is_not_is_refused_and_the_nearest_is_named(cluster, tmp_path, partition, said, remedy):
    [problem] = _said(_job(tmp_path, "SLURM.PARTITION", partition))
    assert problem.startswith("command line: SLURM.PARTITION")
    assert said in problem
    assert remedy in problem


def test_a_job_in_the_queue_keeps_its_folder_to_itself(cluster, tmp_path):
    (tmp_path / "run").mkdir()
    job = _job(tmp_path)
    running = cluster.submit("sleep 300", folder=tmp_path)
    waiting = cluster.submit("true", "--begin=now+1hour", folder=tmp_path)
    cluster.wait_for_state(running, "RUNNING")
    for job_id, state in ((running, "RUNNING on node0"), (waiting, "PENDING")):
        records.write_job(tmp_path / "run", replace(RECORD, job_id=job_id))
        for resume in (False, True):
            [problem] = _said(job, resume)
            assert f"job {job_id} is in the queue" in problem
            assert f"({state})" in problem
            assert f"rhovideo cancel {tmp_path}/run" in problem
    cluster.cancel_all()
    [problem] = _said(job)
    assert "--resume" in problem
    assert _said(job, resume=True) == []


def test_a_controller_that_does_not_answer_is_told_once(cluster, tmp_path, monkeypatch):
    conf = tmp_path / "slurm.conf"
    conf.write_text(cluster.conf.read_text().replace("SlurmctldPort=", "SlurmctldPort=1 #"))
    monkeypatch.setenv("SLURM_CONF", str(conf))
    [problem] = _said(_job(tmp_path))
    assert "`sinfo`" in problem
    assert "scontrol ping" in problem
