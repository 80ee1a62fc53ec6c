"""What the summary makes of the numbers of runs, here of folders that hold only those."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from rhovideo.report.drawing import LIGHT
from rhovideo.report.page import make_page
from rhovideo.report.per_video import Prediction, Predictions
from rhovideo.report.sections.answers import failing_classes
from rhovideo.report.subjects import read_subject

SAME, OTHER = "a" * 64, "b" * 64


def write_chain(folder: Path, seed: int, rho: int, accuracy: float, test_list: str = SAME) -> None:
    """A finished pre-training, and a finished classifier on it."""
    name = f"simclr_rho{rho}_seed{seed}"
    checkpoint = folder / name / "checkpoints/checkpoint_epoch_00002.pyth"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    first = {"TASK": "pretrain", "CONTRASTIVE": {"TYPE": "simclr"}, "DATA": {"TRAIN_CROP_NUM_TEMPORAL": rho}}
    write_run(folder / name, {**first, "RNG_SEED": seed}, {"knn_top1": 50.0}, {"val list": SAME})
    second = {"TASK": "linear", "RNG_SEED": seed, "TRAIN": {"CHECKPOINT_FILE_PATH": str(checkpoint)}}
    write_run(folder / f"{name}_linear", second, {"test_top1": accuracy}, {"test list": test_list})


def write_run(folder: Path, cfg: dict, results: dict, inputs: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({**cfg, "OUTPUT_DIR": str(folder)}))
    (folder / "results.json").write_text(json.dumps({**results, "task": cfg["TASK"]}))
    found = [{"role": role, "path": "/list.csv", "sha256": digest} for role, digest in inputs.items()]
    (folder / "inputs.json").write_text(json.dumps({"inputs": found, "code": {"version": "1"}}))


@pytest.fixture
def demo(tmp_path):
    """Three seeds of one setting, and three of another one of which a single seed is the best of all."""
    for seed, accuracy in enumerate((90.0, 91.0, 92.0), start=1):
        write_chain(tmp_path / "demo", seed, 2, accuracy)
    for seed, accuracy in enumerate((60.0, 70.0, 95.0), start=1):
        write_chain(tmp_path / "demo", seed, 1, accuracy)
    return tmp_path / "demo"


def test_the_headline_of_several_seeds_is_their_mean_and_the_best_is_named_as_such(demo):
    page = make_page(read_subject(demo), features=False)
    assert page.facts[:2] == [
        ("test top-1, mean ± standard deviation of n = 3 seeds", "91.0 ± 1.0 %"),
        ("the best of them, seed 3", "92.0 %"),
    ]
    assert "12 runs in 6 chains" in page.subtitle
    assert "The best seed and the best of 2 settings were chosen by this number" in page.remark
    assert "same videos of test.csv" in page.remark
    assert "have the same content" in page.remark
    best = page.answers[0]
    assert best.verdict.startswith("simclr, rho 2")
    assert "91.0 ± 1.0 % (mean ± standard deviation, n = 3 seeds)" in best.reason


def test_one_run_was_not_chosen_and_other_lists_are_no_fault(tmp_path):
    write_chain(tmp_path / "demo", 1, 2, 90.0, OTHER)
    page = make_page(read_subject(tmp_path / "demo/simclr_rho2_seed1_linear"), features=False)
    assert page.facts[0] == ("test top-1", "90.0 %")
    assert page.remark == ""
    write_chain(tmp_path / "same", 1, 2, 90.0)
    assert "validation list and the test list" in make_page(read_subject(tmp_path / "same"), features=False).remark


def test_a_group_has_one_colour_in_all_figures(tmp_path):
    """Also in a figure that the better one, a random encoder, is missing from."""
    write_chain(tmp_path / "demo", 1, 2, 60.0)
    write_run(tmp_path / "demo/random", {"TASK": "linear", "RNG_SEED": 1}, {"test_top1": 70.0}, {})
    for run in (tmp_path / "demo").iterdir():
        epochs = [{"_type": "train_epoch", "epoch": f"{epoch}/2", "loss": 1.0} for epoch in (1, 2)]
        (run / "json_stats.log").write_text("".join(f"json_stats: {json.dumps(epoch)}\n" for epoch in epochs))
    subject = read_subject(tmp_path / "demo")
    page = make_page(subject, features=False)
    figures = {plot.name: plot.draw(LIGHT).axes[0] for plot in page.plots if plot.name.startswith(("tog", "against"))}
    colours: dict[str, set[str]] = {}
    for name, axes in figures.items():
        places = dict(enumerate(label.get_text() for label in axes.get_xticklabels()))
        for line in axes.lines:
            group = line.get_label() if name.startswith("tog") else places[line.get_xdata()[0]]
            if line.get_marker() == "o":
                colours.setdefault(group, set()).add(line.get_color())
    assert {"together-pretrain-loss", "together-linear-loss", "against-encoder"} <= figures.keys()
    learned, random = (colours[group] for group in ("simclr, rho 2", "random encoder"))
    assert len(learned) == len(random) == 1
    assert learned != random


def taken_for(*pairs: tuple[int, int, int]) -> Predictions:
    """Predictions from (class, prediction, how many)."""
    return Predictions([Prediction("v.mp4", *pair, 0.5) for *pair, times in pairs for _ in range(times)], "test")


def test_classes_of_equal_accuracy_are_all_named():
    found = failing_classes(taken_for((0, 0, 8), (0, 1, 2), (1, 1, 8), (1, 0, 2), (2, 2, 10)), ["A", "B", "C"])
    assert found.verdict == "no class stands out; lowest: A and B (80.0 %)"
    assert found.tone == "neutral"


def test_only_classes_far_below_the_mean_fail():
    found = failing_classes(taken_for((0, 0, 2), (0, 1, 8), (1, 1, 7), (1, 0, 3), (2, 2, 30)), ["A", "B", "C"])
    assert (found.verdict, found.tone) == ("A", "bad")
    assert "B: 7 of 10 right" in found.reason
