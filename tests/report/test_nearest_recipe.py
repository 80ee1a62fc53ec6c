"""The recipe that a run came from, also where numbers of it are found from the list."""

import json

import pytest

from rhovideo.config import load_cfg
from rhovideo.report.nearest_recipe import nearest_recipe, recipe_or_name
from rhovideo.report.run_record import RunRecord


@pytest.mark.parametrize("videos", [100, 480])
def test_a_run_of_a_small_recipe_has_no_other_keys_whatever_its_list(tmp_path, videos):
    (tmp_path / "config.yaml").write_text(load_cfg("small/moco_cpu", videos=videos).dump())
    rows = [{"role": "train list", "path": "train.csv", "rows": videos, "sha256": "0"}]
    (tmp_path / "inputs.json").write_text(json.dumps({"inputs": rows}))
    name, _, changed = nearest_recipe(RunRecord(tmp_path))
    assert (name, changed) == ("small/moco_cpu", [])


def test_where_the_list_is_not_on_record_a_recipe_with_fixed_numbers_is_found(tmp_path):
    (tmp_path / "config.yaml").write_text(load_cfg("demo/moco").dump())
    run = RunRecord(tmp_path)
    assert nearest_recipe(run)[0] == "demo/moco"
    assert recipe_or_name(run) == "demo/moco"
