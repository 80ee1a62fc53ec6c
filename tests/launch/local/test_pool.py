"""Cells in several warm processes, started for real."""

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

from rhovideo import cli
from rhovideo.config import ConfigError
from rhovideo.launch.local.runner import run_plan
from rhovideo.launch.plan import Plan, make_plan
from tests.launch.local.chains import finished, order, plan_of_seeds, write_configs

ROOT = Path(__file__).parents[3]


def processes_of(session: int) -> list[str]:
    """The command lines of the processes of a session that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, _, its_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
    return found


def assert_none_is_left(session: int, seconds: float = 8.0) -> None:
    deadline = time.monotonic() + seconds
    while left := processes_of(session):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


@contextlib.contextmanager
def two_hanging_cells(folder: Path, data: Path):
    """A process that runs three cells in two workers, once the first jobs of two of them are training."""
    plan = plan_of_seeds(folder, data, 3, "pretrain", trouble=True)
    for number in range(3):
        order(plan, number, 0, "hang")
    script = (
        "import sys; from pathlib import Path\n"
        "from rhovideo.launch.local.runner import run_plan\n"
        "from tests.launch.local.chains import plan_of_seeds\n"
        "if __name__ == '__main__':\n"
        f"    plan = plan_of_seeds(Path({str(folder)!r}), Path({str(data)!r}), 3, 'pretrain', trouble=True)\n"
        "    sys.exit(run_plan(plan, workers=2))"
    )
    (folder / "main.py").write_text(script)
    with (folder / "stderr").open("w") as errors:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, folder / "main.py"]
        parent = subprocess.Popen(
            command, cwd=folder, env=environment, stderr=errors, stdout=errors, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 120
        while len(list(folder.glob("study/*/pretrain/hangs"))) < 2:
            assert parent.poll() is None, (folder / "stderr").read_text()
            assert time.monotonic() < deadline, (folder / "stderr").read_text()
            time.sleep(0.05)
        yield parent
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()


def test_cells_run_in_workers_and_say_so_in_one_line_each(tmp_path, synthetic_set, capfd):
    plan = plan_of_seeds(tmp_path, synthetic_set, 3, "pretrain", "linear")
    assert run_plan(plan, workers=2) == 0
    said = capfd.readouterr()
    lines = [line for line in said.err.splitlines() if " done in " in line]
    assert [line.split(":")[1].strip() for line in lines] == ["cell 1 of 3", "cell 2 of 3", "cell 3 of 3"]
    assert {line.split(": ")[2] for line in lines} == {f"RNG_SEED={seed}" for seed in (1, 2, 3)}
    assert all(finished(cell) == [True, True] for cell in plan.cells)
    assert "TASK pretrain" not in said.out + said.err
    log = (tmp_path / "study/RNG_SEED=3/linear/stdout.log").read_text()
    assert "TASK linear is finished" in log
    assert "TASK pretrain" not in log
    assert run_plan(plan, workers=2) == 0


def test_killed_worker_is_named_and_replaced(tmp_path, synthetic_set, monkeypatch, capfd):
    """The job that dies is lost, with what needs it; the other jobs of its cell run, and so do the other cells."""
    plan = plan_of_seeds(tmp_path, synthetic_set, 2, "pretrain", "linear", "test", "knn", trouble=True)
    order(plan, 0, 1, "die")
    assert run_plan(plan, workers=2) == 1
    assert finished(plan.cells[0]) == [True, False, False, True]
    assert finished(plan.cells[1]) == [True] * 4
    said = capfd.readouterr().err
    assert "RNG_SEED=1: " in said
    assert "was killed (SIGKILL)" in said
    assert "1 of 2 cells failed:" in said
    assert said.rstrip().endswith(f"linear.yaml failed; not run: {tmp_path}/test.yaml")
    assert cli.main(["status", plan.cells[0].jobs[1].cfg.OUTPUT_DIR]) == 0
    assert "was killed (SIGKILL)" in capfd.readouterr().out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_lets_all_jobs_save_and_stop(number, tmp_path, synthetic_set):
    with two_hanging_cells(tmp_path, synthetic_set) as parent:
        os.killpg(parent.pid, number)
        code = parent.wait(timeout=60)
        assert_none_is_left(parent.pid)
    assert code == (143 if number == signal.SIGTERM else -signal.SIGINT)
    said = (tmp_path / "stderr").read_text()
    assert "(3 of 3 cells are left)" in said
    assert len(list(tmp_path.glob("study/*/pretrain/checkpoints/*.pyth"))) == 2
    assert not list(tmp_path.glob("study/*/pretrain/results.json"))
    for orders in tmp_path.glob("study/*/*.orders"):
        orders.unlink()
    plan = plan_of_seeds(tmp_path, synthetic_set, 3, "pretrain", trouble=True)
    assert run_plan(plan) == 0
    assert all(finished(cell) == [True] for cell in plan.cells)


def test_second_signal_ends_all_at_once(tmp_path, synthetic_set):
    with two_hanging_cells(tmp_path, synthetic_set) as parent:
        # They never come to the end of a step.
        workers = [int(path.read_text()) for path in tmp_path.glob("study/*/pretrain/hangs")]
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        parent.send_signal(signal.SIGINT)
        time.sleep(1.3)
        assert parent.poll() is None
        parent.send_signal(signal.SIGINT)
        assert parent.wait(timeout=20) != 0
        assert_none_is_left(parent.pid)


def test_workers_end_with_a_parent_that_is_killed(tmp_path, synthetic_set):
    with two_hanging_cells(tmp_path, synthetic_set) as parent:
        parent.kill()
        parent.wait()
        assert_none_is_left(parent.pid)


def test_job_of_several_processes_is_refused(tmp_path, synthetic_set):
    plan = plan_of_seeds(tmp_path, synthetic_set, 2, "pretrain")
    configs = write_configs(tmp_path, synthetic_set, "pretrain", more="NUM_CPU_PROCESSES: 2\n")
    plan = make_plan(configs, (), "RNG_SEED=1,2", str(tmp_path / "study"))
    with pytest.raises(ConfigError, match=r"the job takes 2 processes(.|\n)*--workers 1"):
        run_plan(plan, workers=2)
    assert not (tmp_path / "study").exists()


def checkpoint(plan: Plan, number: int, job: int) -> dict:
    (newest,) = list((Path(plan.cells[number].jobs[job].cfg.OUTPUT_DIR) / "checkpoints").glob("*.pyth"))
    return torch.load(newest, weights_only=True)
