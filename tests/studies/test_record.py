"""The record of a study's tables: read with a check of each value, and shared by several commands."""

import json
from dataclasses import asdict, replace

import pytest

from rhovideo.cli import main
from rhovideo.errors import JobError
from rhovideo.launch.plan import Plan, write_study_record
from rhovideo.studies.record import StudyRecord, read_record
from rhovideo.studies.record_merge import check_same_study, keep_record
from tests.studies.study_folders import cell, table, write

K, U = cell("1", "BYOL", "K"), cell("1", "BYOL", "U")


def record(*tables, **values):
    return StudyRecord(values.pop("seeds", [1, 2, 3]), values.pop("data", {}), tables=list(tables), **values)


def of_lists(**lists):
    return replace(table([], "table1"), rows=["a", "b"], lists=lists)


def names(folder):
    return [each.name for each in read_record(folder).tables]


def test_the_record_comes_back(tmp_path):
    two = record(table([K, U]), overrides=["KNN.K", "5"], data={"K400": "/data"}, miniature=True)
    keep_record(tmp_path / "out", two)
    assert read_record(tmp_path / "out") == two


def test_studies_that_begin_one_after_the_other_keep_their_tables(tmp_path):
    # No run of the first one has begun yet.
    keep_record(tmp_path, record(table([K]), data={"K400": "/k400"}))
    keep_record(tmp_path, record(table([U], "table7"), data={"UCF101": "/ucf101"}))
    keep_record(tmp_path, record(of_lists(a="/a/train.csv")))
    keep_record(tmp_path, record(of_lists(b="/b/train.csv")))
    assert names(tmp_path) == ["table2", "table7", "table1"]
    assert read_record(tmp_path).data == {"K400": "/k400", "UCF101": "/ucf101"}
    assert read_record(tmp_path).tables[2].lists == {"a": "/a/train.csv", "b": "/b/train.csv"}


def test_seeds_of_several_commands_are_in_one_table(tmp_path):
    one, more = cell("1", "BYOL", "K", seeds=[1]), cell("1", "BYOL", "K", seeds=[2, 3])
    keep_record(tmp_path, record(table([one]), seeds=[1]))
    # The same seed again is no second number.
    for _ in range(2):
        keep_record(tmp_path, record(table([more]), seeds=[2, 3]))
        assert read_record(tmp_path).seeds == [1, 2, 3]
        assert read_record(tmp_path).tables[0].cells == [K]


def test_an_old_number_stands_in_no_cell_of_other_settings(tmp_path):
    keep_record(tmp_path, record(table([cell("1", "BYOL", "K", seeds=[1])]), seeds=[1]))
    other = replace(K, runs=[["runs/other_seed2/K_finetune"]], pretraining=["runs/other_seed2/training"])
    keep_record(tmp_path, record(table([other]), seeds=[2]))
    assert read_record(tmp_path).tables[0].cells == [other]


def test_another_study_is_refused_once_one_has_begun(tmp_path):
    keep_record(tmp_path, record(table([K]), data={"K400": "/k400"}))
    for other, says in (
        (record(table([U]), miniature=True), "is of no miniature"),
        (record(table([U]), overrides=["KNN.K", "5"]), "was begun with the overrides"),
        (record(table([U]), data={"K400": "/elsewhere"}), "was begun with K400=/k400"),
    ):
        for refuse in (check_same_study, keep_record):
            with pytest.raises(JobError, match=says):
                refuse(tmp_path, other)
    assert names(tmp_path) == ["table2"]


def test_a_study_of_which_nothing_has_begun_gives_way(tmp_path):
    write(tmp_path, table([K]), overrides=["KNN.K", "5"])
    keep_record(tmp_path, record(table([U], "table7")))
    assert names(tmp_path) == ["table7"]


def test_the_record_is_kept_with_that_of_the_runs(tmp_path):
    kept = []
    write_study_record(Plan([], tmp_path, keep=lambda: kept.append(True)))
    assert kept == [True]


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("seeds", "x", "seeds is 'x', and a list is wanted"),
        ("seeds", ["x"], "seeds[0] is 'x', and a whole number is wanted"),
        ("seeds", [True], "seeds[0] is True"),
        ("seeds", [], "seeds is empty"),
        ("miniature", "yes", "miniature is 'yes', and true or false is wanted"),
        ("data", [], "data is [], and {NAME: VALUE} is wanted"),
        ("overrides", [5], "overrides[0] is 5, and a text is wanted"),
        ("tables", {}, "tables is {}, and a list is wanted"),
        ("tables.0", 7, "tables[0] is 7, and {NAME: VALUE} is wanted"),
        ("tables.0.name", None, "tables[0].name is None, and a text is wanted"),
        ("tables.0.rows", "1", "tables[0].rows is '1'"),
        ("tables.0.lists", {"a": 3}, "tables[0].lists.a is 3"),
        ("tables.0.cells.0.runs", [["a"], 3], "tables[0].cells[0].runs[1] is 3, and a list is wanted"),
        ("tables.0.cells.0.pretraining", [None], "tables[0].cells[0].pretraining[0] is None"),
        ("tables.0.cells.0.stated", 67.3, "tables[0].cells[0].stated is 67.3"),
        ("tables.0.cells.0.stated", {"value": "x"}, "tables[0].cells[0].stated.value is 'x', and a number is wanted"),
        ("tables.0.cells.0.stated", {}, "tables[0].cells[0].stated.value is missing"),
    ],
)
def test_a_damaged_value_is_named(tmp_path, capsys, path, value, says):
    values = json.loads(json.dumps(asdict(record(table([K])))))
    *above, last = [int(name) if name.isdigit() else name for name in path.split(".")]
    place = values
    for name in above:
        place = place[name]
    place[last] = value
    (tmp_path / "tables.json").write_text(json.dumps(values))
    assert main(["results", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'tables.json'}: {says}" in said
    assert "mend it, or remove the file, and the same `rhovideo study` writes it again" in said


def test_values_of_another_version_are_passed_over(tmp_path):
    (tmp_path / "tables.json").write_text(json.dumps({**asdict(record(table([K]))), "colour": "red"}))
    assert read_record(tmp_path) == record(table([K]))
