"""A training with micro-batches that is killed while it saves or evaluates goes on with the same bits."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.configured_runs import METHOD_KEYS, final_state, finish, kill, run, start, write_config
from tests.engine.checkpoints.test_resume import assert_same

KEYS = ["CONTRASTIVE.TYPE", "moco", *METHOD_KEYS["moco"], "DATA.TRAIN_CROP_NUM_TEMPORAL", 2, "LOG_PERIOD", 100]
SAVING = ["TRAIN.CHECKPOINT_MINUTES", 1e-6]
ACCUMULATING = ["TRAIN.ACCUMULATE_STEPS", 2]
EVALUATING = ["TRAIN.EVAL_PERIOD", 1]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, synthetic_set):
    folder = tmp_path_factory.mktemp("uninterrupted")
    config = write_config(folder / "run.yaml", folder / "out", "pretrain")
    keys = [*KEYS, *EVALUATING, "DATA.PATH_TO_DATA_DIR", synthetic_set, *ACCUMULATING]
    run([config], *keys)
    return keys, final_state(folder / "out")


def saving(out: Path) -> bool:
    """True while a checkpoint is being written: it has its temporary name."""
    return (out / "checkpoints").is_dir() and any((out / "checkpoints").glob(".checkpoint_*.tmp"))


def evaluating(out: Path) -> bool:
    """True from the end of the first epoch, which is saved before it is evaluated, to the next step's checkpoint."""
    names = [path.name for path in (out / "checkpoints").glob("*.pyth")] if (out / "checkpoints").is_dir() else []
    return bool(names) and max(names) == "checkpoint_epoch_00001.pyth"


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("moment", [saving, evaluating], ids=["saving", "evaluating"])
def test_the_weights_are_those_of_an_uninterrupted_run(moment, sent, uninterrupted, tmp_path):
    keys, expected = uninterrupted
    out = tmp_path / "out"
    config = write_config(tmp_path / "run.yaml", out, "pretrain")
    process = start([config], *keys, *SAVING)
    deadline = time.monotonic() + 120
    while not moment(out):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
    if sent == signal.SIGKILL:
        kill(process)
    else:
        os.killpg(process.pid, sent)
        process.communicate(timeout=60)
        assert process.returncode == 143
    if list((out / "checkpoints").glob("*.pyth")):
        assert final_state(out)["epoch"] < 2, "killed too late: the test shows nothing"
    finish(start([config], *keys))
    resumed = final_state(out)
    assert resumed["global_step"] == expected["global_step"]
    for part in ("model_state", "optimizer_state", "task_state", "videos"):
        assert_same(resumed[part], expected[part], part)
    assert not list((out / "checkpoints").glob(".*.tmp"))
