"""Warnings of a collapse or stall: while it lasts, once, with what to change; silent on healthy numbers."""

import pytest

from rhovideo.config import load_cfg
from rhovideo.demo import write_synthetic
from rhovideo.engine.log.collapse_watch import CollapseWatch
from rhovideo.engine.run import run

HEALTHY = {"embedding_std": 0.6, "positive_similarity": 0.75, "negative_similarity": 0.35}


def watch(method="simclr", steps=20, *overrides):
    cfg = load_cfg(f"demo/{method}", ["DATA.PATH_TO_DATA_DIR", "nowhere", *overrides])
    return CollapseWatch(cfg, steps)


def warnings(watch, epochs, means, first=1):
    return [warning for number in range(first, first + epochs) for warning in watch.after_epoch(number, means)]


def test_healthy_numbers_are_silent():
    for method in ("simclr", "moco", "byol", "swav"):
        prototypes = (
            {"prediction_entropy": 0.995, "code_entropy": 0.85, "prototype_usage": 0.3} if method == "swav" else {}
        )
        assert warnings(watch(method), 50, HEALTHY | prototypes) == []


@pytest.mark.parametrize(
    ("method", "shown", "said"),
    [
        ("byol", {"embedding_std": 0.02}, "embedding_std is 0.02"),
        ("moco", {"positive_similarity": 0.9, "negative_similarity": 0.9}, "no more alike"),
        ("swav", {"code_entropy": 1.0}, "belongs to all prototypes equally"),
        ("swav", {"prototype_usage": 0.05}, "choose the same few prototypes"),
    ],
)
def test_a_symptom_that_lasts_is_named_once_with_its_epoch_and_a_remedy(method, shown, said):
    watching = watch(method, 20)
    assert warnings(watching, 6, HEALTHY) == []
    found = warnings(watching, 20, HEALTHY | shown, first=7)
    assert len(found) == 1
    assert said in found[0]
    assert "since epoch 7" in found[0]
    assert "CONTRASTIVE." in found[0]


def test_what_passes_within_some_epochs_is_not_named():
    watching = watch("simclr", 20)
    for first in range(1, 30, 3):
        assert warnings(watching, 2, HEALTHY | {"embedding_std": 0.02}, first) == []
        assert warnings(watching, 1, HEALTHY, first + 2) == []


def test_short_epochs_are_given_some_steps():
    """Epochs of two steps: the first warning comes after 60 steps."""
    watching = watch("simclr", 2)
    assert warnings(watching, 29, HEALTHY | {"embedding_std": 0.02}) == []
    assert len(watching.after_epoch(30, HEALTHY | {"embedding_std": 0.02})) == 1


def test_frozen_prototypes_are_no_stall():
    watching = watch("swav", 20, "CONTRASTIVE.SWAV_FREEZE_EPOCHS", "10")
    assert warnings(watching, 10, HEALTHY | {"code_entropy": 1.0}) == []
    assert "since epoch 11" in warnings(watching, 10, HEALTHY | {"code_entropy": 1.0}, first=11)[0]


def test_a_number_that_is_not_logged_is_no_symptom():
    assert warnings(watch("byol"), 30, {"loss": 1.0, "epoch": "3/30"}) == []
    assert warnings(watch("byol"), 30, HEALTHY | {"negative_similarity": float("nan")}) == []


OLD_SWAV = (
    *("CONTRASTIVE.T", 0.1, "CONTRASTIVE.SWAV_NUM_PROTOTYPES", 16),
    *("CONTRASTIVE.BN_EMBEDDING", False, "DATA.STANDARDISE_CLIPS", False),
)


@pytest.mark.parametrize(
    ("recipe", "overrides", "warned"), [("demo/swav", OLD_SWAV, 1), ("demo/swav", (), 0), ("demo/simclr", (), 0)]
)
def test_a_real_training_that_collapses_warns_and_a_healthy_one_does_not(tmp_path, recipe, overrides, warned):
    data = write_synthetic(tmp_path / "data", num_classes=4, train_videos=32, val_videos=4, seconds=2.0, size=(48, 48))
    small = ("DATA.TRAIN_CROP_SIZE", 32, "DATA.NUM_FRAMES", 2, "TRAIN.BATCH_SIZE", 8, "TRAIN.EVAL_PERIOD", 0)
    places = ("DATA.PATH_TO_DATA_DIR", data, "OUTPUT_DIR", tmp_path / "run", "SOLVER.MAX_EPOCH", 40)
    words = map(str, (*places, *small, "TRAIN.CHECKPOINT_PERIOD", 40, "NUM_CPU_PROCESSES", 1, *overrides))
    run(load_cfg(recipe, list(words)))
    log = (tmp_path / "run/stdout.log").read_text()
    assert log.count("The training learns little or nothing") == warned
