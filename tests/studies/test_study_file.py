"""A study's file: what it says, and what is wrong with it."""

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
