"""A study's file: what it says, and what is wrong with it."""

import os

import pytest

from rhovideo.config import ConfigError
from rhovideo.studies.data_sets import read_data_words
from rhovideo.studies.study_file import find_studies, study_names
from rhovideo.studies.study_reader import read_study_file

GOOD = """
TITLE: Clips
TRAIN_ON: K400
SET: {RECIPE: demo/simclr, SOLVER.MAX_EPOCH: 1, TRAIN.BATCH_SIZE: 4}
ROWS:
  "1": {DATA.TRAIN_CROP_NUM_TEMPORAL: 1, SOLVER.MAX_EPOCH: 2}
  "2": {DATA: {TRAIN_CROP_NUM_TEMPORAL: 2}}
COLUMNS:
  A: {}
  B: {SOLVER.MAX_EPOCH: 3, MEASURE: [U]}
CELLS:
  - {ROW: "2", COLUMN: B, SOLVER.MAX_EPOCH: 4, MEASURE_WITH: {U: {KNN.K: 7}}}
MEASURE:
  K: K400 linear
  U: {DATA: UCF101, PROTOCOL: knn, SPLITS: [1, 2], KNN.K: 5}
"""


def read(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    return read_study_file(tmp_path / "mine.yaml")


def cell(study, row, column):
    return next(each for each in study.cells if (each.row, each.column) == (row, column))


def values(keys):
    return {key: setting.value for key, setting in keys.items()}


def test_a_cell_wins_over_its_column_over_its_row_over_all(tmp_path):
    study = read(tmp_path, GOOD)
    epochs = {(each.row, each.column): values(each.keys)["SOLVER.MAX_EPOCH"] for each in study.cells}
    assert epochs == {("1", "A"): 2, ("1", "B"): 3, ("2", "A"): 1, ("2", "B"): 4}
    assert values(cell(study, "2", "A").keys)["DATA.TRAIN_CROP_NUM_TEMPORAL"] == 2
    assert values(cell(study, "2", "B").measure_keys["U"]) == {"KNN.K": 7}
    assert cell(study, "1", "A").measures == ("K", "U")
    assert cell(study, "1", "B").measures == ("U",)
    assert study.measures["U"].splits == (1, 2)
    assert values(study.measures["U"].keys) == {"KNN.K": 5}
    assert study.data == ["K400", "UCF101"]


def test_a_table_without_columns_has_one(tmp_path):
    study = read(tmp_path, GOOD[: GOOD.index("COLUMNS")] + GOOD[GOOD.index("MEASURE:\n") :])
    assert study.columns == ("",)
    assert [each.row for each in study.cells] == ["1", "2"]


def test_what_a_table_has_not_is_left_out(tmp_path):
    study = read(tmp_path, GOOD + 'WITHOUT: [["1", B], ["2", A]]\n')
    assert [(each.row, each.column) for each in study.cells] == [("1", "A"), ("2", "B")]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("TITLE: Clips", "TITEL: Clips", 2, "TITLE"),
        ("SOLVER.MAX_EPOCH: 1,", "SOLVER.MAX_EPOCHS: 1,", 4, "SOLVER.MAX_EPOCH, which is the nearest name"),
        ("RECIPE: demo/simclr, ", "", 2, "the cell of row 1, column A has none"),
        ('ROW: "2"', 'ROW: "3"', 12, "there is no row '3'"),
        ("COLUMN: B", "COLUMN: C", 12, "there is no column 'C'"),
        ("MEASURE: [U]", "MEASURE: [V]", 10, "there is no 'V'"),
        ("K: K400 linear", "K: K400", 14, "K: K400 linear"),
        ("K: K400 linear", "K: K400 lineal", 14, "one of linear, finetune"),
        ("SPLITS: [1, 2]", "SPLITS: [a]", 15, "SPLITS: [1, 2, 3]"),
        ("{U: {KNN.K: 7}}", "{V: {KNN.K: 7}}", 12, "there is no 'V'"),
        ("SOLVER.MAX_EPOCH: 3", "OUTPUT_DIR: here", 10, "is decided by the study"),
        ("  A: {}\n", "  A: {}\n  A: {}\n", 10, "line 9 has it too"),
        ("A: {}", "A: {START: random}", 9, "random weights have no checkpoint, and U of this cell needs one"),
        ("A: {}", "A: {START: cold}", 9, "one of trained, random"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, old, new, line, says):
    assert old in GOOD
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert f"mine.yaml:{line}" in str(raised.value)
    assert says in str(raised.value)


SHORT = """
TRAIN_ON: K400
SET: {RECIPE: demo/simclr}
ROWS: {a: {}}
MEASURE: {K: K400 linear}
SUBSETS: {S: {OF: K400, VIDEOS: 5}}
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        # Numbers, where they are wanted.
        ("VIDEOS: 5", "VIDEOS: 5, SEED: [a]", "SUBSETS S: SEED is ['a'], and a whole number from 0 is wanted"),
        ("VIDEOS: 5", "VIDEOS: 5, SEED: x", "SEED is 'x'"),
        ("VIDEOS: 5", "VIDEOS: 5, SEED: 1.5", "SEED is 1.5"),
        ("VIDEOS: 5", "VIDEOS: 5, SEED: -1", "SEED is -1"),
        ("VIDEOS: 5", "VIDEOS: 5, BALANCED: maybe", "BALANCED: True, or BALANCED: False"),
        ("VIDEOS: 5", "VIDEOS: true", "VIDEOS is True"),
        ("VIDEOS: 5", "VIDEOS: 0.5", "VIDEOS is 0.5"),
        ("K400 linear", "{DATA: K400, PROTOCOL: linear, SPLITS: [true]}", "its splits are [True]"),
        ("K400 linear", "{DATA: K400, PROTOCOL: linear, SPLITS: [1, 1]}", "its splits are [1, 1]"),
        ("K400 linear", "{DATA: K400, PROTOCOL: linear, SPLITS: [[1]]}", "its splits are [[1]]"),
        ("K400 linear", "{DATA: K400, PROTOCOL: linear, SPLITS: 3}", "SPLITS: [1, 2, 3]"),
        # Names, where they are wanted.
        ("TRAIN_ON: K400", "TRAIN_ON: 400", 'or "400" in quotes'),
        ("TRAIN_ON: K400", "TRAIN_ON: true", "TRAIN_ON: is True"),
        ("TRAIN_ON: K400", "TRAIN_ON: a/b", "'a/b' cannot be the name of a data set"),
        ("TRAIN_ON: K400", "TRAIN_ON: ''", "'' cannot be the name of a data set"),
        ("demo/simclr", "5", "RECIPE: is 5"),
        ("demo/simclr", "''", "RECIPE: is ''"),
        ("demo/simclr", '"a\\0b"', "RECIPE: is 'a"),
        ("K400 linear", "{DATA: 5, PROTOCOL: linear}", "MEASURE K: is 5"),
        ("OF: K400", "OF: 5", "SUBSETS S OF: is 5"),
        ("OF: K400", "OF: [K400]", "SUBSETS S OF: is ['K400']"),
        # Names of lists that are drawn.
        ("{S:", "{a/b:", "'a/b' cannot be the name"),
        ("{S:", "{..:", "'..' cannot be the name"),
        ("{S:", "{'':", "'' cannot be the name"),
        ("{S:", "{a__b:", "'a__b' cannot be the name"),
        ("{S:", "{" + 81 * "a" + ":", "cannot be the name"),
        ("OF: K400", "OF: S", "is drawn from S, which the study draws too"),
        ("5}}", "5}, T: {OF: S, VIDEOS: 3}}", "is drawn from S, which the study draws too"),
        ("OF: K400, VIDEOS: 5}}", "OF: T, VIDEOS: 5}, T: {OF: S, VIDEOS: 3}}", "is drawn from T"),
        ("K400 linear", "{DATA: S, PROTOCOL: linear, SPLITS: [1]}", "S is drawn by the study, and has no splits"),
        # Cells.
        ("{a: {}}", "{}", "ROWS: is missing"),
        ("{K: K400 linear}", "{}", "MEASURE: is missing"),
        ("ROWS: {a", "WITHOUT: [[a]]\nROWS: {a", "WITHOUT: leaves out all cells"),
        ("ROWS: {a", "WITHOUT: [[a, '', c]]\nROWS: {a", "has 3 labels"),
        ("{a: {}}", "{a: {MEASURE: []}}", "measures nothing in the cell of row a"),
        ("{a: {}}", "{'': {}}", "ROWS: has an empty label"),
        ("{K:", "{'':", "MEASURE: has an empty label"),
        ("ROWS:", "STATISTICS: [K400]\nROWS:", "ROWS: stands beside STATISTICS"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_line(tmp_path, old, new, says):
    assert old in SHORT
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, SHORT.replace(old, new, 1))
    assert "mine.yaml:" in str(raised.value)
    assert says in str(raised.value)


@pytest.mark.parametrize("value", ["K400", "[]", "[1]", "[[a]]", "{a: b}", "[K400, K400]", "true"])
def test_statistics_are_of_different_lists_with_names(tmp_path, value):
    with pytest.raises(ConfigError, match=r"mine\.yaml:1: STATISTICS"):
        read(tmp_path, f"STATISTICS: {value}\n")


def test_a_pipe_or_a_folder_is_no_study(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    for name, what in (("pipe", "a pipe or device"), ("folder", "a folder")):
        with pytest.raises(ConfigError, match=rf"{name}\.yaml: is {what}, and no file"):
            read_study_file(tmp_path / f"{name}.yaml")


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "a: [", "a: &x {b: *x}", "[" * 500, "\x00", "ROWS: 3", "ROWS: [1]"])
def test_no_file_breaks_the_reader(tmp_path, text):
    with pytest.raises(ConfigError, match=r"mine\.yaml"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        read_study_file(tmp_path / "none.yaml")


def test_all_tables_and_figures_of_the_paper_are_there():
    names = [f"table{number}" for number in (1, 2, 3, *range(5, 6), *range(7, 17))]
    parts = [f"table{number}{part}" for number in (4, 6) for part in "abc"]
    assert sorted(study_names()) == sorted([*names, *parts, "figure3", "figure4", "figure5"])
    assert [path.stem for path in find_studies(["table4"])] == ["table4a", "table4b", "table4c"]
    assert [path.stem for path in find_studies(["table2", "table2"])] == ["table2"]
    assert len(find_studies(["all"])) == len(study_names())


def test_a_name_that_is_wrong_gets_the_nearest_ones():
    with pytest.raises(ConfigError, match="table2"):
        find_studies(["tabel2"])


@pytest.mark.parametrize("name", study_names())
def test_a_study_of_the_package_can_be_read(name):
    study = read_study_file(find_studies([name])[0])
    assert study.title
    assert bool(study.cells) != bool(study.statistics)


def test_a_word_of_data_without_a_folder_keeps_its_name():
    with pytest.raises(ConfigError) as error:
        read_data_words(["UCF101"])
    assert "UCF101=FOLDER" in str(error.value)
