"""What cancelling leaves behind where it fails; tests/slurm has the real thing."""

from __future__ import annotations

import pytest

from rhovideo.errors import JobError
from rhovideo.monitor.cancel import cancel
from rhovideo.runs.records import CANCELLED_FILE
from tests.launch.run_folders import study, submit


@pytest.fixture
def running(tmp_path, slurm):
    """A study of two running jobs."""
    study(tmp_path, {"a": {"K": "1"}, "b": {"K": "2"}}, ["moco"])
    runs = [tmp_path / cell / "moco" for cell in "ab"]
    for number, run in enumerate(runs):
        submit(run, f"17_{number}")
    slurm.say("squeue", "17_0|RUNNING|node0|None\n17_1|RUNNING|node0|None\n")
    return runs


def test_a_mark_that_cannot_be_left_cancels_nothing_and_leaves_the_jobs_their_requeue(running, tmp_path, slurm):
    (running[1] / CANCELLED_FILE).symlink_to("nowhere/at-all")
    with pytest.raises(JobError, match=r"cannot be written .*nothing was cancelled"):
        cancel(tmp_path, print)
    assert not (running[0] / CANCELLED_FILE).exists()
    assert slurm.words("scancel") == []


def test_a_refusal_takes_away_its_own_marks_alone(running, tmp_path, slurm):
    (running[0] / CANCELLED_FILE).touch()
    slurm.say("scancel", "", "Access denied", 1)
    with pytest.raises(JobError, match="Access denied"):
        cancel(tmp_path, print)
    assert [(run / CANCELLED_FILE).exists() for run in running] == [True, False]
