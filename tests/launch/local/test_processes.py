"""Processes of one machine, started for real."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from rhovideo import cli, stopping
from rhovideo.config import ConfigError, load_cfg
from rhovideo.errors import JobError
from rhovideo.launch.local import signals
from rhovideo.launch.local.processes import RankFailed, launch
from rhovideo.launch.rank_setup import Rank, prepare_rank, threads_per_process
from tests.launch import jobs

ROOT = Path(__file__).parents[3]


def configuration(folder, processes=1, **keys):
    words = [word for key, value in keys.items() for word in (key.replace("__", "."), value)]
    base = ["TASK", "finetune", "NUM_GPUS", 0, "NUM_CPU_PROCESSES", processes, "TRAIN.BATCH_SIZE", 8]
    return load_cfg(None, [*base, "OUTPUT_DIR", str(folder), *words])


def assert_ended(folder, count, seconds=5.0):
    pids = [int(path.read_text()) for path in folder.glob("pid_*")]
    assert len(pids) == count
    deadline = time.monotonic() + seconds
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline, f"still running: {[pid for pid in pids if is_running(pid)]}"
        time.sleep(0.05)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_one_process_runs_here(tmp_path, monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    (mine,) = launch(jobs.report, configuration(tmp_path))["ranks"]
    assert mine["pid"] == os.getpid()
    assert (mine["rank"], mine["world"], mine["local_rank"]) == (0, 1, 0)


def test_several_processes_share_the_work(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    ranks = launch(jobs.report, configuration(tmp_path, 2))["ranks"]
    assert [(r["rank"], r["local_rank"], r["world"], r["sum"]) for r in ranks] == [(0, 0, 2, 3.0), (1, 1, 2, 3.0)]
    assert len({os.getpid(), *(r["pid"] for r in ranks)}) == 3
    assert {r["threads"] for r in ranks} == {threads_per_process(2)}


@pytest.mark.parametrize(("processes", "least"), [(1, 1), (10_000, 1)])
def test_every_process_has_a_thread(processes, least):
    assert threads_per_process(processes) >= least


def test_failure_comes_first_with_its_rank_and_ends_the_others(tmp_path):
    started = time.monotonic()
    with pytest.raises(RankFailed) as failure:
        launch(jobs.raise_on_rank_one, configuration(tmp_path, 2))
    assert time.monotonic() - started < 60
    first, *rest = str(failure.value).splitlines()
    assert first == "rank 1 of 2 failed:"
    assert any("raise_on_rank_one" in line for line in rest)
    assert "ZeroDivisionError: the batch of rank one" in rest
    assert str(failure.value) in (tmp_path / "stdout.log").read_text()
    assert_ended(tmp_path, 2)


@pytest.mark.parametrize("processes", [1, 2])
def test_failure_is_seen_by_who_looks_later(processes, tmp_path, capsys):
    job = jobs.raise_alone if processes == 1 else jobs.raise_on_rank_one
    (tmp_path / "config.yaml").write_text("TASK: finetune\n")
    with pytest.raises((RankFailed, ZeroDivisionError)):
        launch(job, configuration(tmp_path, processes))
    assert cli.main(["status", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "failed" in said
    assert "ZeroDivisionError: the batch of rank one" in said


def test_threads_of_an_allocation_are_shared_too(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "32")
    assert threads_per_process(10**6) == 1


def test_gpus_that_are_not_there_are_no_reason_to_train_on_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(JobError, match=r"NUM_GPUS is 8, and torch .* finds no GPU"):
        prepare_rank(configuration(tmp_path, NUM_GPUS=8), Rank(0, 8, 8))


def test_foreseen_failure_is_one_message(tmp_path):
    with pytest.raises(RankFailed) as failure:
        launch(jobs.stop_on_all_ranks, configuration(tmp_path, 2))
    lines = str(failure.value).splitlines()
    assert lines[0].endswith("of 2 failed:")
    assert lines[1:] == ["train.csv lists no video"]


@pytest.mark.parametrize("job", [jobs.terminate_myself, jobs.finish_although_terminated])
def test_sigterm_ends_a_run_of_one_process_after_its_step(job, tmp_path, capfd):
    before = signal.getsignal(signal.SIGTERM)
    (tmp_path / "config.yaml").touch()
    with pytest.raises(SystemExit) as left:
        launch(job, configuration(tmp_path))
    assert left.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before
    assert stopping.requested() is None
    if job is jobs.terminate_myself:
        assert (tmp_path / "saved").exists()
        assert "stopped after the step" in capfd.readouterr().err
        assert cli.main(["status", str(tmp_path)]) == 0
        assert "stopped (SIGTERM)" in capfd.readouterr().out


def test_handler_of_somebody_else_stays(tmp_path):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    try:
        launch(jobs.finish_although_terminated, configuration(tmp_path))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [1]
    assert stopping.requested() is None


def test_run_that_does_not_stop_is_ended(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(signals, "_SAME", 0.1)
    started = time.monotonic()
    with pytest.raises(SystemExit) as left, signals.saving_on_signals(patience=0.5):
        jobs.terminate_myself_and_hang(configuration(tmp_path))
    assert left.value.code == 128 + signal.SIGTERM
    assert time.monotonic() - started < 10
    said = capfd.readouterr().err
    assert "(0.5 s at most, then it ends unsaved)" in said
    assert "the run has not stopped within 0.5 s" in said


def test_killed_rank_is_named_before_those_that_miss_it(tmp_path):
    with pytest.raises(RankFailed, match=r"\Arank 1 of 2 was killed \(SIGKILL\).*memory") as failure:
        launch(jobs.killed_on_rank_one, configuration(tmp_path, 2))
    assert "rank 0 of 2 failed" not in str(failure.value)
    assert_ended(tmp_path, 2)


@contextlib.contextmanager
def started(job, tmp_path, ranks=2):
    """A process that launches the job on some ranks, once all are running it."""
    script = (
        "from tests.launch import jobs; from tests.launch.local import test_processes as t\n"
        "from rhovideo.launch.local.processes import launch\n"
        f"if __name__ == '__main__': launch(jobs.{job.__name__}, t.configuration({str(tmp_path)!r}, {ranks}))"
    )
    (tmp_path / "main.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Into a file: a child that is left behind would keep a pipe open, and the test waiting.
    with (tmp_path / "stderr").open("w") as errors:
        command = [sys.executable, tmp_path / "main.py"]
        parent = subprocess.Popen(command, env=environment, stderr=errors, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("pid_*"))) < ranks:
            assert parent.poll() is None, (tmp_path / "stderr").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield parent
        assert_ended(tmp_path, ranks)
    except BaseException:
        for pid in (int(path.read_text()) for path in tmp_path.glob("pid_*")):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        raise
    finally:
        parent.kill()
        parent.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_parent_and_children_at_once(number, tmp_path):
    with started(jobs.wait_for_ever, tmp_path) as parent:
        parent.send_signal(number)
        time.sleep(1.2)
        assert parent.poll() is None
        parent.send_signal(number)
        assert parent.wait(timeout=20) != 0


def said_by(folder, words, seconds):
    """What was printed on stderr, once the words are there."""
    deadline = time.monotonic() + seconds
    while words not in (said := (folder / "stderr").read_text()):
        assert time.monotonic() < deadline, said
        time.sleep(0.02)
    return said


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize(("number", "name"), [(signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")])
def test_signals_are_answered_in_the_middle_of_a_long_call(number, name, ranks, tmp_path):
    """Python's own handlers would run minutes later."""
    with started(jobs.hang_in_one_call, tmp_path, ranks) as parent:
        parent.send_signal(number)
        said_by(tmp_path, f"{name}: saving after this step or the next one", 3)
        time.sleep(1.2)
        assert parent.poll() is None
        second = time.monotonic()
        parent.send_signal(number)
        code = parent.wait(timeout=20)
        assert time.monotonic() - second < 6
    assert code in ((143,) if number == signal.SIGTERM else (130, -signal.SIGINT))
    said = (tmp_path / "stderr").read_text()
    assert said.count(f"a second {name}: ended at once, unsaved. Earlier checkpoints stay") == 1
    assert "leaked" not in said


def test_children_end_with_a_parent_that_is_killed(tmp_path):
    with started(jobs.wait_for_ever, tmp_path) as parent:
        parent.kill()
        parent.wait()


@pytest.mark.parametrize(
    ("number", "to_group"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)]
)
def test_ranks_save_at_the_same_step_before_they_end(number, to_group, tmp_path):
    with started(jobs.stop_when_asked, tmp_path) as parent:
        os.killpg(parent.pid, number) if to_group else parent.send_signal(number)
        code = parent.wait(timeout=20)
    assert code == (143 if number == signal.SIGTERM else -signal.SIGINT)
    steps = [(tmp_path / f"saved_{rank}").read_text() for rank in (0, 1)]
    assert steps[0] == steps[1]
    said = (tmp_path / "stderr").read_text()
    assert "stopped after a step" in said
    assert "failed" not in said


def test_ctrl_c_while_ranks_are_still_importing_is_one_line(tmp_path):
    """It reaches them too, before they can ignore it."""
    (tmp_path / "main.py").write_text(
        "import os, pathlib, time\n"
        "from tests.launch import jobs; from tests.launch.local import test_processes as t\n"
        "from rhovideo.launch.local.processes import launch\n"
        "if __name__ == '__mp_main__':\n"
        f"    (pathlib.Path({str(tmp_path)!r}) / f'importing_{{os.getpid()}}').touch(); time.sleep(5)\n"
        f"if __name__ == '__main__': launch(jobs.wait_for_ever, t.configuration({str(tmp_path)!r}, 2))"
    )
    with (tmp_path / "stderr").open("w") as errors:
        command = [sys.executable, "main.py"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        parent = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=errors, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("importing_*"))) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(parent.pid, signal.SIGINT)
        assert parent.wait(timeout=20) == -signal.SIGINT
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
    said = (tmp_path / "stderr").read_text()
    assert "stopped before the first step" in said
    # The traceback that is left is that of this script, which catches no KeyboardInterrupt as our commands do.
    assert "spawn_main" not in said


def test_torchrun_is_joined(tmp_path):
    script = (
        "import json; from tests.launch import jobs; from tests.launch.local import test_processes as t\n"
        "from rhovideo.launch.local.processes import launch\n"
        f"ranks = launch(jobs.report, t.configuration({str(tmp_path)!r}))['ranks']\n"
        f"open({str(tmp_path / 'ranks.json')!r}, 'w').write(json.dumps(ranks))"
    )
    (tmp_path / "main.py").write_text(script)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        tmp_path / "main.py",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=environment, check=True, timeout=120, capture_output=True)
    text = (tmp_path / "ranks.json").read_text()
    assert '"world": 2' in text
    assert '"sum": 3.0' in text


def test_too_many_gpus_say_what_to_write(tmp_path):
    there = torch.cuda.device_count()
    cfg = configuration(tmp_path, NUM_GPUS=there + 1, TRAIN__BATCH_SIZE=8 * (there + 1))
    with pytest.raises(ConfigError, match=rf"NUM_GPUS: {there + 1} GPUs are asked for(.|\n)*Write"):
        launch(jobs.report, cfg)


def test_batch_is_checked_against_the_processes_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    with pytest.raises(ConfigError, match=r"TRAIN.BATCH_SIZE: .*3 processes\n +Write 6 or 9"):
        launch(jobs.report, configuration(tmp_path, NUM_GPUS=-1))


def test_colour_on_a_gpu_needs_one(tmp_path, monkeypatch):
    cfg = configuration(tmp_path, NUM_GPUS=-1, DATA__AUG_DEVICE="gpu")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match=r"DATA.AUG_DEVICE: (.|\n)*no GPU(.|\n)*Write cpu"):
        launch(jobs.report, cfg)


def test_several_machines_need_a_launcher_for_them(tmp_path):
    with pytest.raises(ConfigError, match="torchrun --nnodes 4"):
        launch(jobs.report, configuration(tmp_path, NUM_SHARDS=4))
