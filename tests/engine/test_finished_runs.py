"""A finished run that is started again: its record stays, whatever the same folder is asked for."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from rhovideo.cli import main
from rhovideo.engine.run import run
from rhovideo.errors import JobError
from tests.configured_runs import write_config

KEYS = ["CONTRASTIVE.TYPE", "simclr", "TRAIN.EVAL_PERIOD", 0, "SOLVER.MAX_EPOCH", 1]
RECORD = ("config.yaml", "results.json", "json_stats.log", "stdout.log", "inputs.json", "first_launch.json")


def record(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {name: ((folder / name).stat().st_mtime_ns, (folder / name).read_bytes()) for name in RECORD}


def test_a_finished_run_started_again_rewrites_nothing_and_another_key_is_refused(configure, tmp_path, capsys):
    first = run(configure("pretrain", *KEYS))
    before = record(tmp_path / "out")
    assert run(configure("pretrain", *KEYS, "LOG_PERIOD", 7)) == pytest.approx(first)
    assert f"{tmp_path}/out is finished with these settings" in capsys.readouterr().err
    for words, differs in (
        (["CONTRASTIVE.T", 0.3], r"CONTRASTIVE\.T was 0\.1 and is 0\.3 now"),
        (["TRAIN.BATCH_SIZE", 4], r"TRAIN\.BATCH_SIZE was 8 and is 4 now"),
        (["SOLVER.MAX_EPOCH", 2, "CONTRASTIVE.T", 0.3], r"CONTRASTIVE\.T was 0\.1 and is 0\.3 now"),
    ):
        with pytest.raises(JobError, match=rf"holds a finished run.*{differs}.*write another OUTPUT_DIR"):
            run(configure("pretrain", *KEYS, *words))
    assert record(tmp_path / "out") == before


def test_the_command_and_its_dry_run_refuse_before_anything_starts(tmp_path, synthetic_set, capsys):
    config = write_config(tmp_path / "a.yaml", tmp_path / "out", "pretrain")
    words = ["run", "--cfg", config, "DATA.PATH_TO_DATA_DIR", synthetic_set, *KEYS, "NUM_CPU_PROCESSES", 1]
    assert main([str(word) for word in words]) == 0
    before = record(tmp_path / "out")
    for more in ([], ["--dry-run"]):
        capsys.readouterr()
        assert main([str(word) for word in (*words, "CONTRASTIVE.T", 0.3, *more)]) == 2
        shown = capsys.readouterr().err
        assert "CONTRASTIVE.T was 0.1 and is 0.3 now" in shown
        assert "another OUTPUT_DIR" in shown
    assert record(tmp_path / "out") == before


def test_a_longer_training_goes_on_and_keeps_the_record_of_the_shorter_one(configure, tmp_path):
    run(configure("pretrain", *KEYS))
    before = record(tmp_path / "out")
    run(configure("pretrain", *KEYS, "SOLVER.MAX_EPOCH", 2))
    assert yaml.safe_load((tmp_path / "out/config.yaml").read_text())["SOLVER"]["MAX_EPOCH"] == 2
    (earlier,) = (tmp_path / "out/earlier_results").iterdir()
    for name in ("config.yaml", "results.json", "inputs.json"):
        assert (earlier / name).read_bytes() == before[name][1]


def test_a_finished_run_is_refused_for_another_list_of_an_older_time(configure, tmp_path, synthetic_set):
    lists = tmp_path / "lists"
    lists.mkdir()
    for name in ("train.csv", "val.csv", "test.csv"):
        shutil.copy(synthetic_set / name, lists)
    keys = [*KEYS, "DATA.PATH_TO_DATA_DIR", lists, "DATA.PATH_PREFIX", synthetic_set]
    run(configure("pretrain", *keys))
    content = (lists / "train.csv").read_text()
    (lists / "new.csv").write_text("".join(content.splitlines(True)[:-1]))
    os.utime(lists / "new.csv", (1, 1))
    (lists / "new.csv").replace(lists / "train.csv")
    with pytest.raises(JobError, match=r"train list .* has another content"):
        run(configure("pretrain", *keys))
    # Of a folder of an earlier version, time stamps are all there is.
    (tmp_path / "out/inputs.json").unlink()
    before = (tmp_path / "out/results.json").read_bytes()
    assert run(configure("pretrain", *keys)) is not None
    assert (tmp_path / "out/results.json").read_bytes() == before
    assert "inputs" not in json.loads(before)
