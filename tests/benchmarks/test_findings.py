"""The study of docs/findings.md: cells are run once, in whole seeds and in time, and tables say what rows say."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import pytest

from benchmarks.findings.__main__ import main
from benchmarks.findings.cells import Cell, cells_in_order
from benchmarks.findings.measure import plan_of
from benchmarks.findings.rows import read_rows, store_row
from benchmarks.findings.study import expected_seconds, run_study
from benchmarks.findings.tables import tables
from rhovideo.errors import JobError
from tests.configured_runs import ROOT, TINY

RECIPE, VIDEOS = "demo/{method}", 256


def cell(method="simclr", rho=2, seed=1, equal="epochs", kind="shapes"):
    return Cell(RECIPE, VIDEOS, kind, method, rho, seed, equal)


def row(cell, linear=50.0, random=20.0, **more):
    return {
        **cell.as_row(),
        "linear_top1": linear,
        "knn_top1": 40.0,
        "random_init_top1": random,
        "colour_histogram_top1": 17.5,
        "frame_average_top1": 18.5,
        "classes": 6,
        "epochs": 80,
        "steps": 640,
        "clips": 1000,
        "seconds": 60.0,
        "linear_seconds": 20.0,
        "date": "2026-01-02",
        "torch": "2.9.0",
        "rhovideo": "0.1.0",
        "fingerprint": f"{cell.kind} {cell.method} {cell.rho}",
        "random_fingerprint": f"random {cell.kind}",
        **more,
    }


def plan(cell, fingerprint=None, clips=1000):
    of_rows = row(cell)
    return SimpleNamespace(
        cell=cell,
        clips=clips,
        fingerprint=fingerprint or of_rows["fingerprint"],
        random_fingerprint=of_rows["random_fingerprint"],
    )


class Runs:
    """Stands for the runs, which take minutes: notes which cells were run, and moves a clock on."""

    def __init__(self, seconds=60.0, breaking=()):
        self.cells, self.now, self._seconds, self._breaking = [], 0.0, seconds, breaking

    def __call__(self, plan, rows):
        self.cells.append(plan.cell)
        self.now += self._seconds
        if plan.cell in self._breaking:
            raise JobError("the loss is not finite")
        return row(plan.cell, fingerprint=plan.fingerprint, seconds=self._seconds)

    def study(self, cells, results, minutes=None, **changed):
        return run_study(
            [plan(each, **changed) for each in cells], results, minutes, measure=self, clock=lambda: self.now
        )


class TestStudy:
    def test_seeds_are_outermost(self):
        cells = list(cells_in_order(RECIPE, VIDEOS, kinds=["shapes", "physics"], methods=["byol"]))
        assert [each.seed for each in cells] == [1] * 6 + [2] * 6 + [3] * 6

    def test_a_cell_is_run_once(self, tmp_path, capsys):
        results, cells = tmp_path / "rows.jsonl", [cell(rho=1), cell(rho=2)]
        assert Runs().study(cells[:1], results).run == 1
        again = Runs()
        outcome = again.study(cells, results)
        assert again.cells == cells[1:]
        assert (outcome.there, outcome.run) == (1, 1)
        assert "2 cells: 1 have a row, 1 have none, about 0.0 hours" in capsys.readouterr().out
        assert list(read_rows(results)) == cells

    def test_a_cell_of_another_recipe_is_run_again_in_its_place(self, tmp_path):
        results, cells = tmp_path / "rows.jsonl", [cell(rho=1), cell(rho=2)]
        Runs().study(cells, results)
        again = Runs()
        again.study(cells[:1], results, fingerprint="changed")
        assert again.cells == cells[:1]
        assert [each["fingerprint"] for each in read_rows(results).values()] == ["changed", "shapes simclr 2"]
        assert len(results.read_text().splitlines()) == 2

    def test_no_cell_is_started_that_does_not_fit(self, tmp_path, capsys):
        cells = [cell(seed=seed) for seed in range(1, 6)]
        runs = Runs(seconds=60.0)
        # After two cells 0.9 minutes are left, and a cell takes one.
        outcome = runs.study(cells, tmp_path / "rows.jsonl", minutes=2.9)
        assert runs.cells == cells[:2]
        assert outcome.left == 3
        assert "takes about 1.3 minutes and 0.9 minutes of 2.9 are left" in capsys.readouterr().out

    def test_more_clips_take_longer(self, tmp_path):
        rows = {cell(): row(cell(), seconds=60.0)}
        known = cell(rho=4)
        assert expected_seconds(plan(known, clips=2000), rows) == 120
        assert expected_seconds(plan(known, clips=500), rows) == 60
        # A new seed needs its random encoder.
        assert expected_seconds(plan(cell(seed=2)), rows) == 80
        assert expected_seconds(plan(cell()), {}) is None

    def test_equal_compute_of_rho_2_is_the_run_of_equal_epochs(self, tmp_path):
        results, runs = tmp_path / "rows.jsonl", Runs()
        outcome = runs.study([cell(), cell(equal="compute")], results)
        assert (outcome.run, outcome.copied) == (1, 1)
        rows = read_rows(results)
        assert rows[cell(equal="compute")] == {**rows[cell()], "equal": "compute"}

    def test_a_seed_of_the_same_recipe_is_no_copy(self, tmp_path):
        runs = Runs()
        runs.study([cell(), cell(seed=2, equal="compute")], tmp_path / "rows.jsonl")
        assert len(runs.cells) == 2

    def test_a_cell_that_fails_has_no_row_and_others_go_on(self, tmp_path, capsys):
        results, runs = tmp_path / "rows.jsonl", Runs(breaking=[cell(rho=1)])
        outcome = runs.study([cell(rho=1), cell(rho=2)], results)
        assert (outcome.failed, outcome.run) == (1, 1)
        assert list(read_rows(results)) == [cell(rho=2)]
        assert "failed, and gets no row: the loss is not finite" in capsys.readouterr().out


class TestPlan:
    def test_equal_compute_gives_rho_4_half_the_epochs_and_half_the_warm_up(self, tmp_path):
        plans = [plan_of(cell(rho=rho, equal="compute"), tmp_path) for rho in (1, 2, 4)]
        assert [each.cfg.SOLVER.MAX_EPOCH for each in plans] == [80, 80, 40]
        assert [each.cfg.SOLVER.WARMUP_EPOCHS for each in plans] == [2, 2, 1]
        assert len({each.clips for each in plans}) == 1
        assert plan_of(cell(rho=4), tmp_path).clips == 2 * plans[0].clips

    def test_the_fingerprint_is_of_what_numbers_depend_on(self, tmp_path):
        first = plan_of(cell(), tmp_path)
        assert plan_of(cell(), tmp_path / "elsewhere").fingerprint == first.fingerprint
        assert plan_of(cell(seed=2), tmp_path).fingerprint == first.fingerprint
        assert plan_of(cell(equal="compute"), tmp_path).fingerprint == first.fingerprint
        others = [
            plan_of(cell(rho=1), tmp_path),
            plan_of(cell(method="byol"), tmp_path),
            plan_of(cell(), tmp_path, epochs=3),
            plan_of(Cell(RECIPE, 128, "shapes", "simclr", 2, 1, "epochs"), tmp_path),
        ]
        assert len({first.fingerprint, *(each.fingerprint for each in others)}) == 5
        # The random encoder has no part in how the others were trained.
        assert [each.random_fingerprint == first.random_fingerprint for each in others] == [True, True, True, False]


class TestRows:
    def test_a_damaged_line_is_named(self, tmp_path):
        results = tmp_path / "rows.jsonl"
        store_row(results, row(cell()))
        results.write_text(results.read_text() + '{"kind": "sha')
        with pytest.raises(JobError, match=r"rows\.jsonl, line 2: .*remove the line"):
            read_rows(results)


def made_up():
    """Two seeds of SimCLR with rho 1 and 2, and a third of rho 2 alone."""
    accuracies = {(1, 1): 60.0, (1, 2): 64.0, (2, 1): 80.0, (2, 2): 90.0, (2, 3): 100.0}
    cells = {cell(rho=rho, seed=seed): linear for (rho, seed), linear in accuracies.items()}
    return {each: row(each, linear, random=20.0 + each.seed) for each, linear in cells.items()}


class TestTables:
    def test_numbers_are_over_seeds_and_differences_are_paired(self):
        lines = tables(made_up(), RECIPE, VIDEOS).splitlines()
        assert "| SimCLR | 1 | 62.0 ± 2.8 | +40.5 ± 2.1 | 2 |" in lines
        assert "| SimCLR | 2 | 90.0 ± 10.0 | +68.0 ± 9.0 | 3 |" in lines
        assert "| SimCLR | 4 | not measured | not measured | 0 |" in lines
        # 20 and 26, of the seeds that have both.
        assert "| SimCLR | +23.0 ± 4.2 | 2 |" in lines
        assert "| BYOL | not measured | 0 |" in lines
        assert "| random encoder, linear classifier | 22.0 ± 1.0 | 3 |" in lines
        assert "| colour histogram, logistic regression | 17.5 | |" in lines
        assert "| frame average, logistic regression | 18.5 | |" in lines
        assert "| chance | 16.7 | |" in lines
        assert lines.count("Equal epochs: not measured.") == 2

    def test_the_time_of_a_run_counts_once(self):
        rows = {each: row(each, seconds=1800.0) for each in (cell(), cell(seed=2), cell(equal="compute"))}
        text = tables(rows, RECIPE, VIDEOS)
        assert "Measured 2026-01-02 with rhovideo 0.1.0 and torch 2.9.0: 3 cells by 2 runs, 1.0 hours." in text

    def test_a_single_seed_has_no_deviation(self):
        assert "| SimCLR | 2 | 50.0 | +30.0 | 1 |" in tables({cell(): row(cell())}, RECIPE, VIDEOS)

    def test_rows_of_other_recipes_are_left_out_and_named(self):
        small = Cell("small/{method}_cpu", VIDEOS, "shapes", "simclr", 2, 1, "epochs")
        text = tables(made_up() | {small: row(small, 1.0)}, RECIPE, VIDEOS)
        assert "| SimCLR | 2 | 90.0 ± 10.0 |" in text
        assert "--recipe 'small/{method}_cpu' --videos 256" in text

    def test_seeds_of_different_recipes_are_called_so(self):
        rows = made_up()
        assert "different recipes" not in tables(rows, RECIPE, VIDEOS)
        rows[cell()]["fingerprint"] = "older"
        assert "**SimCLR, ρ = 2: the seeds are of different recipes or videos.**" in tables(rows, RECIPE, VIDEOS)

    def test_without_rows_all_is_not_measured(self, tmp_path, capsys):
        assert main(["--table", "--results", str(tmp_path / "none.jsonl")]) == 0
        assert capsys.readouterr().out.count("not measured") == 6

    def test_other_kinds_are_shown_alone(self):
        mixed = Cell("small/{method}_cpu", 480, "mixed", "simclr", 2, 1, "epochs")
        text = tables(made_up() | {mixed: row(mixed, 70.0)}, mixed.recipe, 480)
        assert "## Mixed" in text
        assert "## Shapes" not in text
        assert "## Mixed" not in tables(made_up() | {mixed: row(mixed, 70.0)}, RECIPE, VIDEOS)

    def test_the_length_of_a_training_is_told(self):
        assert "Equal epochs (80):" in tables(made_up(), RECIPE, VIDEOS)

    def test_the_plot_is_a_picture(self, tmp_path):
        results = tmp_path / "rows.jsonl"
        for each in made_up().values():
            store_row(results, each)
        assert main(["--plot", str(tmp_path / "plots/a.png"), "--results", str(results)]) == 0
        picture = cv2.imread(str(tmp_path / "plots/a.png"))
        assert picture.shape[1] > 2 * picture.shape[0]
        # The blue of SimCLR's line.
        assert (abs(picture[..., ::-1].astype(int) - (0, 114, 178)).max(-1) < 8).sum() > 100

    def test_a_plot_of_nothing_is_refused(self, tmp_path, capsys):
        assert main(["--plot", str(tmp_path / "a.png"), "--results", str(tmp_path / "none.jsonl")]) == 1
        assert "run the study first" in capsys.readouterr().err


def test_wrong_arguments_say_what_to_write(tmp_path, capsys):
    out = ["--out", str(tmp_path), "--results", str(tmp_path / "rows.jsonl")]
    assert main([*out, "--recipe", "demo/simclr"]) == 2
    assert "{method}" in capsys.readouterr().err
    assert main([*out, "--recipe", "nothing/{method}", "--kind", "shapes"]) == 2
    assert "nothing/simclr" in capsys.readouterr().err
    assert main(["--out", str(tmp_path), "--epochs", "1"]) == 2
    assert "--results FILE.jsonl" in capsys.readouterr().err


@pytest.fixture
def tiny_study(tmp_path):
    """The arguments of a study whose cells take seconds."""
    for name, task in (("simclr", "pretrain"), ("linear", "linear")):
        (tmp_path / f"{name}.yaml").write_text(f"TASK: {task}\n{TINY.replace('DEPTH: 50', 'DEPTH: 18')}")
    (tmp_path / "simclr.yaml").write_text(
        (tmp_path / "simclr.yaml").read_text().replace("DIM: 8,", "TYPE: simclr, DIM: 8,")
    )
    arguments = ["--kind", "shapes", "--method", "simclr", "--rho", "2", "--videos", "16"]
    arguments += ["--recipe", str(tmp_path / "{method}.yaml"), "--out", str(tmp_path / "out")]
    return [*arguments, "--results", str(tmp_path / "rows.jsonl")]


def environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_a_study_measures_and_is_resumed(tiny_study, tmp_path, capsys):
    assert main([*tiny_study, "--seed", "1"]) == 0
    (found,) = (json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines())
    for name in ("linear_top1", "knn_top1", "random_init_top1", "colour_histogram_top1", "frame_average_top1"):
        assert 0 <= found[name] <= 100, name
    # Two steps of 8 videos an epoch, for two epochs, of two clips each.
    assert (found["epochs"], found["steps"], found["clips"], found["classes"]) == (2, 4, 64, 6)
    assert 0 < found["linear_seconds"] < found["seconds"]
    assert main([*tiny_study, "--seed", "1", "--equal", "epochs", "compute"]) == 0
    assert "0 run, 1 copied, 1 were there" in capsys.readouterr().out


def test_ctrl_c_leaves_whole_rows(tiny_study, tmp_path):
    """The first cell is kept, and the second, in which Ctrl-C comes, has no row."""
    results = tmp_path / "rows.jsonl"
    command = [sys.executable, "-m", "benchmarks.findings", *tiny_study, "--seed", "1", "2", "3", "4"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 240
    while not results.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "stopped; the cell that was running has no row" in said
    assert "Traceback" not in said
    assert 1 <= len(read_rows(results)) < 4
