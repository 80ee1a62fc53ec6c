"""Three of the paper's tables in miniature: statistics, five downstream tasks, and lists of one's own."""

import csv
import io

import pytest

from rhovideo.cli import main
from rhovideo.studies.record import read_record

TABLES = ("table1", "table10", "table13")


@pytest.mark.slow
def test_every_cell_of_three_tables_gets_a_number(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["study", *TABLES, "--miniature", "--workers", "2", "--out", str(out)]) == 0, capsys.readouterr().err
    cells = [cell for table in read_record(out).tables for cell in table.cells]
    assert len(cells) == 39 + 12
    assert not [cell.left_out for cell in cells if cell.left_out]
    capsys.readouterr()
    assert main(["results", str(out), "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    numbers = {(row["table"], row["row"], row["column"], row["measure"]): row["value"] for row in rows}
    missing = [cell for cell in cells if not numbers.get(_key(out, cell))]
    assert not missing
    assert main(["results", str(out)]) == 0
    text = capsys.readouterr().out
    assert all(f"{name}: " in text for name in TABLES)
    assert "no number means anything" in text


def _key(out, cell):
    table = next(table.name for table in read_record(out).tables if cell in table.cells)
    return table, cell.row, cell.column, cell.measure
