"""Names of the run folders of a study."""

import pytest

from rhovideo.config.files.reading import load
from rhovideo.studies.job_names import is_training, untrained_name


def untrained(*overrides):
    return untrained_name(load("pretrain/MoCo_SlowR50_8x8_paper", overrides).cfg, 1)


@pytest.mark.parametrize(
    "overrides",
    [
        ("DATA.TRAIN_CROP_SIZE", 112),
        ("DATA.NUM_FRAMES", 4),
        ("DATA.MEAN", [0.5, 0.5, 0.5]),
        ("DATA.TARGET_FPS", 15),
        ("RESNET.WIDTH_PER_GROUP", 32),
        ("MODEL.ARCH", "x3d"),
        ("MODEL.ARCH", "x3d", "X3D.WIDTH_FACTOR", 2.5),
    ],
)
def test_random_weights_have_a_folder_of_their_own_for_all_that_a_measurement_takes_from_them(overrides):
    assert untrained(*overrides) != untrained(*overrides[:-2])


def test_random_weights_do_not_depend_on_how_they_would_be_trained():
    assert untrained("SOLVER.MAX_EPOCH", 70, "CONTRASTIVE.QUEUE_LEN", 128) == untrained()


def test_a_training_is_known_by_its_folder():
    assert is_training("out/runs/byol_seed1_12345678/training")
    assert not is_training("training/runs/byol_seed1_12345678/K400_linear")
