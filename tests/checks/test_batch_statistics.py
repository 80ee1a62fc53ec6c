"""A batch too small for the encoder's batch norms is refused before the start, with the keys that decide about it."""

from __future__ import annotations

import pytest
import torch

from rhovideo.checks.batch_statistics import check_batch_statistics
from rhovideo.config import load_cfg
from rhovideo.config.findings import ConfigError
from rhovideo.launch.before_start import CHECKS, Start, check_before_start
from rhovideo.launch.plan import make_plan
from rhovideo.models.build import build_classifier

OTHER_CHECKS = {check.name for group in CHECKS for check in group} - {"the network"}
# The last stage has 1 x 1 x 1 places.
SMALL = ["NUM_GPUS", 0, "RESNET.WIDTH_PER_GROUP", 4, "DATA.TRAIN_CROP_SIZE", 32, "DATA.NUM_FRAMES", 2]
SMALL += ["DATA.TRAIN_JITTER_SCALES", "[36, 44]", "DATA.TEST_CROP_SIZE", 32, "MODEL.ARCH", "i3d"]


def found(task: str, *words: object, processes: int = 1):
    cfg = load_cfg(None, ["TASK", task, *SMALL, "TRAIN.BATCH_SIZE", 1, "NUM_CPU_PROCESSES", 1, *words])
    return check_batch_statistics(cfg, processes)


def test_what_torch_finds_in_the_first_step_is_found_before():
    classifier = build_classifier(load_cfg(None, ["TASK", "finetune", *SMALL, "MODEL.FROZEN_BN", False])).train()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        classifier(torch.zeros(1, 3, 2, 32, 32))
    [finding] = found("finetune", "MODEL.FROZEN_BN", False)
    assert finding.keys[:3] == ("TRAIN.BATCH_SIZE", "DATA.TRAIN_CROP_SIZE", "DATA.NUM_FRAMES")
    assert "2 frames of 32 x 32 pixels" in finding.wrong
    assert finding.write.startswith("TRAIN.BATCH_SIZE 2 or more, or a larger DATA.TRAIN_CROP_SIZE")


@pytest.mark.parametrize(
    "words",
    [
        ["TRAIN.BATCH_SIZE", 2],
        ["DATA.TRAIN_CROP_SIZE", 64, "DATA.TRAIN_JITTER_SCALES", "[68, 80]", "DATA.TEST_CROP_SIZE", 64],
        ["MODEL.ARCH", "slow"],
        ["MODEL.FROZEN_BN", True],
    ],
)
def test_more_values_or_frozen_norms_pass(words):
    assert found("finetune", "MODEL.FROZEN_BN", False, *words) == []


def test_norms_that_processes_share_have_the_values_of_all():
    words = ["MODEL.FROZEN_BN", False, "TRAIN.BATCH_SIZE", 2, "NUM_CPU_PROCESSES", 2]
    [finding] = found("finetune", *words, processes=2)
    assert finding.write.endswith("or BN.NORM_TYPE sync_batchnorm with BN.GLOBAL_SYNC True")
    words += ["BN.NORM_TYPE", "sync_batchnorm", "BN.GLOBAL_SYNC", True]
    assert found("finetune", *words, processes=2) == []


@pytest.mark.parametrize("task", ["pretrain", "finetune"])
def test_a_start_is_refused(jobs_folder, task):
    words = [*SMALL, "TRAIN.BATCH_SIZE", 1, "CONTRASTIVE.TYPE", "simclr", "MODEL.FROZEN_BN", False]
    with pytest.raises(ConfigError, match="one value of each channel"):
        check_before_start(Start(make_plan([f"{task}.yaml"], words), "local"), without=OTHER_CHECKS)
