import json
import math

import numpy as np
import torch

from rhovideo.engine.log.json_stats import PREFIX, JsonStats, cut_json_stats, last_json_stats, read_json_stats, to_json


def test_every_parser_reads_every_number_back():
    stats = {
        "loss": math.nan,
        "grad_norm": torch.tensor(math.inf),
        "lr": 1.25e-7,
        "top1_err": np.float32(12.5),
        "count": np.int64(3),
        "ok": True,
        "name": 'quote " ünd \n line',
        "recall": {1: 3.0, 5: -math.inf},
        "shape": (1, 2.0),
    }
    line = to_json(stats)
    assert "\n" not in line

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    back = json.loads(line, parse_constant=refuse)
    assert back == {
        "loss": None,
        "grad_norm": None,
        "lr": 1.25e-7,
        "top1_err": 12.5,
        "count": 3,
        "ok": True,
        "name": 'quote " ünd \n line',
        "recall": {"1": 3.0, "5": None},
        "shape": [1, 2.0],
    }


def test_a_resumed_run_appends_and_a_cut_line_is_skipped(tmp_path):
    JsonStats(tmp_path).write({"_type": "train_epoch", "epoch": "1/2"})
    path = tmp_path / "json_stats.log"
    assert path.read_text().startswith(PREFIX + "{")
    with path.open("a") as file:
        file.write('json_stats: {"_type": "tra\n')
    JsonStats(tmp_path).write({"_type": "train_epoch", "epoch": "2/2"})
    assert [record["epoch"] for record in read_json_stats(path)] == ["1/2", "2/2"]


def test_other_ranks_write_nothing(tmp_path):
    JsonStats(tmp_path / "out", rank=1).write({"loss": 1.0})
    assert not (tmp_path / "out").exists()


def test_line_that_cannot_be_written_does_not_end_the_training(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    stats = JsonStats(tmp_path / "file")
    stats.write({"loss": 1.0})
    stats.write({"loss": 1.0})
    assert caplog.text.count("writing failed") == 1


def test_the_last_record_of_a_kind_is_found_however_far_back(tmp_path):
    stats = JsonStats(tmp_path)
    stats.write({"_type": "val_epoch", "top1": 1.0})
    stats.write({"_type": "val_epoch", "top1": 2.0})
    for step in range(2000):
        stats.write({"_type": "train_iter", "iter": f"{step + 1}/2000", "loss": 1.0})
    path = tmp_path / "json_stats.log"
    with path.open("a") as file:
        file.write('json_stats: {"_type": "train_iter", "iter": "20')
    assert last_json_stats(path, ("train_iter", "train_epoch"))["iter"] == "2000/2000"
    assert last_json_stats(path, ("val_epoch",))["top1"] == 2.0
    assert last_json_stats(path, ("val_epoch",), limit=10_000) is None
    assert last_json_stats(path, ("test_final",)) is None
    assert last_json_stats(tmp_path / "none", ("val_epoch",)) is None


def test_lines_after_a_checkpoint_are_moved_and_others_stay(tmp_path):
    stats = JsonStats(tmp_path)
    for epoch in (1, 2):
        for step in (1, 2):
            stats.write({"_type": "train_iter", "epoch": f"{epoch}/3", "iter": f"{step}/2"})
        stats.write({"_type": "train_epoch", "epoch": f"{epoch}/3"})
        stats.write({"_type": "val_epoch", "epoch": f"{epoch}/3"})
    stats.write({"_type": "test_final", "top1_acc": 50.0})
    path, cut = tmp_path / "json_stats.log", tmp_path / "json_stats.cut.log"
    assert not cut_json_stats(tmp_path, 1, 1)
    kinds = ["train_iter"] * 2 + ["train_epoch", "val_epoch", "train_iter", "test_final"]
    assert [record["_type"] for record in read_json_stats(path)] == kinds
    # At an epoch's end its evaluation is made again.
    assert cut_json_stats(tmp_path, 1, 0)
    assert [record["_type"] for record in read_json_stats(path)] == ["train_iter"] * 2 + ["train_epoch", "test_final"]
    assert not cut_json_stats(tmp_path, 0, 0)
    assert [record["_type"] for record in read_json_stats(path)] == ["test_final"]
    assert len(read_json_stats(cut)) == 8
