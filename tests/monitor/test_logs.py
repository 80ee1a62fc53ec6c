from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rhovideo.errors import JobError
from rhovideo.monitor import logs
from rhovideo.monitor.logs import follow, show, single_run
from tests.launch.run_folders import configure, ended, finish, started, study, submit

ROOT = Path(__file__).parents[2]


def shown(run: Path, **choice) -> str:
    out = io.BytesIO()
    show(run, out, **choice)
    return out.getvalue().decode()


def test_the_newest_jobs_log_of_the_rank_that_was_asked_for(tmp_path):
    run = tmp_path / "run"
    submit(run, "21_3", earlier_ids=["17"])
    for name in ("17_0_log.out", "21_3_0_log.out", "21_3_3_log.out", "21_3_3_log.err"):
        (run / "slurm" / name).write_text(f"this is {name}\n")
    assert shown(run) == "this is 21_3_0_log.out\n"
    assert shown(run, rank=3) == "this is 21_3_3_log.out\n"
    assert shown(run, rank=3, stderr=True) == "this is 21_3_3_log.err\n"
    with pytest.raises(JobError, match=r"--rank 4: job 21_3 has the ranks 0 to 3"):
        shown(run, rank=4)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(None, "a\nb\nc\n"), (2, "b\nc\n"), (0, ""), (9, "a\nb\nc\n")],
)
def test_the_last_lines(tmp_path, lines, expected):
    run = tmp_path / "run"
    configure(run, "pretrain")
    (run / "stdout.log").write_text("a\nb\nc\n")
    assert shown(run, lines=lines) == expected
    (run / "stdout.log").write_text("a\nb\nc")
    assert shown(run, lines=lines) == expected.removesuffix("\n")


def test_a_log_that_is_not_there_yet_says_why(tmp_path, slurm):
    run = tmp_path / "run"
    submit(run, "17")
    slurm.say("squeue", "17|PENDING||Resources\n")
    with pytest.raises(JobError, match=r"17_0_log.out: not written yet; waiting: job 17 is pending \(Resources\)"):
        shown(run)


def test_of_a_study_one_run_must_be_named(tmp_path):
    study(tmp_path, {"a": {"K": "1"}, "b": {"K": "2"}}, ["moco"])
    with pytest.raises(JobError, match=r"study of 2 runs; write one of them:\n .*a/moco"):
        single_run(tmp_path)


class Following:
    """``follow`` in a thread, with what it has shown and said so far."""

    def __init__(self, run: Path, **choice) -> None:
        self.out = io.BytesIO()
        self.said: list[str] = []
        self._thread = threading.Thread(
            target=follow, args=(run, self.out, self.said.append), kwargs=choice, daemon=True
        )
        self._thread.start()

    @property
    def text(self) -> str:
        return self.out.getvalue().decode()

    def wait_for(self, condition) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, (self.text, self.said)
            time.sleep(0.01)

    def end(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive(), (self.text, self.said)


@pytest.fixture
def _quickly(monkeypatch):
    monkeypatch.setattr(logs, "_POLL", 0.02)
    monkeypatch.setattr(logs, "_ASK_SLURM", 0.05)
    monkeypatch.setattr(logs, "_SETTLE", 0.2)


@pytest.mark.usefixtures("_quickly")
def test_following_goes_from_the_queue_over_a_requeue_to_the_end(tmp_path, slurm):
    run = tmp_path / "run"
    submit(run, "17")
    log = run / "slurm/17_0_log.out"
    slurm.say("squeue", "17|PENDING||Resources\n")
    following = Following(run)
    following.wait_for(lambda: following.said == ["waiting: job 17 is pending (Resources)"])
    started(run, "17")
    slurm.say("squeue", "17|RUNNING|node0|None\n")
    log.write_text("first step\nsecond ")
    following.wait_for(lambda: following.text == "first step\nsecond ")
    ended(run, "17", "stopped", requeued=True)
    slurm.say("squeue", "17|PENDING||BeginTime\n")
    following.wait_for(lambda: following.said[-1] == "waiting: job 17 is requeued (BeginTime)")
    started(run, "17", attempt=2)
    slurm.say("squeue", "17|RUNNING|node0|None\n")
    with log.open("a") as file:
        file.write("step\nthird step\n")
    following.wait_for(lambda: "third step\n" in following.text)
    ended(run, "17", "finished", attempt=2)
    slurm.say("squeue", "", "slurm_load_jobs error: Invalid job id specified", 1)
    # What is written last is not lost, though the job is over already.
    with log.open("a") as file:
        file.write("last word\n")
    following.end()
    assert following.text == "first step\nsecond step\nthird step\nlast word\n"
    assert following.said[-1] == "job 17: finished"


@pytest.mark.usefixtures("_quickly")
def test_following_goes_over_to_a_new_submission(tmp_path, slurm):
    run = tmp_path / "run"
    submit(run, "17")
    started(run, "17")
    slurm.say("squeue", "17|RUNNING|node0|None\n21|RUNNING|node0|None\n")
    (run / "slurm/17_0_log.out").write_text("old\n" * 100)
    following = Following(run, lines=1)
    following.wait_for(lambda: following.text == "old\n")
    submit(run, "21", earlier_ids=["17"])
    new = "new\n" * 200
    (run / "slurm/21_0_log.out").write_text(new)
    following.wait_for(lambda: following.text == f"old\n{new}")
    started(run, "21")
    ended(run, "21", "failed", why="x y")
    slurm.say("squeue", "21|FAILED|node0|NonZeroExitCode\n")
    following.end()
    assert following.said == ["job 21: failed (x y)"]


@pytest.mark.usefixtures("_quickly")
def test_a_local_run_that_is_over_ends_at_once(tmp_path):
    run = tmp_path / "run"
    configure(run, "pretrain")
    finish(run, "pretrain", knn_top1=1.0)
    following = Following(run)
    following.end()
    assert following.text == "TASK\n"
    assert following.said == ["the run: finished"]


@pytest.mark.usefixtures("_quickly")
def test_following_a_run_that_has_not_started_says_so_and_waits_for_it(tmp_path):
    run = tmp_path / "b/moco"
    study(tmp_path, {"b": {"K": "1"}}, ["moco"])
    following = Following(run)
    following.wait_for(lambda: following.said == ["waiting: the run has not started"])
    configure(run, "pretrain")
    finish(run, "pretrain")
    following.end()
    assert following.text == "TASK\n"
    assert following.said[-1] == "the run: finished"


@pytest.mark.usefixtures("_quickly")
def test_following_says_that_slurm_does_not_answer(tmp_path, slurm):
    run = tmp_path / "run"
    submit(run, "17")
    slurm.say("squeue", "", "slurm_load_jobs error: Unable to contact slurm controller", 1)
    following = Following(run)
    following.wait_for(lambda: following.said == ["job 17: unknown (SLURM does not answer)"])
    ended(run, "17", "finished")
    following.end()


def test_ctrl_c_ends_quietly(tmp_path, slurm):
    run = tmp_path / "run"
    submit(run, "17")
    started(run, "17")
    slurm.say("squeue", "17|RUNNING|node0|None\n")
    (run / "slurm/17_0_log.out").write_text("first\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "rhovideo.cli", "logs", str(run), "-f"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == "first\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("", "")
    assert process.returncode == 130
