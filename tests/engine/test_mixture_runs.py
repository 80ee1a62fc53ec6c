"""Trainings on a mixture: exact shares, exact resuming, and changes of the weights that are refused."""

from __future__ import annotations

import shutil

import pytest

from rhovideo.checks.lists.job_lists import ListCheck
from rhovideo.cli import main
from rhovideo.config.findings import Finding
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.loading.loader import build_loader
from rhovideo.engine.checkpoints.checkpoint import CheckpointError
from rhovideo.engine.run import run
from rhovideo.runs.inputs import measure
from tests.configured_runs import METHOD_KEYS, final_state

MOCO = ["CONTRASTIVE.TYPE", "moco", *METHOD_KEYS["moco"]]


@pytest.fixture
def data(tmp_path, synthetic_set):
    """A mixture of 6 and 18 videos, 3 to 1, with the lists of the set's other splits."""
    folder, parts = tmp_path / "data", tmp_path / "parts"
    shutil.copytree(synthetic_set, folder)
    lines = (folder / "train.csv").read_text().splitlines()
    parts.mkdir()
    for name, own in (("few", lines[:6]), ("many", lines[6:])):
        (parts / f"{name}.csv").write_text("".join(f"{folder}/{line}\n" for line in own))
    merge(folder, "3", "1")
    return folder


def merge(folder, *weights: str) -> None:
    parts = folder.parent / "parts"
    lists = [str(parts / f"{name}.csv") for name in ("few", "many")]
    assert main(["data", "merge", *lists, "--weights", *weights, "--out", str(folder / "train.csv"), "--force"]) == 0


def findings(cfg) -> list[Finding]:
    return ListCheck()(cfg)


def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(configure, tmp_path, data):
    keys = [*MOCO, "DATA.PATH_TO_DATA_DIR", data, "TRAIN.CHECKPOINT_MINUTES", 1e-6, "TRAIN.CHECKPOINT_KEEP", 0]
    cfg = configure("pretrain", *keys)
    loader = build_loader(cfg, "train", "pretrain")
    taken = [key.index for epoch in range(2) for batch in loader.batches_of(epoch) for key in batch]
    loader.close()
    assert sum(index < 6 for index in taken) == len(taken) * 3 // 4
    run(cfg)
    whole = final_state(tmp_path / "out")
    for path in (tmp_path / "out/checkpoints").iterdir():
        if path.name != "checkpoint_epoch_00001_step_0000002.pyth":
            path.unlink()
    run(cfg)
    again = final_state(tmp_path / "out")
    assert (whole["epoch"], again["epoch"]) == (2, 2)
    assert whole["model_state"].keys() == again["model_state"].keys()
    assert all((whole["model_state"][name] == again["model_state"][name]).all() for name in whole["model_state"])


def test_other_weights_are_refused_before_the_start_and_in_the_run(configure, tmp_path, data):
    keys = [*MOCO, "DATA.PATH_TO_DATA_DIR", data]
    run(configure("pretrain", *keys))
    merge(data, "1", "1")
    cfg = configure("pretrain", *keys, "SOLVER.MAX_EPOCH", 3)
    (wrong,) = [finding for finding in findings(cfg) if finding.severity == "error"]
    assert "the weights of its parts are few 1, many 1" in wrong.wrong
    assert "was trained with few 3, many 1" in wrong.wrong
    with pytest.raises((CheckpointError, ManifestError), match="the weights of its parts are"):
        run(cfg)
    merge(data, "3", "1")
    assert not [finding for finding in findings(cfg) if finding.severity == "error"]


def test_every_reader_of_lists_takes_a_mixture_or_refuses_it_in_words(configure, data):
    pretrain = configure("pretrain", *MOCO, "DATA.PATH_TO_DATA_DIR", data)
    assert not [finding for finding in findings(pretrain) if finding.severity == "error"]
    (listed,) = [item for item in measure(pretrain) if item.role == "train list"]
    assert listed.rows == 24
    # The labels of the first row are seen through the line of the part, so k-NN accuracy is measured.
    assert any(item.role == "val list" for item in measure(pretrain))
    step = configure("pretrain", *MOCO, "DATA.PATH_TO_DATA_DIR", data, "TRAIN.BATCH_SIZE", 16)
    assert [f.severity for f in findings(step) if "'few' has 6 videos, and a step takes 12 of it" in f.wrong] == [
        "warning"
    ]
    shutil.copy(data / "train.csv", data / "test.csv")
    knn = configure("knn", "DATA.PATH_TO_DATA_DIR", data)
    told = findings(knn)
    assert [f.severity for f in told if "TASK knn does not use its weights" in f.wrong] == ["warning"]
    assert [f.severity for f in told if "a test list counts each video once" in f.wrong] == ["error"]


def test_a_scan_keeps_the_parts(data, capsys):
    broken = data / (data / "train.csv").read_text().splitlines()[1].rpartition(" ")[0]
    broken.write_bytes(b"no video")
    assert main(["scan", str(data / "train.csv"), "--workers", "1"]) == 1
    clean = (data / "train.clean.csv").read_text().splitlines()
    assert sum(line.startswith("#mixture {") for line in clean) == 2
    (data / "train.clean.csv").replace(data / "train.csv")
    capsys.readouterr()
    assert main(["data", "stats", str(data / "train.csv"), "--workers", "1"]) == 0
    told = capsys.readouterr().out
    assert "few: 5 videos, 75.00% of the samples" in told
    assert "many: 18 videos, 25.00% of the samples" in told
