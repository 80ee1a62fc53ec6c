"""Which jobs a resumed chain passes over; a wrong yes would be an experiment that never ran."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from rhovideo.config.files.reading import Loaded, load
from rhovideo.launch.chains import checkpoint_source, with_checkpoint
from rhovideo.launch.finished_jobs import begun_from_other_weights, finished_before
from rhovideo.runs.file_hash import file_sha256
from rhovideo.runs.first_launch import FirstLaunch, write_first_launch
from rhovideo.runs.lineage import read_config

CHAIN = ("pretrain", "linear", "test")


def chain(*overrides: object, names=CHAIN) -> list[Loaded]:
    return [load(f"{name}.yaml", overrides) for name in names]


def begin(jobs: list[Loaded], number: int) -> None:
    """The job has started: it has written its config.yaml."""
    run = Path(jobs[number].cfg.OUTPUT_DIR)
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    (run / "config.yaml").write_text(with_checkpoint(jobs[number].cfg, checkpoint_source(jobs, number)).dump())
    _set_clock(run / "config.yaml")


def end(jobs: list[Loaded], number: int) -> None:
    cfg = jobs[number].cfg
    checkpoint = Path(cfg.OUTPUT_DIR) / f"checkpoints/checkpoint_epoch_{cfg.SOLVER.MAX_EPOCH:05d}.pyth"
    checkpoint.touch()
    _set_clock(checkpoint)
    (Path(cfg.OUTPUT_DIR) / "results.json").write_text("{}")
    _set_clock(Path(cfg.OUTPUT_DIR) / "results.json")


def _set_clock(path: Path) -> None:
    """A second later than all that was written before, as file systems that count in seconds tell it."""
    global _now
    _now += 1
    os.utime(path, (_now, _now))


_now = time.time()


def do(jobs: list[Loaded], *numbers: int) -> None:
    for number in numbers:
        begin(jobs, number)
        end(jobs, number)


def finished(jobs: list[Loaded]) -> list[bool]:
    return [finished_before(jobs, number) for number in range(len(jobs))]


def test_a_chain_that_was_done_is_finished_and_a_new_one_is_not(jobs_folder):
    jobs = chain()
    assert finished(jobs) == [False] * 3
    do(jobs, 0, 1)
    assert finished(jobs) == [True, True, False]
    do(jobs, 2)
    assert finished(jobs) == [True] * 3


def test_where_and_on_how_many_machines_does_not_count(jobs_folder):
    do(chain(), 0, 1, 2)
    assert finished(chain("NUM_SHARDS", 2, "TRAIN.BATCH_SIZE", 32, "SLURM.PARTITION", "gpu")) == [True] * 3


def test_other_settings_count_for_the_job_and_all_that_build_on_it(jobs_folder):
    do(chain(), 0, 1, 2)
    jobs = chain()
    jobs[0] = load("pretrain.yaml", ["SOLVER.BASE_LR", 0.5])
    assert finished(jobs) == [False] * 3


def test_a_longer_run_that_died_midway_is_not_finished_by_the_shorter_one_before(jobs_folder):
    do(chain("SOLVER.MAX_EPOCH", 10, "SOLVER.WARMUP_EPOCHS", 0, names=("pretrain",)), 0)
    longer = chain("SOLVER.MAX_EPOCH", 30, "SOLVER.WARMUP_EPOCHS", 0, names=("pretrain",))
    begin(longer, 0)
    assert finished(longer) == [False]
    end(longer, 0)
    assert finished(longer) == [True]


def test_another_checkpoint_to_start_from_is_another_run(jobs_folder):
    def start_from(name):
        return chain("TRAIN.CHECKPOINT_FILE_PATH", name, names=("linear",))

    do(start_from("a.pyth"), 0)
    assert finished(start_from("a.pyth")) == [True]
    assert finished(start_from("b.pyth")) == [False]
    # Written down then, from the chain now.
    jobs = chain(names=("pretrain", "linear"))
    begin(jobs, 0)
    end(jobs, 0)
    begin_again = start_from("a.pyth")
    do(begin_again, 0)
    assert finished(jobs) == [True, False]


def test_a_job_done_again_makes_those_after_it_unfinished(jobs_folder):
    jobs = chain()
    do(jobs, 0, 1, 2)
    do(jobs, 0)
    assert finished(jobs) == [True, False, False]
    do(jobs, 1)
    assert finished(jobs) == [True, True, False]


@pytest.mark.parametrize("text", ["", "TASK: pretrain\n", "- a\n", "{", "TRAIN: 3\nTEST:\n"])
def test_a_damaged_configuration_is_not_a_finished_run(jobs_folder, text):
    jobs = chain(names=("pretrain",))
    begin(jobs, 0)
    Path("out/pretrain/config.yaml").write_text(text)
    end(jobs, 0)
    assert finished(jobs) == [False]


def test_a_job_with_checkpoints_from_weights_that_are_replaced_is_told(jobs_folder):
    jobs = chain()
    anew = "the job that its first weights came from is done again"

    def told(chain):
        return [begun_from_other_weights(chain, number) for number in range(len(chain))]

    do(jobs, 0)
    begin(jobs, 1)
    assert told(jobs) == [""] * 3
    end(jobs, 1)
    assert told(jobs) == [""] * 3
    # The pre-training is to be done with other settings, and then has been.
    again = [load("pretrain.yaml", ["SOLVER.BASE_LR", 0.5]), *jobs[1:]]
    assert told(again) == ["", anew, ""]
    do(again, 0)
    # An earlier version has left no hash: time stamps decide, which is said.
    first, linear, last = told(again)
    assert (first, last) == ("", "")
    assert "was written later, by its time stamp: an earlier version kept no hash" in linear
    weights = next(Path("out/pretrain/checkpoints").iterdir())
    for content, expected in ((b"", ""), (b"other", "the weights that it began from are no longer those of")):
        write_first_launch("out/linear", FirstLaunch(64, 1.0, 1, 1, 1, str(weights), None, file_sha256(weights)))
        weights.write_bytes(content)
        assert told(again)[1].startswith(expected)
        assert bool(told(again)[1]) == bool(expected)
    for path in Path("out/linear/checkpoints").iterdir():
        path.unlink()
    assert told(again) == [""] * 3


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\0", b"[" * 5000, b"a: [", b"hello"])
def test_a_damaged_configuration_of_a_run_is_none(tmp_path, damage):
    (tmp_path / "config.yaml").write_bytes(damage)
    assert read_config(tmp_path) == {}
