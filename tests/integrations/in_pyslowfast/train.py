"""PySlowFast's training loop with our data set and one of our methods.

python train.py CHECKOUT METHOD VIDEOS OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from slowfast.config.defaults import assert_and_infer_cfg, get_cfg
from tools.train_net import train

import rhovideo.integrations.slowfast  # noqa: F401

FILES = {"RhoMoCo": "MoCo_SlowR50_8x8", "RhoBYOL": "BYOL_SlowR50_8x8", "RhoSimCLR": "SimCLR_SlowR50_8x8"}
FILES["RhoSwAV"] = "SwAV_Slow_R50_8x8"
# Six steps an epoch; a queue of 16 is full after four, from when on MoCo steps.
SMALL = {
    "NUM_GPUS": 0,
    "TRAIN.BATCH_SIZE": 4,
    "TEST.BATCH_SIZE": 4,
    "TRAIN.MIXED_PRECISION": False,
    "RESNET.WIDTH_PER_GROUP": 4,
    "DATA.NUM_FRAMES": 4,
    "DATA.SAMPLING_RATE": 4,
    "DATA.TRAIN_CROP_SIZE": 32,
    "DATA.TEST_CROP_SIZE": 32,
    "DATA.TRAIN_JITTER_SCALES": [36, 40],
    "CONTRASTIVE.MLP_DIM": 16,
    "CONTRASTIVE.QUEUE_LEN": 16,
    "CONTRASTIVE.LENGTH": 24,
    "CONTRASTIVE.NUM_CLASSES_DOWNSTREAM": 5,
    "SOLVER.BASE_LR": 0.05,
    "SOLVER.WARMUP_EPOCHS": 0.0,
    "SOLVER.MAX_EPOCH": 1,
    "DATA_LOADER.NUM_WORKERS": 0,
    "LOG_MODEL_INFO": False,
    "LOG_PERIOD": 1,
}


def main(checkout: str, method: str, videos: str, out: str) -> None:
    cfg = get_cfg()
    cfg.merge_from_file(str(Path(checkout) / f"configs/contrastive_ssl/{FILES[method]}.yaml"))
    settings = SMALL | {"MODEL.MODEL_NAME": method, "TRAIN.DATASET": "rhovideo", "TEST.DATASET": "rhovideo"}
    settings |= {"DATA.PATH_TO_DATA_DIR": videos, "DATA.PATH_PREFIX": videos, "OUTPUT_DIR": out}
    cfg.merge_from_list([word for pair in settings.items() for word in pair])
    train(assert_and_infer_cfg(cfg))


if __name__ == "__main__":
    main(*sys.argv[1:])
