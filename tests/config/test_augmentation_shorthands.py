"""DATA.AUG_PARTS, DATA.COLOR_STRENGTH, and distances of clips in seconds or in frames."""

from __future__ import annotations

import math

import pytest

from rhovideo.config import load_cfg
from rhovideo.config.files.reading import load
from rhovideo.config.findings import ConfigError

MOCO = "pretrain/MoCo_SlowR50_8x8_paper"
LEAST, MOST = "CONTRASTIVE.DELTA_SECONDS_MIN", "CONTRASTIVE.DELTA_SECONDS_MAX"


def problem_of(*overrides, file=MOCO):
    with pytest.raises(ConfigError) as error:
        load_cfg(file, overrides)
    (problem,) = error.value.problems
    return problem


@pytest.mark.parametrize("parts", ["base", "T", "S", "C", "TS", "TC", "SC", "TSC"])
def test_a_cell_of_figure_3_is_one_key(parts):
    data, usual = load_cfg(MOCO, ["DATA.AUG_PARTS", parts]).DATA, load_cfg(MOCO).DATA
    assert data.TRAIN_CROP_NUM_TEMPORAL == (usual.TRAIN_CROP_NUM_TEMPORAL if "T" in parts else 1)
    assert data.SSL_COLOR_JITTER is ("C" in parts)
    if "S" in parts:
        assert (data.TRAIN_JITTER_SCALES, data.RANDOM_FLIP) == (usual.TRAIN_JITTER_SCALES, True)
    else:
        assert (data.TRAIN_JITTER_SCALES, data.RANDOM_FLIP) == ([224, 224], False)
        assert data.AUG_SPATIAL, "the crop still moves along the long side"


def test_crops_by_area_are_switched_off_too():
    data = load_cfg("pretrain/BYOL_SlowR50_8x8", ["DATA.AUG_PARTS", "base"]).DATA
    assert (data.TRAIN_JITTER_SCALES_RELATIVE, data.TRAIN_JITTER_ASPECT_RELATIVE) == ([], [])


def test_what_was_set_is_said_and_read_again_the_same(tmp_path):
    loaded = load(MOCO, ["DATA.AUG_PARTS", "base", "DATA.COLOR_STRENGTH", 0.75])
    assert any("DATA.AUG_PARTS base: DATA.TRAIN_CROP_NUM_TEMPORAL 1" in note for note in loaded.notes)
    (tmp_path / "config.yaml").write_text(loaded.cfg.dump())
    again = load(tmp_path / "config.yaml")
    assert again.cfg == loaded.cfg
    assert not [note for note in again.notes if "AUG_PARTS" in note]


@pytest.mark.parametrize("strength", [0, 0.5, 0.75, 1.0])
def test_colour_strength_is_all_four_factors_in_proportion(strength):
    data = load_cfg(MOCO, ["DATA.COLOR_STRENGTH", strength]).DATA
    assert data.SSL_COLOR_BRI_CON_SAT == pytest.approx([0.4 * strength] * 3)
    assert pytest.approx(0.1 * strength) == data.SSL_COLOR_HUE


def test_the_papers_recipe_is_strength_one_half():
    data, paper = load_cfg(MOCO, ["DATA.COLOR_STRENGTH", 0.5]).DATA, load_cfg(MOCO).DATA
    assert (data.SSL_COLOR_BRI_CON_SAT, data.SSL_COLOR_HUE) == (paper.SSL_COLOR_BRI_CON_SAT, paper.SSL_COLOR_HUE)


@pytest.mark.parametrize(
    ("overrides", "key", "said"),
    [
        (["DATA.AUG_PARTS", "T", "DATA.TRAIN_CROP_NUM_TEMPORAL", 1], "DATA.AUG_PARTS", "clips at different times"),
        (["DATA.AUG_PARTS", "C", "DATA.SSL_COLOR_JITTER", False], "DATA.AUG_PARTS", "changes of colour"),
        (["DATA.AUG_PARTS", "SC", "DATA.AUG_SPATIAL", False], "DATA.AUG_PARTS", "random crops"),
        (["DATA.AUG_PARTS", "X"], "DATA.AUG_PARTS", "X"),
        (["DATA.COLOR_STRENGTH", 3], "DATA.COLOR_STRENGTH", "3"),
        (
            ["CONTRASTIVE.DELTA_SECONDS_MIN", 3, "CONTRASTIVE.DELTA_SECONDS_MAX", 2],
            "CONTRASTIVE.DELTA_SECONDS_MIN",
            "3",
        ),
        ([MOST, -1], MOST, "-1"),
    ],
)
def test_contradictions_are_refused(overrides, key, said):
    problem = problem_of(*overrides)
    assert problem.key == key
    assert said in problem.wrong


def test_a_classifier_in_a_chain_keeps_its_own_augmentation():
    recipe = "finetune/UCF101_split1_SlowR50_8x8"
    loaded = load(recipe, ["DATA.AUG_PARTS", "base", "DATA.COLOR_STRENGTH", 1.0])
    usual = load_cfg(recipe)
    assert loaded.cfg.DATA.SSL_COLOR_BRI_CON_SAT == usual.DATA.SSL_COLOR_BRI_CON_SAT
    assert loaded.cfg.DATA.TRAIN_JITTER_SCALES == usual.DATA.TRAIN_JITTER_SCALES
    for key in ("AUG_PARTS", "COLOR_STRENGTH"):
        assert any(f"DATA.{key} is for pre-training: TASK finetune" in note for note in loaded.notes)


def test_both_kinds_of_distance_are_refused_with_what_to_write():
    problem = problem_of("CONTRASTIVE.DELTA_SECONDS_MAX", 10, "CONTRASTIVE.DELTA_CLIPS_MAX", 300)
    assert problem.key == "CONTRASTIVE.DELTA_SECONDS_MAX"
    assert "from 0 to 10 seconds, and from -inf to 300 frames" in problem.wrong
    assert (
        "DELTA_CLIPS_MIN -inf and DELTA_CLIPS_MAX inf, or DELTA_SECONDS_MIN 0 and DELTA_SECONDS_MAX inf"
        in problem.write
    )


def test_the_same_instant_and_no_limit_are_both_written_in_seconds():
    node = load_cfg(MOCO, ["CONTRASTIVE.DELTA_SECONDS_MAX", 0]).CONTRASTIVE
    assert (node.DELTA_SECONDS_MIN, node.DELTA_SECONDS_MAX) == (0, 0)
    assert load_cfg(MOCO, ["CONTRASTIVE.DELTA_SECONDS_MAX", "inf"]).CONTRASTIVE.DELTA_SECONDS_MAX == math.inf
