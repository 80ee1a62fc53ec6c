"""The page says how many of a data set's official videos a list has."""

from __future__ import annotations

from types import SimpleNamespace

from rhovideo.report.sections import what_was_run


def test_the_table_of_inputs_says_how_many_of_the_official_videos_were_listed():
    official = {"dataset": "Kinetics-400", "split": "validation", "listed": 19404, "official": 19761}
    inputs = [
        {"role": "train list", "path": "/d/train.csv", "rows": 1200, "sha256": "a" * 64},
        {"role": "test list", "path": "/d/test.csv", "rows": 19404, "sha256": "b" * 64, "official": official},
        {"role": "checkpoint", "path": "/c.pyth", "rows": None, "sha256": "c" * 64, "official": None},
    ]
    (table,) = what_was_run._data(SimpleNamespace(runs=[SimpleNamespace(inputs={"inputs": inputs})]))
    assert [row[2] for row in table.rows] == ["1,200", "19,404 of 19,761 official", ""]
