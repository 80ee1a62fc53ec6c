"""The page of real runs, in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape

import cv2
import pytest

from rhovideo.cli import main
from rhovideo.config.task_defaults import MEASURES
from rhovideo.report import write_report
from rhovideo.report.subjects import read_subject
from tests.browser import open_page, print_page

RUN_SECTIONS = [
    *("summary", "run", "results", "curves", "clips", "neighbours", "map", "classes", "confusion", "mistakes"),
    *("warnings", "again"),
]


@pytest.fixture(scope="session")
def run_page(linear_run, tmp_path_factory):
    return write_report(linear_run, tmp_path_factory.mktemp("page") / "run.html")


def test_every_section_of_a_run_is_visible_without_an_error(run_page, tmp_path):
    opened = open_page(run_page, tmp_path)
    assert opened.faults == []
    assert list(opened.heights) == RUN_SECTIONS
    assert opened.hover.startswith("data:image/jpeg;base64"), opened.hover


def test_the_theme_follows_the_system_and_can_be_switched(run_page, tmp_path):
    dark, light = (open_page(run_page, tmp_path, dark=dark) for dark in (True, False))
    assert dark.faults == []
    assert dark.paper != dark.switched_paper
    assert light.paper == dark.switched_paper


def test_a_narrow_window_needs_no_sideways_scrolling(run_page, tmp_path):
    assert open_page(run_page, tmp_path, width=640).faults == []


def test_the_printed_page_has_every_section_on_white_paper(run_page, tmp_path):
    pdf = print_page(run_page, tmp_path)
    headings = [unescape(heading) for heading in re.findall(r"<h2>([^<]+)</h2>", run_page.read_text())]
    assert len(headings) == len(RUN_SECTIONS)
    missing = [heading for heading in headings if heading.encode() not in pdf]
    assert missing == []
    # A sheet of A4 is 794 pixels wide, less its margins.
    for dark in (True, False):
        printed = open_page(run_page, tmp_path, dark=dark, width=720, printed=True)
        assert printed.faults == []
        # A theme that was chosen on the screen does not reach the paper either.
        assert printed.paper == printed.switched_paper == "rgb(255, 255, 255)"


def test_the_page_asks_for_nothing_from_elsewhere(run_page):
    text = run_page.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', text)
    assert not re.findall(r"url\((?!#)", text)
    assert "default-src 'none'" in text


def test_the_page_has_what_was_run_and_every_signal(run_page):
    text = run_page.read_text()
    for words in ("train.csv", "CPU hours", "Wilson", "SOLVER.BASE_LR", "rhovideo run --cfg", "data:image/webp"):
        assert words in text, words
    for title in ("Loss", "Cosine similarity", "Standard deviation of embeddings", "k-NN accuracy", "Learning rate"):
        assert title in text, title
    for title in ("Time of a step", "waiting for data", "Training accuracy"):
        assert title in text, title
    for question in ("How good is it?", "overfitting?", "bottleneck?", "Which classes fail?"):
        assert question in text, question


def test_a_study_compares_its_cells(study, tmp_path):
    page = write_report(study, tmp_path / "study.html")
    opened = open_page(page, tmp_path)
    assert opened.faults == []
    assert list(opened.heights) == ["summary", "cells", "swept", "together", *RUN_SECTIONS[1:]]
    text = page.read_text()
    assert "Which run is best?" in text
    assert "n = 2 seeds" in text
    cells = text[text.index('id="cells"') : text.index('id="swept"')]
    assert cells.count("<tr") == 1 + 4


def test_a_pretraining_without_labels_says_why_parts_are_missing(workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(workplace)
    run = next((workplace / "study").glob("*/pre"))
    copy = tmp_path / "pre"
    shutil.copytree(run, copy)
    page = write_report(copy, tmp_path / "page.html", features=False)
    opened = open_page(page, tmp_path)
    assert opened.faults == []
    assert list(opened.heights) == RUN_SECTIONS
    assert "--no-features" in page.read_text()


def test_features_of_a_pretraining_give_predictions_and_neighbours(study, tmp_path):
    text = write_report(next(study.glob("*/pre")), tmp_path / "page.html").read_text()
    assert "nearest neighbours, computed for this page with pre/checkpoint_epoch_00002.pyth" in text
    assert "12 of the 12 videos of val.csv and 16 of the 16 videos of train.csv" in text


def test_markdown_and_figures_alone(linear_run, tmp_path, capsys):
    assert main(["report", str(linear_run), "--out", str(tmp_path / "run.md"), "--no-features"]) == 0
    text = (tmp_path / "run.md").read_text()
    assert text.startswith("# pre, then lin\n")
    assert "**Is it overfitting?**" in text
    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert len(pictures) > 8
    assert all(cv2.imread(str(tmp_path / name)) is not None for name in pictures)
    assert main(["report", str(linear_run), "--format", "png", "--out", str(tmp_path / "alone"), "--no-features"]) == 0
    assert len(list((tmp_path / "alone").glob("*.png"))) == len(pictures)
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "run.md"), str(tmp_path / "alone")]


def test_a_folder_that_is_no_run_is_named(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert f"{tmp_path}: neither a run's folder nor a study's" in capsys.readouterr().err


def test_a_missing_library_is_named_with_the_command(linear_run, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert main(["report", str(linear_run), "--out", str(tmp_path / "page.html")]) == 1
    assert "pip install 'rhovideo[report]'" in capsys.readouterr().err


def test_an_evaluation_shows_its_outcome(linear_run, tmp_path):
    copy = tmp_path / "evaluation"
    shutil.copytree(linear_run, copy)
    why = "there is no figure of K400 linear for this checkpoint"
    (copy / "eval.json").write_text(json.dumps({"not_compared_because": why, "value": 33.3}))
    text = write_report(copy, tmp_path / "page.html", features=False).read_text()
    assert f"Evaluation {copy}: " in text
    assert why in text


def test_a_folder_of_runs_that_was_moved_is_read_where_it_is(workplace, tmp_path):
    """All runs name each other and the data by the place where they were made."""
    made = tmp_path / "made"
    cell = next((workplace / "study").glob("*/pre")).parent
    for name in ("pre", "lin"):
        shutil.copytree(cell / name, made / name)
    shutil.copytree(workplace / "data", made / "videos")
    for config in made.glob("*/config.yaml"):
        text = config.read_text().replace("PATH_TO_DATA_DIR: data", f"PATH_TO_DATA_DIR: {made}/videos")
        old = re.search(r"CHECKPOINT_FILE_PATH: (\S+/pre)/", text)
        config.write_text(text.replace(old[1], f"{made}/pre") if old else text)
    moved = made.rename(tmp_path / "moved")
    text = write_report(moved, tmp_path / "page.html").read_text()
    cells = text[text.index('id="cells"') : text.index('id="swept"')]
    assert cells.count("<tr") == 1 + 1
    assert "data:image/webp" in text
    assert "12 of the 12 videos of val.csv" in text


@pytest.mark.parametrize("task", MEASURES)
def test_the_run_that_is_measured_is_found_next_to_one_that_was_moved_with_it(tmp_path, task):
    checkpoint = tmp_path / "pre/checkpoints/checkpoint_epoch_00001.pyth"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    (tmp_path / "pre/config.yaml").write_text("TASK: pretrain\n")
    (tmp_path / "measured").mkdir()
    named = "TEST: {CHECKPOINT_FILE_PATH: /elsewhere/pre/checkpoints/checkpoint_epoch_00001.pyth}"
    # A training configuration that is only to measure still names what the training began with.
    began = "TRAIN: {CHECKPOINT_FILE_PATH: /elsewhere/other/checkpoints/checkpoint_epoch_00009.pyth}"
    (tmp_path / "measured/config.yaml").write_text(f"TASK: {task}\n{named}\n{began}\n")
    (chain,) = read_subject(tmp_path / "measured").chains
    assert [run.folder.name for run in chain.runs] == ["pre", "measured"]
