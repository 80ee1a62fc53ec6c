"""A configuration written for PySlowFast means there what it means here: read again, it is the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rhovideo.config import cfg_from_released, load_cfg
from rhovideo.config.keys import leaves
from rhovideo.optim.schedules import learning_rate, rate_factor
from rhovideo.zoo.released_format.released_cfg import own_keys, released_cfg, what_is_lost

CONFIGS = Path(__file__).parents[3] / "configs"
SSV2 = ["TASK", "finetune", "TRAIN.DATASET", "ssv2", "MODEL.NUM_CLASSES", 174]
JOBS = {
    "MoCo as in the paper": (CONFIGS / "pretrain" / "MoCo_SlowR50_8x8_paper.yaml", ["NUM_SHARDS", 4]),
    "BYOL as released": (CONFIGS / "pretrain" / "BYOL_SlowR50_8x8.yaml", ["NUM_SHARDS", 4]),
    "UCF101": (CONFIGS / "finetune" / "UCF101_split1_SlowR50_8x8.yaml", []),
    "K400 linear": (CONFIGS / "linear" / "K400_linear_SlowR50_8x8.yaml", ["NUM_SHARDS", 2]),
    "SSv2 in RGB": (None, SSV2),
    "SSv2 in BGR": (None, [*SSV2, "DATA.REVERSE_INPUT_CHANNEL", True]),
}
# A method is the output of a classifier's head there; nothing reads these here.
OF_THE_HEAD = {f"MODEL.{name}" for name in ("NUM_CLASSES", "LOSS_FUNC", "HEAD_ACT", "DROPOUT_RATE")}
RATES = {f"SOLVER.{name}" for name in ("BASE_LR", "WARMUP_START_LR", "COSINE_END_LR")}


def job(name: str):
    path, words = JOBS[name]
    return load_cfg(path, ["DATA.PATH_TO_DATA_DIR", ".", *words])


def rates(cfg) -> list[float]:
    factor = rate_factor(cfg, cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS)
    return [learning_rate(cfg, share * cfg.SOLVER.MAX_EPOCH, factor) for share in (0, 0.1, 0.35, 0.99)]


@pytest.mark.parametrize("name", JOBS)
def test_every_key_that_slowfast_has_comes_back(name):
    cfg = job(name)
    method = cfg.TASK == "pretrain"
    back = cfg_from_released(released_cfg(cfg, method))
    there = dict(leaves(back))
    left = own_keys() | RATES | (OF_THE_HEAD if method else set())
    # Blocks that a stage does not have make no kernel; its name is for their registry alone.
    left |= {"RESNET.NUM_BLOCK_TEMP_KERNEL", "MODEL.MODEL_NAME"}
    kept = {key: value for key, value in leaves(cfg) if key not in left}
    assert {key: there[key] for key in kept} == kept
    assert rates(back) == pytest.approx(rates(cfg))


def test_slowfast_is_told_what_its_loader_takes_from_the_data_set():
    """Batches of views, frames in BGR until they are turned round, and a data set to test on."""
    tree = yaml.safe_load(released_cfg(job("UCF101"), method=False))
    assert (tree["TEST"]["BATCH_SIZE"], tree["TEST"]["DATASET"]) == (240, "kinetics")
    for name, turned in (("SSv2 in RGB", True), ("SSv2 in BGR", False)):
        tree = yaml.safe_load(released_cfg(job(name), method=False))
        assert (tree["DATA"]["REVERSE_INPUT_CHANNEL"], tree["TEST"]["DATASET"]) == (turned, "ssv2")


def test_what_slowfast_has_no_word_for_is_said():
    said = " ".join(what_is_lost(job("MoCo as in the paper"), method=True))
    assert "CONTRASTIVE.LOSS_FORM paper" in said
    assert "float16; this one's was in bfloat16" in said
    assert list(what_is_lost(job("BYOL as released"), method=True)) == []
    assert list(what_is_lost(job("UCF101"), method=False)) == []
    assert list(what_is_lost(job("SSv2 in RGB"), method=False)) == []
    path, words = JOBS["BYOL as released"]
    cfg = load_cfg(path, [*words, "DATA.PATH_TO_DATA_DIR", ".", "DATA.AUG_TEMPORAL", False])
    assert list(what_is_lost(cfg, method=True)) == ["PySlowFast has no key for DATA.AUG_TEMPORAL False"]
