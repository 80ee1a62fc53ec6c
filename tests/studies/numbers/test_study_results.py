"""``rhovideo results`` of a study with tables: what a person reads, in each format."""

from __future__ import annotations

import csv
import io
import json
import shutil
import statistics
import subprocess
from dataclasses import replace

import pytest

from rhovideo.cli import main
from rhovideo.runs.lock import held
from rhovideo.studies.numbers.formats import as_text
from rhovideo.studies.numbers.layout import Grid, Head
from rhovideo.studies.record import CellRecord, StatedFigure
from tests.studies.study_folders import begin_run, cell, fill, finish_run, spend, table, training, write


def said(capsys, *words) -> str:
    assert main(["results", *map(str, words)]) == 0
    return capsys.readouterr().out


def lines(text: str) -> dict[str, list[str]]:
    """The rows of a table of text by their labels, without spaces."""
    return {line.split("  ")[0]: line.split() for line in text.splitlines() if line}


def numbers(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def study(tmp_path):
    """Two rows, two methods and two measures; BYOL with two clips lacks a seed, MoCo's are not there at all."""
    folder = tmp_path / "study"
    cells = [
        cell("1", "BYOL", "K", StatedFigure(62.0, derived=True)),
        cell("1", "BYOL", "U"),
        cell("1", "MoCo", "K", StatedFigure(65.8)),
        cell("2", "BYOL", "K", StatedFigure(65.8)),
        cell("2", "BYOL", "U"),
        CellRecord("2", "MoCo", "K", left_out="needs AVA", stated=StatedFigure(67.3)),
    ]
    write(folder, table(cells))
    fill(folder, cells[0], [61.0, 62.0, 63.0])
    fill(folder, cells[1], [90.0, 91.0, 92.0])
    fill(folder, cells[3], [65.0, 66.0])
    fill(folder, cells[4], [91.0])
    return folder


def test_a_table_has_means_deviations_states_and_the_papers_numbers(study, capsys):
    text = said(capsys, study)
    rows = lines(text)
    assert text.splitlines()[0] == "table2: Clips of a video"
    assert rows["rho"] == ["rho", "K", "U", "K", "U"]
    one = ["1", "62.0", "±", "1.0", "(62.0†)", "91.0", "±", "1.0", "not", "started", "(65.8)", "-"]
    assert rows["1"] == one
    assert rows["2"] == ["2", "65.5", "±", "0.7", "(65.8)", "91.0", "needs", "AVA", "(67.3)", "-"]
    assert "† derived: arithmetic on two numbers" in text
    assert "sample standard deviation over the seeds. The study has 3 seeds" in text
    assert "Only 1 of 3 seeds: 2/BYOL/U (the others: not started)" in text
    assert "Only 2 of 3 seeds: 2/BYOL/K (the others: not started)" in text


def test_text_is_aligned_with_the_methods_over_their_measures():
    heads = [Head("", "rho"), Head("BYOL", "K"), Head("BYOL", "U"), Head("MoCo, long", "K"), Head("", "GPU hours")]
    rows = [["1", "62.0 ± 1.0 (62.0†)", "91.0", "running", "12"], ["10", "5.0", "", "65.8", "1,200"]]
    text = as_text(Grid("", "", heads, rows))
    assert text.splitlines() == [
        "     --------- BYOL ---------  MoCo, long",
        "rho                   K     U           K  GPU hours",
        "1    62.0 ± 1.0 (62.0†)  91.0     running         12",
        "10          5.0             -        65.8      1,200",
    ], text


def test_over_seeds_a_number_is_the_mean_of_its_splits(tmp_path, capsys):
    one = cell("1", "", "U", names=["UCF101_split1_finetune", "UCF101_split2_finetune"])
    folder = write(tmp_path / "study", table([one]))
    fill(folder, one, [[90.0, 92.0], [91.0, 93.0], [95.0]])
    text = said(capsys, folder)
    assert f"91.5 ± {statistics.stdev([91, 92]):.1f}" in text
    assert "each seed's number is the mean over its splits" in text
    assert "Only 2 of 3 seeds" in text
    found = numbers(said(capsys, folder, "--format", "csv"))
    assert [(row["seed"], row["split"], row["value"]) for row in found[:4]] == [
        *(("1", "1", "90"), ("1", "2", "92")),
        *(("2", "1", "91"), ("2", "2", "93")),
    ]
    assert found[5]["value"] == ""
    assert found[5]["state"] == "not started"


def test_with_one_seed_the_deviation_is_over_the_splits_and_the_note_says_so(tmp_path, capsys):
    one = cell("1", "", "U", names=["UCF101_split1_finetune", "UCF101_split2_finetune"], seeds=[1])
    folder = write(tmp_path / "study", table([one]), seeds=[1])
    fill(folder, one, [[90.0, 92.0]])
    text = said(capsys, folder)
    assert f"91.0 ± {statistics.stdev([90, 92]):.1f}" in text
    assert "± of U: sample standard deviation over the splits. The study has one seed, 1." in text
    assert "over the seeds" not in text


@pytest.mark.parametrize("wrong", ["seed", "encoder", "random"])
def test_a_run_of_other_settings_gives_no_number(tmp_path, capsys, wrong):
    one = cell("1", "BYOL", "K", seeds=[1])
    folder = write(tmp_path / "study", table([one]), seeds=[1])
    fill(folder, one, [70.0])
    assert "70.0" in said(capsys, folder)
    start = {"seed": one.pretraining[0], "encoder": "runs/another/training", "random": ""}[wrong]
    source = folder / start if start else None
    finish_run(folder / one.runs[0][0], "finetune", 2 if wrong == "seed" else 1, source, test_top1=70.0)
    text = said(capsys, folder)
    assert "70.0" not in text
    assert "other settings" in text


def test_weights_that_were_to_be_random_are_not_those_of_a_checkpoint(tmp_path, capsys):
    one = replace(cell("1", "BYOL", "K", seeds=[1]), pretraining=[""])
    folder = write(tmp_path / "study", table([one]), seeds=[1])
    finish_run(folder / one.runs[0][0], "linear", 1, None, test_top1=11.5)
    assert "11.5" in said(capsys, folder)
    finish_run(folder / one.runs[0][0], "linear", 1, folder / "runs/x/training", test_top1=11.5)
    assert "other settings" in said(capsys, folder)


def test_a_table_of_later_seeds_has_their_numbers(tmp_path, capsys):
    """The study was begun with seed 1, and this table was added with seed 2 alone."""
    one = cell("1", "BYOL", "K", seeds=[2])
    folder = write(tmp_path / "study", table([one]), seeds=[1, 2])
    start = folder / one.pretraining[0]
    finish_run(folder / one.runs[0][0], "finetune", 2, start, test_top1=70.0)
    (row,) = numbers(said(capsys, folder, "--format", "csv"))
    assert (row["seed"], row["value"]) == ("2", "70")


def test_a_moved_study_keeps_its_numbers(study, tmp_path, capsys):
    before = said(capsys, study)
    shutil.move(study, tmp_path / "elsewhere")
    assert said(capsys, tmp_path / "elsewhere") == before


def test_a_job_that_waits_for_its_pretraining_has_its_state(tmp_path, capsys):
    cells = [cell(row, "BYOL", "K", seeds=[1]) for row in ("1", "2")]
    folder = write(tmp_path / "study", table(cells), seeds=[1])
    begin_run(folder / training("1", "BYOL", 1), "pretrain", 1)
    (folder / training("1", "BYOL", 1) / "failure.txt").write_text("rank 0: the disk is full\n")
    begin_run(folder / training("2", "BYOL", 1), "pretrain", 1)
    with held(folder / training("2", "BYOL", 1)):
        rows = lines(said(capsys, folder))
    assert rows["1"][1:] == ["failed"]
    assert rows["2"][1:] == ["running"]


def test_several_labels_and_boxes_have_mean_average_precisions(tmp_path, capsys):
    cells = [cell("1", "", measure, seeds=[1]) for measure in ("Charades", "AVA", "N")]
    folder = write(tmp_path / "study", table(cells), seeds=[1])
    start = folder / training("1", "", 1)
    finish_run(start, "pretrain", 1)
    several = {"DATA": {"MULTI_LABEL": True}}
    runs = [folder / each.runs[0][0] for each in cells]
    finish_run(runs[0], "finetune", 1, start, keys=several, test_map=33.5, test_top1=1.0)
    finish_run(runs[1], "detection", 1, start, test_map=21.25)
    finish_run(runs[2], "knn", 1, start, knn_top1=40.0)
    assert lines(said(capsys, folder))["1"][1:] == ["33.5", "21.2", "40.0"]


def test_official_videos_are_counted(study, capsys):
    run = study / cell("1", "BYOL", "K").runs[0][0]
    official = {"dataset": "Kinetics-400", "split": "validation", "listed": 19404, "official": 19761}
    test_list = {"role": "test list", "path": "/data/test.csv", "sha256": "0", "size": 1, "official": official}
    (run / "inputs.json").write_text(json.dumps({"inputs": [test_list], "code": {}}))
    (run / "results.json").write_text(json.dumps({"test_top1": 62.0, "test_videos": 19400}))
    assert "K: measured on 19,400 of 19,761 official videos" in said(capsys, study)


@pytest.mark.parametrize("form", ["text", "markdown", "latex"])
def test_numbers_that_are_not_comparable_say_so_in_every_format(study, capsys, form):
    write(study, table([cell("1", "BYOL", "K")]), overrides=["SOLVER.MAX_EPOCH", "10"])
    text = said(capsys, study, "--format", form).replace("\\_", "_")
    assert "Not comparable with the paper's numbers: the study was run with SOLVER.MAX_EPOCH 10" in text
    write(study, table([cell("1", "BYOL", "K")]), miniature=True)
    assert "no number means anything" in said(capsys, study, "--format", form)


def test_csv_has_a_line_for_each_run_that_pandas_can_group(study, capsys):
    spend(study / cell("1", "BYOL", "K").runs[0][0], 4.0)
    spend(study / training("1", "BYOL", 1), 100.0)
    rows = numbers(said(capsys, study, "--format", "csv"))
    assert rows[0] == {
        **{"table": "table2", "row": "1", "column": "BYOL", "measure": "K", "seed": "1", "split": "", "value": "61"},
        **{"stated": "62", "derived": "True", "folder": "runs/BYOL_rho1_seed1/K_finetune", "state": "finished"},
        **{"hours": "4", "training": "runs/BYOL_rho1_seed1/training", "training_hours": "100"},
    }
    wanted = ["table", "row", "column", "measure", "seed", "split", "value", "stated", "folder"]
    assert list(rows[0])[:9] == wanted
    assert rows[-1] | {"stated": "67.3", "state": "needs AVA", "value": "", "folder": ""} == rows[-1]


def test_markdown_is_one_table_with_whole_headings(study, capsys):
    text = said(capsys, study, "--format", "markdown")
    assert "| rho | BYOL K | BYOL U | MoCo K | MoCo U |" in text
    assert "| 1 | 62.0 ± 1.0 (62.0†) | 91.0 ± 1.0 | not started (65.8) | - |" in text
    assert text.startswith("### table2: Clips of a video\n")


def test_one_table_of_several_is_chosen_by_its_name(study, capsys):
    cells = [cell("1", "BYOL", "K")]
    write(study, table(cells), table(cells, "table_9"))
    assert "table2" not in said(capsys, study, "--table", "table_9")
    assert main(["results", str(study), "--table", "table9"]) != 0
    assert "write one of table2, table_9" in capsys.readouterr().err


@pytest.fixture
def awkward(study):
    """A table with the signs that LaTeX takes for its own."""
    one = cell("50 % & more", "a_b", "K~1", seeds=[1])
    title = "τ × ρ: #1 {x} \\y ^ $ <5> ∞"
    write(study, replace(table([one], "table_9"), title=title, row_heading="ρ_x"), seeds=[1])
    fill(study, one, [50.0])
    return study


def test_latex_has_rules_groups_and_no_bare_signs(study, awkward, capsys):
    text = said(capsys, awkward, "--format", "latex")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\cmidrule(lr){2-2}"))
    assert r"50 \% \& more & 50.0 \\" in text
    assert r"\multicolumn{1}{c}{a\_b}" in text
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    columns = len("lr")
    rows = [line for line in body.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert [line.replace(r"\&", "").count("&") for line in rows] == [columns - 1] * 2


def test_latex_compiles(awkward, tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("no TeX on the PATH")
    assert main(["results", str(awkward), "--out", str(tmp_path / "tables.tex")]) == 0
    uses = r"\usepackage[utf8]{inputenc}\usepackage{booktabs}"
    (tmp_path / "paper.tex").write_text(
        rf"\documentclass{{article}}{uses}\begin{{document}}\input{{tables.tex}}\end{{document}}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]


def test_latex_of_a_sweep_is_a_table_too(tmp_path, capsys):
    finish_run(tmp_path / "outputs/a_run", "linear", 1, test_top1=12.5)
    text = said(capsys, tmp_path / "outputs", "--format", "latex")
    assert r"a\_run & linear & finished & top1 & 12.50 \\" in text


def test_options_of_studies_are_refused_elsewhere(tmp_path, capsys):
    finish_run(tmp_path / "run", "linear", 1, test_top1=12.5)
    assert main(["results", str(tmp_path / "run"), "--table", "table2"]) != 0
    assert "is no folder of `rhovideo study`: leave --table out" in capsys.readouterr().err
