"""Every method and every task from the command line, on real video files."""

from __future__ import annotations

import json

import pytest

from rhovideo.config.schema.job import TASKS
from rhovideo.config.task_defaults import CLASSIFIES, MEASURES, TRAINS
from rhovideo.data.loading.shown_clips import READS
from rhovideo.engine.log.json_stats import read_json_stats
from rhovideo.engine.run import RUNNERS
from tests.configured_runs import METHOD_KEYS, run, write_config


@pytest.mark.parametrize("method", METHOD_KEYS)
def test_method_runs_through_all_tasks(method, tmp_path, synthetic_set):
    tasks = ["pretrain", "linear", "finetune", "knn"] if method == "moco" else ["pretrain", "linear", "finetune"]
    configs = [write_config(tmp_path / f"{task}.yaml", tmp_path / task, task) for task in tasks]
    keys = ["CONTRASTIVE.TYPE", method, *METHOD_KEYS[method], "MODEL.NUM_CLASSES", 3]
    run(configs, *keys, "DATA.TRAIN_CROP_NUM_TEMPORAL", 2, "DATA.PATH_TO_DATA_DIR", synthetic_set)
    results = {task: json.loads((tmp_path / task / "results.json").read_text()) for task in tasks}
    assert 0 <= results["pretrain"]["knn_top1"] <= 100
    for task in ("linear", "finetune"):
        assert 0 <= results[task]["test_top1"] <= results[task].get("test_top5", 100) <= 100
        final = read_json_stats(tmp_path / task / "json_stats.log")[-1]
        assert (final["_type"], final["top1_acc"]) == (
            "test_final",
            pytest.approx(results[task]["test_top1"], rel=1e-4),
        )
    for task in tasks[:3]:
        lines = read_json_stats(tmp_path / task / "json_stats.log")
        losses = [line["loss"] for line in lines if line["_type"] == "train_iter"]
        assert losses, task
        assert all(isinstance(loss, float) for loss in losses), task


def test_every_task_either_trains_or_measures_and_is_in_every_table():
    assert sorted((*TRAINS, *MEASURES)) == sorted(TASKS)
    assert set(CLASSIFIES) <= set(TASKS)
    assert READS.keys() == RUNNERS.keys() == TASKS.keys()
