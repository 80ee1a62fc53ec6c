"""Recipes: the protocols of configs/, with what belongs to the checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rhovideo.config import ConfigError, get_cfg, load_cfg
from rhovideo.config.comparison import differences
from rhovideo.protocols.recipes import Subject, as_yaml, extract_recipe, recipe, resolve

CONFIGS = Path(__file__).parents[2] / "configs"
# Which videos, which file, where to: a recipe is of no place.
PLACES = ("OUTPUT_DIR", "DATA.PATH_TO_DATA_DIR", "TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH")


def subject(**changes) -> Subject:
    """A pre-trained encoder as released, with other values under dotted keys."""
    cfg = load_cfg(CONFIGS / "pretrain/BYOL_SlowR50_8x8.yaml").clone()
    cfg.defrost()
    cfg.merge_from_list([word for pair in changes.items() for word in pair])
    return Subject("byol.pyth", "/weights/byol.pyth", "", cfg)


@pytest.mark.parametrize(
    ("file", "protocol", "dataset", "classes"),
    [
        ("linear/K400_linear_SlowR50_8x8.yaml", "linear", "K400", 400),
        ("finetune/UCF101_split1_SlowR50_8x8.yaml", "finetune", "UCF101", 101),
        ("finetune/HMDB51_split2_SlowR50_8x8.yaml", "finetune", "HMDB51", 51),
        ("finetune/SSv2_SlowR50_8x8.yaml", "finetune", "SSv2", 174),
        ("linear/K600_linear_SlowR50_8x8.yaml", "linear", "K600", 600),
        ("linear/K700_linear_SlowR50_8x8.yaml", "linear", "K700", 700),
        ("finetune/Charades_SlowR50_16x8.yaml", "charades", "Charades", 157),
        ("finetune/Charades_SlowR50_16x8.yaml", "finetune", "Charades", 157),
        ("finetune/AVA_SlowR50_8x8.yaml", "ava", "AVA", 80),
    ],
)
def test_recipes_are_those_of_the_configurations(file, protocol, dataset, classes):
    # Which reader the lists need is read off them.
    places = {"TRAIN.DATASET": dataset.lower()} if dataset in ("Charades", "AVA") else {}
    made = resolve(recipe(subject(), protocol, dataset, classes) | places).cfg
    assert differences(made, load_cfg(CONFIGS / file), PLACES) == []


def test_nearest_neighbours_vote_as_in_the_configuration():
    made = resolve(recipe(subject(), "knn", "", 12)).cfg
    # Neither has a say in features: how many videos are read at a time, and crops of trained classifiers.
    without = (*PLACES, "TRAIN.BATCH_SIZE", "RNG_SEED")
    assert differences(made, load_cfg(CONFIGS / "test/knn_SlowR50_8x8.yaml"), without) == []


def test_clip_network_and_crop_are_the_checkpoint_s():
    own = subject(
        **{
            "DATA.NUM_FRAMES": 16,
            "DATA.SAMPLING_RATE": 4,
            "DATA.TRAIN_CROP_SIZE": 112,
            "DATA.MEAN": [0.5, 0.5, 0.5],
            "RESNET.DEPTH": 18,
            "RESNET.WIDTH_PER_GROUP": 32,
        }
    )
    for settings in (recipe(own, "linear", "", 5), recipe(own, "knn", "", 5), extract_recipe(own, 3)):
        cfg = resolve(settings).cfg
        assert (cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE, cfg.DATA.MEAN) == (16, 4, [0.5, 0.5, 0.5])
        assert (cfg.RESNET.DEPTH, cfg.RESNET.WIDTH_PER_GROUP) == (18, 32)
        assert (cfg.DATA.TRAIN_CROP_SIZE, cfg.DATA.TRAIN_JITTER_SCALES, cfg.DATA.TEST_CROP_SIZE) == (
            112,
            [128, 160],
            128,
        )
    assert cfg.KNN.NUM_CLIPS == 3


def test_other_architectures_bring_their_own_keys():
    cfg = subject(**{"MODEL.ARCH": "slowfast", "SLOWFAST.ALPHA": 4, "DATA.NUM_FRAMES": 32, "DATA.SAMPLING_RATE": 2})
    made = resolve(recipe(cfg, "linear", "K400", 400)).cfg
    assert (made.MODEL.ARCH, made.SLOWFAST.ALPHA) == ("slowfast", 4)


@pytest.mark.parametrize("protocol", ["knn", "linear", "finetune"])
def test_network_of_one_size_is_tested_at_that_size(protocol):
    own = subject(**{"MODEL.ARCH": "mvit", "DATA.NUM_FRAMES": 16, "DATA.SAMPLING_RATE": 4})
    data = resolve(recipe(own, protocol, "UCF101", 101)).cfg.DATA
    assert (data.TRAIN_CROP_SIZE, data.TEST_CROP_SIZE) == (224, 224)


def test_classifier_is_tested_as_its_configuration_says():
    own = subject(**{"TEST.NUM_ENSEMBLE_VIEWS": 4, "TEST.NUM_SPATIAL_CROPS": 1, "DATA.TEST_CROP_SIZE": 224})
    own = Subject(own.source, own.path, own.name, own.cfg, classes=7)
    cfg = resolve(recipe(own, "test", "", 5)).cfg
    assert (cfg.TEST.NUM_ENSEMBLE_VIEWS, cfg.TEST.NUM_SPATIAL_CROPS, cfg.DATA.TEST_CROP_SIZE) == (4, 1, 224)
    assert cfg.MODEL.NUM_CLASSES == 7


def test_the_lists_tell_the_classes_whatever_the_data_set_is_called():
    assert recipe(subject(), "linear", "K400", 12)["MODEL.NUM_CLASSES"] == 12
    assert recipe(subject(), "linear", "", 12)["MODEL.NUM_CLASSES"] == 12


def test_momentum_encoder_is_asked_for():
    assert resolve(recipe(subject(), "linear", "", 2, "momentum")).cfg.TRAIN.CHECKPOINT_ENCODER == "momentum"


def test_written_file_means_the_same_overrides_included(tmp_path):
    overrides = ["SOLVER.MAX_EPOCH", "3", "SOLVER.WARMUP_EPOCHS", 0.5, "NUM_GPUS", "-1", "SLURM.ARGS", "[a=b]"]
    for protocol in ("linear", "finetune", "knn"):
        settings = recipe(subject(), protocol, "UCF101", 101)
        cfg = resolve(settings, overrides).cfg
        path = tmp_path / f"{protocol}.yaml"
        path.write_text(as_yaml(settings, overrides, cfg, "Two lines\nof heading"))
        assert load_cfg(path) == cfg
        assert path.read_text().startswith("# Two lines\n# of heading\n")


def test_file_of_numbers_for_names_keeps_them_text(tmp_path):
    settings = recipe(subject(), "knn", "", 2) | {"OUTPUT_DIR": "2024", "DATA.PATH_TO_DATA_DIR": "1e3"}
    cfg = resolve(settings).cfg
    assert (cfg.OUTPUT_DIR, cfg.DATA.PATH_TO_DATA_DIR) == ("2024", "1e3")
    assert yaml.safe_load(as_yaml(settings, [], cfg, ""))["OUTPUT_DIR"] == "2024"


def test_conflict_of_a_word_with_the_recipe_is_told_as_such():
    with pytest.raises(ConfigError) as caught:
        resolve(recipe(subject(), "linear", "", 2), ["NUM_GPUS", "3"])
    (problem,) = caught.value.problems
    assert (problem.key, str(problem.origin)) == ("TRAIN.BATCH_SIZE", "recipe")
    with pytest.raises(ConfigError, match=r"command line: SOLVER\.BASE_LRR"):
        resolve(recipe(subject(), "linear", "", 2), ["SOLVER.BASE_LRR", "3"])


def test_defaults_are_not_written():
    settings = recipe(subject(), "linear", "", 2)
    assert "SLOWFAST.ALPHA" not in settings
    assert "RESNET.NUM_GROUPS" not in settings
    assert set(settings) <= {key for key, _ in _leaves()}


def _leaves():
    from rhovideo.config.keys import leaves

    return leaves(get_cfg())
