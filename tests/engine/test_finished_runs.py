"""A finished run that is started again: its record stays, whatever the same folder is asked for."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from rhovideo.cli import main
from rhovideo.engine.run import run
from rhovideo.errors import JobError
from rhovideo.runs import inputs
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


@pytest.mark.parametrize("damage", ["", "[1]", '{"task": "pre', "\x00" * 9])
def test_damaged_numbers_are_named_and_measured_again_once_removed(configure, tmp_path, damage):
    cfg = configure("pretrain", *KEYS)
    first = run(cfg)
    path = tmp_path / "out" / "results.json"
    path.write_text(damage)
    with pytest.raises(JobError, match=r"results\.json: is empty or damaged.* remove the file"):
        run(cfg)
    assert path.read_text() == damage
    path.unlink()
    assert run(cfg) == pytest.approx(first)


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


def test_other_weights_under_the_same_name_are_refused_before_an_interrupted_run_is_touched(
    configure, tmp_path, synthetic_set, capsys
):
    run(configure("pretrain", *KEYS, "OUTPUT_DIR", tmp_path / "encoder"))
    weights = tmp_path / "encoder/checkpoints/checkpoint_epoch_00001.pyth"
    config = write_config(tmp_path / "a.yaml", tmp_path / "out", "linear")
    words = ["run", "--cfg", config, "DATA.PATH_TO_DATA_DIR", synthetic_set, "NUM_CPU_PROCESSES", 1]
    words += ["SOLVER.MAX_EPOCH", 1, "TRAIN.CHECKPOINT_FILE_PATH", weights]
    assert main([str(word) for word in words]) == 0
    (tmp_path / "out/results.json").unlink()
    before = (tmp_path / "out/inputs.json").read_bytes()
    weights.write_bytes(weights.read_bytes() + b"again")
    capsys.readouterr()
    for more in ([], ["--dry-run"]):
        assert main([str(word) for word in (*words, *more)]) == 2
        assert f"{weights} was written again since this run began from it" in capsys.readouterr().err
    assert (tmp_path / "out/inputs.json").read_bytes() == before


def test_a_longer_training_goes_on_and_keeps_the_record_of_the_shorter_one(configure, tmp_path):
    run(configure("pretrain", *KEYS))
    before = record(tmp_path / "out")
    run(configure("pretrain", *KEYS, "SOLVER.MAX_EPOCH", 2))
    assert yaml.safe_load((tmp_path / "out/config.yaml").read_text())["SOLVER"]["MAX_EPOCH"] == 2
    (earlier,) = (tmp_path / "out/earlier_results").iterdir()
    for name in ("config.yaml", "results.json", "inputs.json"):
        assert (earlier / name).read_bytes() == before[name][1]


def test_a_finished_run_is_refused_for_another_list_of_an_older_time(configure, tmp_path, synthetic_set, capsys):
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
    assert "only the time stamps of its lists and of its checkpoint were compared" in capsys.readouterr().err
    (lists / "train.csv").touch()
    with pytest.raises(JobError, match=r"train\.csv was written after the run began, by its time stamp"):
        run(configure("pretrain", *keys))


def test_a_finished_run_started_again_hashes_each_input_once(configure, tmp_path, monkeypatch):
    run(configure("pretrain", *KEYS))
    hashed: list[str] = []
    real = inputs.file_sha256
    monkeypatch.setattr(inputs, "file_sha256", lambda path: hashed.append(Path(path).name) or real(path))
    run(configure("pretrain", *KEYS))
    # The code's own hash was taken by the first run.
    assert sorted(hashed) == ["classes.txt", "train.csv"]


@pytest.fixture
def lists(tmp_path, synthetic_set) -> Path:
    """A copy of the lists and the videos, to be changed."""
    shutil.copytree(synthetic_set, tmp_path / "lists")
    return tmp_path / "lists"


def test_a_finished_run_is_refused_for_a_replaced_video(configure, tmp_path, lists, capsys):
    keys = [*KEYS, "DATA.PATH_TO_DATA_DIR", lists]
    run(configure("pretrain", *keys))
    before = record(tmp_path / "out")
    name = (lists / "train.csv").read_text().split()[0]
    size = (lists / name).stat().st_size
    with (lists / name).open("ab") as video:
        video.write(bytes(10))
    differs = rf"1 of the 24 videos of the train list has another size .*: {name} \({size} → {size + 10} bytes\)"
    with pytest.raises(JobError, match=rf"holds a finished run.*{differs}: write another OUTPUT_DIR"):
        run(configure("pretrain", *keys))
    assert record(tmp_path / "out") == before
    # A run that goes on is not stopped by it, and says it.
    run(configure("pretrain", *keys, "SOLVER.MAX_EPOCH", 2))
    assert re.search(differs, (tmp_path / "out/stdout.log").read_text())


def test_a_finished_study_is_not_written_over_with_another_key_or_list(tmp_path, lists, capsys):
    config = write_config(tmp_path / "pre.yaml", tmp_path / "unused", "pretrain")
    words = ["run", "--cfg", config, "DATA.PATH_TO_DATA_DIR", lists, *KEYS, "NUM_CPU_PROCESSES", 1]
    words += ["--study", tmp_path / "study", "--sweep", "RNG_SEED=1,2"]

    def start(*more: object) -> int:
        return main([str(word) for word in (*words, *more)])

    assert start() == 0
    cells = [tmp_path / f"study/RNG_SEED={seed}/pre" for seed in (1, 2)]
    # The log of the last job in this process is still open.
    before = [{name: kept for name, kept in record(cell).items() if name != "stdout.log"} for cell in cells]
    capsys.readouterr()
    assert start() == 0
    assert capsys.readouterr().err.count("is finished with these settings") == 2
    for more in ([], ["--dry-run"]):
        assert start("--opts", "CONTRASTIVE.T", 0.3, *more) == 2
        shown = capsys.readouterr().err
        assert "CONTRASTIVE.T was 0.1 and is 0.3 now" in shown
        assert "RNG_SEED=1" in shown
    rows = (lists / "train.csv").read_text().splitlines(True)
    (lists / "train.csv").write_text("".join(rows[:-1]))
    assert start() == 2
    assert "the train list" in capsys.readouterr().err
    assert all(before[number].items() <= record(cell).items() for number, cell in enumerate(cells))
