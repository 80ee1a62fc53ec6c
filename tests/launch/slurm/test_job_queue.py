from __future__ import annotations

import time

import pytest

from rhovideo.launch.slurm import job_queue
from rhovideo.launch.slurm.job_queue import QueueState, SlurmError, cancel, expand, live_state, partitions

# squeue -h -a -r -t all -o '%i|%T|%N|%r' of SLURM 22.05.8
SQUEUE = """\
2_2|PENDING||JobArrayTaskLimit
2_3|PENDING||JobArrayTaskLimit
3|PENDING||Dependency
2_1|RUNNING|node0|None
2_0|RUNNING|node1|None
1|FAILED|node0|NonZeroExitCode
4_0|CANCELLED||DependencyNeverSatisfied
"""
# sacct -n -P -X -o JobID,State,NodeList
SACCT = """\
11|FAILED|node0
12_0|COMPLETED|node0
12_3|CANCELLED by 0|node0
13_[0-1]|CANCELLED|None assigned
14_[0-3]|CANCELLED by 0|None assigned
15|PENDING|None assigned
16|OUT_OF_MEMORY|node[0-1]
"""
UNKNOWN = "slurm_load_jobs error: Invalid job id specified"


def test_jobs_and_array_tasks_are_told_apart_waiting_running_and_ended(slurm):
    slurm.say("squeue", SQUEUE)
    assert live_state(["1", "2_0", "2_3", "3", "4_0"]) == {
        "1": QueueState("FAILED", "node0", "NonZeroExitCode"),
        "2_0": QueueState("RUNNING", "node1", ""),
        "2_3": QueueState("PENDING", "", "JobArrayTaskLimit"),
        "3": QueueState("PENDING", "", "Dependency"),
        "4_0": QueueState("CANCELLED", "", "DependencyNeverSatisfied"),
    }
    assert "--jobs=1,2,3,4" in slurm.words("squeue")[0].split(), "an array is asked for by one number"


def test_jobs_that_left_the_queue_are_asked_of_sacct(slurm):
    slurm.say("squeue", "", UNKNOWN, 1)
    slurm.say("sacct", SACCT)
    found = live_state(["11", "12_3", "13_1", "14_2", "15", "16", "17"])
    assert {job: state.state for job, state in found.items()} == {
        "11": "FAILED",
        "12_3": "CANCELLED",
        "13_1": "CANCELLED",
        "14_2": "CANCELLED",
        "16": "OUT_OF_MEMORY",
    }
    assert found["16"].nodes == "node[0-1]"
    assert found["14_2"].nodes == ""


def test_long_ranges_are_asked_for_in_full(slurm):
    slurm.say("squeue", "", UNKNOWN, 1)
    # SLURM cuts them after 64 characters otherwise.
    slurm.run("sacct", '[ "$SLURM_BITSTR_LEN" = 0 ] && echo "14_[0-3]|CANCELLED by 0|None assigned"')
    assert live_state(["14_2"])["14_2"].state == "CANCELLED"


def test_without_accounting_an_ended_job_is_unknown_and_that_is_no_error(slurm):
    slurm.say("squeue", "", UNKNOWN, 1)
    assert live_state(["17"]) == {}


def test_states_of_requeued_and_ending_jobs_count_as_live():
    assert all(QueueState(state).live for state in ("PENDING", "REQUEUE_HOLD", "COMPLETING", "SUSPENDED"))
    assert not any(QueueState(state).live for state in ("COMPLETED", "CANCELLED", "TIMEOUT", "NODE_FAIL"))


def test_ranges_of_an_array_are_written_out():
    assert expand("17_[2-4,7%2]") == ["17_2", "17_3", "17_4", "17_7"]
    assert expand("17_[0-6:3]") == ["17_0", "17_3", "17_6"]
    assert expand("17_3") == ["17_3"]
    assert expand("17") == ["17"]


def test_a_users_own_filters_do_not_hide_jobs(slurm, monkeypatch):
    monkeypatch.setenv("SQUEUE_PARTITION", "other")
    slurm.run("squeue", '[ -n "$SQUEUE_PARTITION" ] || echo "1|RUNNING|node0|None"')
    assert live_state(["1"])["1"].state == "RUNNING"


def test_a_missing_command_says_where_to_go(slurm):
    slurm.hide()
    with pytest.raises(SlurmError, match=r"`squeue` cannot be started here.*login node"):
        live_state(["17"])


def test_a_controller_that_is_down_is_an_error_and_not_an_empty_queue(slurm):
    said = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    slurm.say("squeue", "", said, 1)
    with pytest.raises(SlurmError, match=r"`squeue` failed.*connect failure.*scontrol ping"):
        live_state(["17"])


@pytest.mark.parametrize("said", ["Welcome to our cluster", "17|RUNNING", "<html>busy</html>\n17|RUNNING|node0|None"])
def test_an_answer_that_is_no_list_of_jobs_is_an_error_and_no_end_of_them(slurm, said):
    slurm.say("squeue", f"{said}\n")
    with pytest.raises(SlurmError, match="no list of jobs"):
        live_state(["17"])
    slurm.say("squeue", "CLUSTER: one\n17_[2-3%2]|PENDING||Resources\n\n")
    assert live_state(["17_2"])["17_2"].waiting


def test_a_controller_that_hangs_is_given_up(slurm, monkeypatch):
    monkeypatch.setattr(job_queue, "SECONDS", 0.5)
    slurm.run("squeue", "echo 'retrying in 1sec' >&2; exec sleep 60")
    before = time.monotonic()
    with pytest.raises(SlurmError, match=r"has not answered within 0.5 seconds: retrying in 1sec"):
        live_state(["17"])
    assert time.monotonic() - before < 10


def test_partitions_are_named_once(slurm):
    slurm.say("sinfo", "debug\nextra\ndebug\n")
    assert partitions() == ["debug", "extra"]


def test_cancelling_passes_over_what_is_over_and_tells_of_a_refusal(slurm):
    slurm.say("scancel", "", "scancel: error: Kill job error on job id 17: Invalid job id specified", 1)
    cancel(["17", "18_2"])
    assert slurm.words("scancel") == ["17 18_2"]
    said = "scancel: error: Kill job error on job id 18: Access/permission denied"
    slurm.say("scancel", "", said, 1)
    with pytest.raises(SlurmError, match="permission denied"):
        cancel(["18"])
