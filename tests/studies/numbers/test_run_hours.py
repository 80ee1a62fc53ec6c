"""What a study has cost: each run once, though several tables have it."""

from __future__ import annotations

import pytest

from rhovideo.cli import main
from rhovideo.studies.numbers.run_hours import study_hours
from rhovideo.studies.record import read_record
from tests.studies.study_folders import cell, fill, spend, table, training, write


@pytest.fixture
def study(tmp_path):
    """Table 2 has two rows of 10 + 1 hours a seed; table 3 has the first row of it."""
    cells = [cell(row, "BYOL", "K", seeds=[1]) for row in ("1", "2")]
    folder = write(tmp_path / "study", table(cells), table(cells[:1], "table3"), seeds=[1])
    for each in cells:
        fill(folder, each, [60.0])
        spend(folder / each.pretraining[0], 10.0)
        spend(folder / each.runs[0][0], 1.0)
    return folder


def test_a_shared_run_is_in_both_tables_and_once_in_the_total(study, capsys):
    assert main(["results", str(study)]) == 0
    text = capsys.readouterr().out
    assert "table2: 22.0 GPU hours" in text
    assert "table3: 11.0 GPU hours" in text
    assert "all tables: 22.0 GPU hours; 2 runs that tables share are counted once" in text
    assert "GPU hours" in text.splitlines()[3]
    assert text.splitlines()[4].split() == ["1", "60.0", "11.0"]


def test_a_pretraining_with_two_measures_counts_once_in_its_row(study):
    both = [cell("1", "BYOL", measure, seeds=[1]) for measure in "KU"]
    write(study, table(both), seeds=[1])
    fill(study, both[1], [90.0])
    record = read_record(study)
    hours = study_hours(study, record)
    assert hours.row(record.tables[0], "1").gpu == pytest.approx(11 * 3600)
    assert hours.total.gpu == pytest.approx(11 * 3600)


def test_processors_are_told_from_gpus_and_restarts_are_added(study, capsys):
    spend(study / training("1", "BYOL", 1), 0.5, "CPU", devices=2)
    assert main(["results", str(study), "--table", "table3"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[3].split()[-4:] == ["GPU", "hours", "CPU", "hours"]
    assert text.splitlines()[4].split() == ["1", "60.0", "11.0", "0.5"]
    assert "table3: 11.0 GPU hours and 0.5 CPU hours" in text


def test_without_any_time_nothing_is_said_of_cost(tmp_path, capsys):
    one = cell("1", "BYOL", "K", seeds=[1])
    folder = write(tmp_path / "study", table([one]), seeds=[1])
    fill(folder, one, [60.0])
    assert main(["results", str(folder)]) == 0
    assert "hours" not in capsys.readouterr().out
