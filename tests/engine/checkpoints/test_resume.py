"""A run that was killed goes on as if nothing had happened, to the last bit."""

from __future__ import annotations

import time

import pytest
import torch

from tests.configured_runs import METHOD_KEYS, final_state, finish, kill, run, start, write_config

KEYS = ["CONTRASTIVE.TYPE", "moco", *METHOD_KEYS["moco"], "DATA.TRAIN_CROP_NUM_TEMPORAL", 2]
OPTIONS = ["CONTRASTIVE.KEYS_AT_ONCE", True, "MODEL.CHANNELS_LAST", True, "LOG_PERIOD", 100]


@pytest.fixture(scope="module", params=[[1, *OPTIONS], [4]], ids=["1 process, with options", "4 processes"])
def uninterrupted(request, tmp_path_factory, synthetic_set):
    folder = tmp_path_factory.mktemp("uninterrupted")
    config = write_config(folder / "run.yaml", folder / "out", "pretrain")
    keys = [*KEYS, "DATA.PATH_TO_DATA_DIR", synthetic_set, "NUM_CPU_PROCESSES", *request.param]
    run([config], *keys)
    return keys, final_state(folder / "out")


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_run_ends_with_the_same_bits(workers, uninterrupted, tmp_path, synthetic_set):
    keys, expected = uninterrupted
    keys = [*keys, "DATA_LOADER.NUM_WORKERS", workers, "TRAIN.CHECKPOINT_MINUTES", 1e-6]
    config = write_config(tmp_path / "run.yaml", tmp_path / "out", "pretrain")
    process = start([config], *keys)
    checkpoints = tmp_path / "out/checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("*_step_*.pyth")) and time.monotonic() < deadline:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    kill(process)
    killed_at = max(path.name for path in checkpoints.glob("*.pyth"))
    assert "_step_" in killed_at, f"killed too late, at {killed_at}: the test shows nothing"
    output = finish(start([config], *keys))
    assert "Resuming from" in output
    resumed = final_state(tmp_path / "out")
    assert resumed["global_step"] == expected["global_step"]
    for part in ("model_state", "optimizer_state"):
        assert_same(resumed[part], expected[part], part)


def assert_same(actual, expected, where):
    if isinstance(expected, torch.Tensor):
        assert torch.equal(actual, expected), where
    elif isinstance(expected, dict):
        assert actual.keys() == expected.keys(), where
        for key in expected:
            assert_same(actual[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, (list, tuple)):
        for i, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_same(one, other, f"{where}[{i}]")
    else:
        assert actual == expected, where
