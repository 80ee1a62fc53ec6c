"""The page and the figures of a study's tables, as a reader sees them."""

from __future__ import annotations

import re

import pytest

from rhovideo.cli import main
from rhovideo.report.drawing import LIGHT
from rhovideo.report.study.study_plots import draw_table
from rhovideo.studies.numbers.study_results import read_study_results
from rhovideo.studies.record import StatedFigure, TableRecord
from tests.browser import open_page
from tests.studies.study_folders import cell, fill, spend, table, training, write


@pytest.fixture
def study(tmp_path):
    """Three rows of two methods, one without numbers; a table of bars, and one of lists that are not there."""
    cells = [
        cell(row, method, measure, StatedFigure(60.0 + int(row)) if measure == "K" else None)
        for row in "123"
        for method in ("BYOL", "<MoCo>")
        for measure in "KU"
    ]
    lists = TableRecord("table1", "Data sets", "", ["K400"], [""], [], lists={"K400": str(tmp_path / "none.csv")})
    folder = write(tmp_path / "a study", table(cells), table(cells[:4], "table9", plot="bars"), lists)
    for each in cells[:8]:
        fill(folder, each, [60.0 + int(each.row), 61.0 + int(each.row)])
    spend(folder / training("1", "BYOL", 1), 12.0)
    return folder


@pytest.mark.parametrize(("words", "name"), [(["results"], "page.html"), (["report"], "report.html")])
def test_one_page_has_all_tables_their_figures_and_the_cost(study, tmp_path, words, name):
    page = study / name
    assert main([*words, str(study), "--out", str(page)]) == 0
    opened = open_page(page, tmp_path)
    assert opened.faults == []
    assert list(opened.heights) == ["summary", "table2", "table9", "table1", "runs"]
    assert opened.dom.count("<svg") == 3
    assert "12.0 GPU hours" in opened.dom
    # Table 9 has cells of table 2, which count once.
    assert "4 of 4 numbers within 1 point" in opened.dom
    assert "0 of 12 numbers" in opened.dom
    narrow = open_page(page, tmp_path, width=500, dark=True)
    assert narrow.faults == []


def test_links_lead_to_the_files_of_the_runs(study):
    page = study.parent / "pages/page.html"
    assert main(["results", str(study), "--out", str(page)]) == 0
    links = re.findall(r'<td><a href="([^"]+)">', page.read_text())
    assert "../a%20study/runs/BYOL_rho1_seed1/K_finetune/results.json" in links
    assert all(
        (page.parent / link.replace("%20", " ").replace("%3C", "<").replace("%3E", ">")).is_file() for link in links
    )


def test_a_page_of_other_settings_compares_nothing(study):
    results = read_study_results(study)
    write(study, *results.record.tables, overrides=["SOLVER.MAX_EPOCH", "2"])
    page = study / "page.html"
    assert main(["results", str(study), "--out", str(page)]) == 0
    assert "Not comparable" in page.read_text()
    assert "within 1 point" not in page.read_text()


@pytest.mark.parametrize("name", ["a.png", "a.pdf", "a.svg"])
def test_a_figure_is_written_for_each_table(study, tmp_path, name):
    assert main(["results", str(study), "--plot", str(tmp_path / "new" / name)]) == 0
    stem, _, ending = name.partition(".")
    found = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert found == [f"{stem}_{table}.{ending}" for table in ("table1", "table2", "table9")]
    start = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}[ending]
    assert all((tmp_path / "new" / name).read_bytes().startswith(start) for name in found)


def test_another_ending_is_refused(study, tmp_path, capsys):
    assert main(["results", str(study), "--plot", str(tmp_path / "a.jpg")]) != 0
    assert "one of .png .pdf .svg" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.png", "a.PDF", "a.svg"])
def test_a_picture_as_out_is_told_to_be_a_plot(study, tmp_path, capsys, name):
    assert main(["results", str(study), "--out", str(tmp_path / name)]) == 2
    assert f"write --plot {tmp_path / name}" in capsys.readouterr().err
    assert not (tmp_path / name).exists()


def test_lines_show_means_deviations_and_the_papers_numbers_hollow(study):
    results = read_study_results(study, "table2")
    figure = draw_table(results, results.record.tables[0], LIGHT)
    panels = figure.axes
    assert [panel.get_title(loc="left") for panel in panels] == ["K", "U"]
    lines = [container.lines[0] for container in panels[0].containers]
    assert [line.get_ydata().tolist() for line in lines] == [[61.5, 62.5], [61.5, 62.5]]
    bars = panels[0].containers[0].lines[2][0].get_segments()
    assert bars[0][1][1] - bars[0][0][1] == pytest.approx(2 * 0.5**0.5)
    hollow = [line for line in panels[0].lines if line.get_markerfacecolor() == "none"]
    assert [float(line.get_ydata()[0]) for line in hollow] == [61.0, 62.0, 63.0] * 2
    assert [text.get_text() for text in panels[0].get_xticklabels()] == ["1", "2", "3"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["BYOL", "<MoCo>", "hollow: the paper's number"]


def test_bars_begin_at_zero_and_carry_their_numbers(study):
    results = read_study_results(study, "table9")
    panel = draw_table(results, results.record.tables[0], LIGHT).axes[0]
    assert [patch.get_height() for patch in panel.patches] == [61.5, 61.5]
    assert panel.get_ylim()[0] == 0
    assert [text.get_text() for text in panel.texts] == ["61.5", "61.5"]
