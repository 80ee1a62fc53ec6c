from __future__ import annotations

import pytest

from rhovideo.config import load_cfg
from rhovideo.zoo.figures import PAPER, RELEASED, figure_for
from tests.configured_runs import ROOT


def config(name: str, *overrides: object):
    return load_cfg(ROOT / "configs" / name, ["DATA.PATH_TO_DATA_DIR", "data", *overrides])


LINEAR = "linear/K400_linear_SlowR50_8x8.yaml"
UCF101 = "finetune/UCF101_split1_SlowR50_8x8.yaml"
AVA = "finetune/AVA_SlowR50_8x8.yaml"


@pytest.mark.parametrize(
    ("recipe", "rho", "k400", "ucf101"),
    [("MoCo", 4, 71.0, 94.5), ("MoCo", 2, 66.6, 91.3), ("BYOL", 4, 70.1, 94.7), ("SimCLR", 2, 61.5, 88.3)],
)
def test_the_recipes_lead_to_the_released_checkpoints_figures(recipe, rho, k400, ucf101):
    pretraining = config(f"pretrain/{recipe}_SlowR50_8x8.yaml", "DATA.TRAIN_CROP_NUM_TEMPORAL", rho)
    linear, finetune = config(LINEAR), config(UCF101)
    found = figure_for(pretraining, linear, linear)
    assert (found.value, found.source) == (k400, RELEASED)
    assert figure_for(pretraining, finetune, finetune).value == ucf101


@pytest.mark.parametrize(("recipe", "rho", "top1"), [("SimCLR", 1, 36.1), ("SimCLR", 2, 60.5), ("SwAV", 1, 38.6)])
def test_the_papers_own_augmentation_has_the_papers_figures(recipe, rho, top1):
    pretraining = config(f"pretrain/{recipe}_SlowR50_8x8_paper.yaml", "DATA.TRAIN_CROP_NUM_TEMPORAL", rho)
    found = figure_for(pretraining, config(LINEAR), config(LINEAR))
    assert (found.value, found.source) == (top1, PAPER)


@pytest.mark.parametrize(
    "overrides",
    [
        ["SOLVER.MAX_EPOCH", 100],
        ["DATA.TRAIN_CROP_NUM_TEMPORAL", 5],
        ["DATA.NUM_FRAMES", 16],
        ["RESNET.DEPTH", 101],
        ["RESNET.WIDTH_PER_GROUP", 32],
        ["DATA.TRAIN_CROP_SIZE", 112],
        ["CONTRASTIVE.DELTA_CLIPS_MAX", 300],
        ["DATA.TIME_DIFF_PROB", 0.2],
    ],
)
def test_other_settings_have_no_figure(overrides):
    recipe = "pretrain/MoCo_SlowR50_8x8.yaml"
    assert figure_for(config(recipe), config(LINEAR), config(LINEAR)) is not None
    assert figure_for(config(recipe, *overrides), config(LINEAR), config(LINEAR)) is None


@pytest.mark.parametrize(
    "overrides", [["MODEL.NUM_CLASSES", 51], ["SOLVER.MAX_EPOCH", 10], ["TEST.NUM_ENSEMBLE_VIEWS", 1]]
)
def test_another_way_of_measuring_has_no_figure(overrides):
    recipe = config("pretrain/MoCo_SlowR50_8x8.yaml")
    assert figure_for(recipe, config(LINEAR, *overrides), config(LINEAR, *overrides)) is None


@pytest.mark.parametrize(
    ("recipe", "rho", "mean_precision"),
    [
        ("MoCo", 2, 19.7),
        ("BYOL", 2, 22.8),
        ("SimCLR", 2, 17.5),
        ("SwAV", 2, 19.2),
        ("MoCo", 4, 21.9),
        ("BYOL", 4, None),
    ],
)
def test_detectors_of_ava_have_the_released_figures(recipe, rho, mean_precision):
    pretraining = config(f"pretrain/{recipe}_SlowR50_8x8.yaml", "DATA.TRAIN_CROP_NUM_TEMPORAL", rho)
    found = figure_for(pretraining, config(AVA), config(AVA))
    if mean_precision is None:
        assert found is None
        return
    assert (found.value, found.protocol.measure) == (mean_precision, "mAP")
    assert figure_for(pretraining, config(AVA, "SOLVER.MAX_EPOCH", 8), config(AVA)) is None
