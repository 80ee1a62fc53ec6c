"""Cells in several warm processes, started for real."""

from __future__ import annotations

import contextlib
import json
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
from rhovideo.config.files.reading import load
from rhovideo.launch.local.runner import run_plan
from rhovideo.launch.plan import Cell, Plan, make_plan
from tests.launch.local.chains import finished, order, plan_of_seeds, write_configs

ROOT = Path(__file__).parents[3]
# Epochs of a job that is stopped: it must not end by itself between the signal and the next look at it.
_LONG = 10


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
    plan = plan_of_seeds(folder, data, 3, "pretrain", trouble=True, epochs=_LONG)
    for number in range(3):
        order(plan, number, 0, "hang")
    script = (
        "import sys; from pathlib import Path\n"
        "from rhovideo.launch.local.runner import run_plan\n"
        "from tests.launch.local.chains import plan_of_seeds\n"
        "if __name__ == '__main__':\n"
        f"    plan = plan_of_seeds(Path({str(folder)!r}), Path({str(data)!r}), 3, 'pretrain', "
        f"trouble=True, epochs={_LONG})\n"
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
    assert "the last words of a library" in said
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
    plan = plan_of_seeds(tmp_path, synthetic_set, 3, "pretrain", trouble=True, epochs=_LONG)
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


# What each of the five jobs before the one that is compared sets in its process, or draws from it.
OTHERS = {
    "bfloat16": "TRAIN: {MIXED_PRECISION: True}\nCONTRASTIVE: {TYPE: moco, QUEUE_LEN: 16, MOMENTUM: 0.9}\n",
    "byol": "CONTRASTIVE: {TYPE: byol, PREDICTOR_DEPTHS: [2], BN_MLP: True}\nRNG_SEED: 7\nLOG_DIAGNOSTICS: True\n",
    "finetune": "TASK: finetune\nLOGGERS: {USE: [csv, tensorboard]}\n",
    "linear": "TASK: linear\nDATA_LOADER: {NUM_WORKERS: 1}\n",
    "swav": "CONTRASTIVE: {TYPE: swav, SWAV_NUM_PROTOTYPES: 12, BN_MLP: True}\nMODEL: {ARCH: r2plus1d}\n",
}
# Entries of a checkpoint that name its place or time.
ELSEWHERE = ("cfg",)
TARGET = (
    "TASK: pretrain\nDATA: {SSL_COLOR_JITTER: True, SSL_MOCOV2_AUG: True, TRAIN_CROP_NUM_TEMPORAL: 2}\n"
    "CONTRASTIVE: {TYPE: moco, QUEUE_LEN: 16, MOMENTUM: 0.9, KNN_ON: True}\n"
    "SOLVER: {MAX_EPOCH: 2}\nTRAIN: {EVAL_PERIOD: 1}\n"
)


def test_a_job_is_the_same_in_a_new_process_and_after_five_others(tmp_path, synthetic_set):
    write_configs(tmp_path, synthetic_set)
    for name, text in (*OTHERS.items(), ("target", TARGET)):
        (tmp_path / f"{name}.yaml").write_text(
            "_BASE_: base.yaml\n" + ("" if "TASK" in text else "TASK: pretrain\n") + text
        )
    study = tmp_path / "study"

    def cell(name: str, *jobs: str) -> Cell:
        loaded = [load(tmp_path / f"{job}.yaml", ["OUTPUT_DIR", str(study / name / job)]) for job in jobs]
        return Cell(name, {}, loaded)

    assert run_plan(Plan([cell("warm", *OTHERS, "target"), cell("new", "target")], study), workers=2) == 0
    assert run_plan(Plan([cell("here", *OTHERS, "target")], study)) == 0
    ends = {name: learnt(study / name / "target") for name in ("new", "warm", "here")}
    assert ends["new"][1]["knn_top1"] >= 0
    for name in ("warm", "here"):
        assert ends[name][1] == ends["new"][1]
        assert equal(ends[name][0], ends["new"][0]), name


def learnt(run: Path) -> tuple[dict, dict]:
    """The last checkpoint of a run, and its numbers."""
    newest = max((run / "checkpoints").glob("*.pyth"))
    return torch.load(newest, weights_only=True), json.loads((run / "results.json").read_text())


def equal(one, other) -> bool:
    """True if two states have the same tensors, bit for bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one if key not in ELSEWHERE)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other
