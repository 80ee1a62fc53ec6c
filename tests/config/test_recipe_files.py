"""Recipes by name, from any folder, and the copies that people edit."""

from __future__ import annotations

import shutil

import pytest

from rhovideo.config import ConfigError, load_cfg
from rhovideo.config.recipes import recipe_files as module
from rhovideo.config.recipes.recipe_copy import whole_text
from rhovideo.config.recipes.recipe_files import find_configuration, find_recipe, nearest_recipes, recipes
from tests.configured_runs import ROOT

MOCO = "pretrain/MoCo_SlowR50_8x8_paper"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", [MOCO, f"{MOCO}.yaml"])
def test_name_is_the_recipe(name):
    assert load_cfg(name) == load_cfg(ROOT / f"configs/{MOCO}.yaml")


def test_a_path_comes_first(tmp_path):
    own = tmp_path / f"{MOCO}.yaml"
    own.parent.mkdir()
    own.write_text("TASK: linear\nOUTPUT_DIR: out\n")
    assert load_cfg(f"{MOCO}.yaml").TASK == "linear"
    # Without the ending there is no such file.
    assert load_cfg(MOCO).TASK == "pretrain"


def test_a_file_builds_on_a_recipe_and_on_a_part_of_one(tmp_path):
    (tmp_path / "mine.yaml").write_text(f"_BASE_: {MOCO}.yaml\nSOLVER: {{MAX_EPOCH: 40}}\n")
    assert load_cfg("mine.yaml").SOLVER.MAX_EPOCH == 40
    assert load_cfg("mine.yaml").CONTRASTIVE.QUEUE_LEN == 65536
    (tmp_path / "part.yaml").write_text("_BASE_: pretrain/_base_\nOUTPUT_DIR: out\nCONTRASTIVE: {TYPE: simclr}\n")
    assert load_cfg("part.yaml").DATA.NUM_FRAMES == 8
    # A file beside this one wins over a recipe of its name.
    (tmp_path / "pretrain").mkdir()
    (tmp_path / "pretrain/_base_").write_text("TASK: pretrain\nDATA: {NUM_FRAMES: 4}\n")
    assert load_cfg("part.yaml").DATA.NUM_FRAMES == 4


def test_a_base_is_not_looked_for_in_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "base.yaml").write_text("TASK: pretrain\n")
    (tmp_path / "sub/mine.yaml").write_text("_BASE_: base.yaml\n")
    with pytest.raises(ConfigError, match=r"there is no file sub/base\.yaml"):
        load_cfg("sub/mine.yaml")


@pytest.mark.parametrize(
    "name", ["../setup", "/etc/passwd", "pretrain", "", "a\0b", "x" * 5000, "~nobody-of-this-name/a"]
)
def test_what_is_no_recipe_is_none(name):
    assert find_recipe(name) is None
    assert not str(find_configuration(name)).endswith(".yaml")


@pytest.mark.parametrize(
    ("written", "first"),
    [
        ("pretrain/MoCo_SlowR50_8x8_papr", MOCO),
        ("MoCo_SlowR50_8x8_paper.yaml", MOCO),
        ("configs/pretrain/MoCo_SlowR50_8x8_paper.yaml", MOCO),
        ("swav", "demo/swav"),
    ],
)
def test_a_wrong_name_is_answered_by_the_nearest(written, first):
    assert nearest_recipes(written)[0] == first
    with pytest.raises(
        ConfigError, match=rf"{written}: there is no such file, and no recipe of this name\n +Write {first}"
    ):
        load_cfg(written)


def test_a_name_that_is_near_none_is_told_where_they_are_listed():
    with pytest.raises(ConfigError, match="`rhovideo configs` lists"):
        load_cfg("nothing-like-it.yaml")


def test_a_wheel_has_them_inside_of_the_package(tmp_path, monkeypatch):
    """As setup.py lays them; what lies beside the package, in site-packages, is not ours."""
    package = tmp_path / "site-packages/rhovideo"
    shutil.copytree(ROOT / "configs", package / "recipes")
    (tmp_path / "site-packages/configs/demo").mkdir(parents=True)
    (tmp_path / "site-packages/configs/demo/theirs.yaml").write_text("# Not ours.\n")
    before = [recipe.name for recipe in recipes()]
    monkeypatch.setattr(module, "_PACKAGE", package)
    assert [recipe.name for recipe in recipes()] == before
    assert find_recipe("demo/theirs") is None
    (package / "outside.yaml").write_text("TASK: pretrain\n")
    assert find_recipe("../outside") is None
    assert find_recipe(package / "outside.yaml") is None
    assert find_recipe(MOCO) == package / f"recipes/{MOCO}.yaml"


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_every_recipe_says_in_one_line_what_it_is(recipe):
    assert 10 < len(recipe.summary) <= 84
    assert recipe.summary.endswith(".")


@pytest.mark.parametrize("recipe", recipes(), ids=lambda recipe: recipe.name)
def test_a_copy_is_the_whole_recipe_but_for_its_folder(recipe, tmp_path):
    copy = tmp_path / "mine.yaml"
    text = whole_text(recipe.path, "outputs/mine")
    copy.write_text(text)
    assert "_BASE_" not in text
    expected = load_cfg(recipe.name, videos=100)
    expected.defrost()
    expected.OUTPUT_DIR = "outputs/mine"
    assert load_cfg(copy, videos=100) == expected


def test_a_copy_keeps_the_comments_and_what_is_to_be_given():
    text = whole_text(find_recipe(MOCO), "outputs/mine")
    assert text.startswith("# MoCo with the paper's equation")
    assert "# To be given: DATA.PATH_TO_DATA_DIR" in text
    assert "  # rho, the clips of a video\n  TRAIN_CROP_NUM_TEMPORAL: 2\n" in text
    assert "  # The released 0.001 a machine, times 8\n  WARMUP_START_LR: 0.008\n" in text
