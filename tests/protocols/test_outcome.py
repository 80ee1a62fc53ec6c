"""Which figure stands beside a number, and what is told where none does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rhovideo.config import load_cfg
from rhovideo.protocols.known_datasets import Videos
from rhovideo.protocols.outcome import Evaluation, as_text, compare, summary
from rhovideo.protocols.recipes import Subject, recipe, resolve
from rhovideo.runs.first_launch import FirstLaunch, write_first_launch
from tests.protocols.test_recipes import CONFIGS, subject


def evaluation(
    own: Subject, protocol: str, dataset: str, classes: int, *overrides, encoder: str = "online"
) -> Evaluation:
    settings = recipe(own, protocol, dataset, classes, encoder)
    videos = Videos(classes, {"train": 90, "test": 10}, dataset)
    cfg, usual = resolve(settings, overrides).cfg, resolve(settings).cfg
    return Evaluation(own, encoder, protocol, videos, cfg, usual, Path("out/eval.yaml"))


def released(name: str, **changes) -> Subject:
    own = subject(**changes)
    return Subject(name, own.path, name, own.cfg)


@pytest.mark.parametrize(
    ("name", "clip", "protocol", "dataset", "classes", "top1"),
    [
        ("byol_slow_r50_8x8_rho4", {}, "linear", "K400", 400, 70.1),
        ("moco_slow_r50_8x8_rho2", {}, "finetune", "UCF101", 101, 91.3),
        ("swav_slow_r50_8x8_rho2", {}, "finetune", "SSv2", 174, 52.5),
        ("byol_slow_r50_8x8_rho2", {}, "ava", "AVA", 80, 22.8),
        (
            *("byol_slow_r50_16x4_rho4", {"DATA.NUM_FRAMES": 16, "DATA.SAMPLING_RATE": 4}),
            *("linear", "K400", 400, 71.1),
        ),
    ],
)
def test_released_checkpoint_has_its_figure(name, clip, protocol, dataset, classes, top1):
    found = compare(evaluation(released(name, **clip), protocol, dataset, classes))
    assert found.figure.value == top1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("linear", "K400", 400, "SOLVER.MAX_EPOCH", 30), "SOLVER.MAX_EPOCH is 30 and not 60"),
        (("linear", "K400", 400, "SOLVER.BASE_LR", 2.0), "SOLVER.BASE_LR is 2.0 and not 4.0"),
        (("linear", "K400", 400, "TEST.NUM_SPATIAL_CROPS", 1), "TEST.NUM_SPATIAL_CROPS"),
        (("linear", "UCF101", 101), "no figure of UCF101 linear"),
        (("finetune", "HMDB51", 51), "no figure of HMDB51 finetune"),
        (("linear", "", 12), "no figure of linear on 12 classes"),
        (("knn", "K400", 400), "no knn figure"),
    ],
)
def test_another_measurement_is_not_compared(arguments, why):
    found = compare(evaluation(released("byol_slow_r50_8x8_rho4"), *arguments))
    assert found.figure is None
    assert why in found.why_not


def test_lists_of_other_classes_are_not_compared_with_the_data_set_that_was_named():
    whole = evaluation(released("byol_slow_r50_8x8_rho4"), "finetune", "UCF101", 101)
    assert compare(whole).figure.value == 94.7
    found = compare(replace(whole, videos=Videos(80, {"train": 90, "test": 10}, "", "UCF101")))
    assert (found.figure, found.why_not) == (None, "the lists have 80 classes, and UCF101 has 101")


def test_machine_does_not_matter():
    words = ("NUM_GPUS", 0, "NUM_SHARDS", 8, "DATA_LOADER.NUM_WORKERS", 2, "TEST.BATCH_SIZE", 2, "RNG_SEED", 5)
    assert compare(evaluation(released("byol_slow_r50_8x8_rho4"), "linear", "K400", 400, *words)).figure.value == 70.1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("finetune", "UCF101", 101, "NUM_SHARDS", 8), "the global batch is 512"),
        (("linear", "K400", 400, "NUM_SHARDS", 2), "the global batch is 128"),
        # Statistics of batch norm, which fine-tuning makes, are of a machine's share, or less.
        (("finetune", "UCF101", 101, "NUM_SHARDS", 2, "TRAIN.BATCH_SIZE", 32), "TRAIN.BATCH_SIZE is 32 and not 64"),
        (("finetune", "UCF101", 101, "TRAIN.ACCUMULATE_STEPS", 2), "TRAIN.ACCUMULATE_STEPS is 2 and not 1"),
    ],
)
def test_another_batch_is_not_compared(arguments, why):
    found = compare(evaluation(released("byol_slow_r50_8x8_rho4"), *arguments))
    assert found.figure is None
    assert why in found.why_not


@pytest.mark.parametrize(("nodes", "share", "steps"), [(1, 64, 4), (8, 64, 1), (4, 128, 2)])
def test_frozen_encoder_s_batch_may_be_shared_out(nodes, share, steps):
    words = ("NUM_SHARDS", nodes, "TRAIN.BATCH_SIZE", share, "TRAIN.ACCUMULATE_STEPS", steps)
    assert compare(evaluation(released("byol_slow_r50_8x8_rho4"), "linear", "K400", 400, *words)).figure.value == 70.1


def test_run_is_compared_by_the_batch_that_it_began_with(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/checkpoint_epoch_00060.pyth").touch()
    write_first_launch(tmp_path, FirstLaunch(64, 0.125, 1, 8, 0))
    # Resumed on two machines, it kept its 64.
    words = ("OUTPUT_DIR", str(tmp_path), "NUM_SHARDS", 2)
    assert compare(evaluation(released("byol_slow_r50_8x8_rho4"), "linear", "K400", 400, *words)).figure.value == 70.1


@pytest.mark.parametrize(("nodes", "top1"), [(1, 91.3), (8, None)])
def test_a_classifier_is_compared_by_the_batch_that_trained_it(nodes, top1, tmp_path):
    runs = {name: tmp_path / name for name in ("pretrain", "finetune", "test")}
    pretrained = load_cfg(CONFIGS / "pretrain/MoCo_SlowR50_8x8.yaml", ["DATA.TRAIN_CROP_NUM_TEMPORAL", 2])
    own = Subject("x.pyth", str(runs["pretrain"] / "checkpoints/x.pyth"), "", pretrained)
    trained = resolve(recipe(own, "finetune", "UCF101", 101), ["NUM_SHARDS", nodes]).cfg
    classifier = Subject("y.pyth", str(runs["finetune"] / "checkpoints/y.pyth"), "", trained, classes=101)
    found = evaluation(classifier, "test", "UCF101", 101, "OUTPUT_DIR", str(runs["test"]))
    for run, cfg in zip(runs.values(), (pretrained, trained, found.cfg), strict=True):
        run.mkdir()
        (run / "config.yaml").write_text(cfg.dump())
    compared = compare(found)
    assert (compared.figure.value if compared.figure else None) == top1
    assert top1 or "the global batch is 512" in compared.why_not


def test_momentum_encoder_and_other_networks_are_not_compared():
    own = released("byol_slow_r50_8x8_rho4")
    assert compare(evaluation(own, "linear", "K400", 400, encoder="momentum")).figure is None
    # A file that merely has a released one's name.
    small = released("byol_slow_r50_8x8_rho4", **{"RESNET.WIDTH_PER_GROUP": 4})
    assert compare(evaluation(small, "linear", "K400", 400)).figure is None


def test_own_checkpoint_is_compared_once_it_is_complete():
    own = subject()
    at = [Subject("mine.pyth", own.path, "", own.cfg, epoch=epoch) for epoch in (200, 50)]
    assert compare(evaluation(at[0], "linear", "K400", 400)).figure.value == 67.4
    assert "complete" in compare(evaluation(at[1], "linear", "K400", 400)).why_not


def test_text_shows_the_released_number_beside_ours():
    told = summary(
        evaluation(released("moco_slow_r50_8x8_rho2"), "finetune", "UCF101", 101),
        {"task": "finetune", "test_top1": 90.125, "test_top5": 98.5, "test_videos": 9, "loss": 0.1},
    )
    text = as_text(told)
    assert "top-1       90.12 %, 8 of 9 (chance 0.99 %)   released: 91.3 %" in text
    assert "split 1" in text
    assert "1 of 10 test videos could not be read" in text
    assert (told["value"], told["released"], told["metric"]) == (90.125, 91.3, "test_top1")
    assert "task" not in told["results"]


def test_text_says_why_nothing_is_beside_ours():
    told = summary(evaluation(subject(), "retrieval", "", 3), {"recall_at_1": 50.0, "recall_at_5": None})
    text = as_text(told)
    assert "R@1" in text
    assert "R@5        none" in text
    assert "no retrieval figure was released" in text
    assert told["released"] is None


def test_own_checkpoint_is_not_said_to_be_the_released_one():
    told = summary(evaluation(subject(), "linear", "K400", 400), {"test_top1": 60.0})
    assert (told["released"], told["same_settings"]) == (None, 67.4)
    assert "the paper's with these settings, pre-trained on K400: 67.4 %" in as_text(told)
