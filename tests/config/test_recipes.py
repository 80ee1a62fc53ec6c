"""Every recipe loads, and holds what the paper and the released files say."""

from __future__ import annotations

from pathlib import Path

import pytest

from rhovideo.config import load_cfg
from rhovideo.config.keys import get_value

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = sorted(
    path for path in CONFIGS.rglob("*.yaml") if not path.name.startswith("_") and path.parent.name != "studies"
)
METHODS = ("MoCo", "BYOL", "SimCLR", "SwAV")

# The paper's table, one column a method.
PAPER = {
    "SOLVER.BASE_LR": (0.4, 4.8, 4.8, 4.8),
    "SOLVER.BASE_LR_BATCH": (512, 512, 512, 512),
    "SOLVER.LARS_ON": (False, True, True, True),
    "SOLVER.WEIGHT_DECAY": (1e-4, 1e-6, 1e-6, 1e-6),
    "CONTRASTIVE.DIM": (128, 256, 128, 128),
    "CONTRASTIVE.NUM_MLP_LAYERS": (3, 2, 3, 3),
    "CONTRASTIVE.MLP_DIM": (2048, 4096, 2048, 2048),
    "CONTRASTIVE.BN_MLP": (False, True, True, True),
    "CONTRASTIVE.T": (0.1, None, 0.1, 0.1),
    "CONTRASTIVE.MOMENTUM": (0.994, 0.996, None, None),
    "CONTRASTIVE.MOMENTUM_ANNEALING": (True, True, None, None),
    "CONTRASTIVE.PREDICTOR_DEPTHS": ([], [2], [], []),
    "CONTRASTIVE.QUEUE_LEN": (65536, None, None, None),
    "CONTRASTIVE.LOSS_FORM": ("paper",) * 4,
    "BN.NORM_TYPE": ("batchnorm", "sync_batchnorm", "sync_batchnorm", "sync_batchnorm"),
    "BN.NUM_SYNC_DEVICES": (None, 8, 8, 8),
    "DATA.TRAIN_CROP_NUM_TEMPORAL": (2, 2, 2, 2),
    "DATA.TRAIN_JITTER_SCALES": ([256, 320],) * 4,
    "DATA.TRAIN_JITTER_SCALES_RELATIVE": ([],) * 4,
    "DATA.SSL_COLOR_BRI_CON_SAT": ([0.2, 0.2, 0.2],) * 4,
    "DATA.SSL_COLOR_HUE": (0.05,) * 4,
}

# The released files, where they differ from the paper.
RELEASED = PAPER | {
    "SOLVER.BASE_LR": (0.1, 0.6, 1.2, 0.6),
    "SOLVER.BASE_LR_BATCH": (0, 0, 0, 0),
    "SOLVER.BASE_LR_SCALE_NUM_SHARDS": (True,) * 4,
    "SOLVER.WARMUP_START_LR": (0.001,) * 4,
    "CONTRASTIVE.LOSS_FORM": ("released",) * 4,
    "CONTRASTIVE.BN_MLP": (False, True, False, True),
    "CONTRASTIVE.T": (0.1, 0.5, 0.1, 0.1),
    "CONTRASTIVE.MOCO_MULTI_VIEW_QUEUE": (True, None, None, None),
    "DATA.TRAIN_CROP_NUM_TEMPORAL": (4, 2, 4, 2),
    "DATA.TRAIN_JITTER_SCALES": ([256, 320], [256, 320], [224, 224], [224, 224]),
    "DATA.TRAIN_JITTER_SCALES_RELATIVE": ([0.2, 0.766],) * 4,
    "DATA.TRAIN_JITTER_ASPECT_RELATIVE": ([0.75, 1.3333],) * 4,
    "DATA.SSL_COLOR_BRI_CON_SAT": ([0.6, 0.6, 0.6],) * 4,
    "DATA.SSL_COLOR_HUE": (0.15,) * 4,
    "TRAIN.MIXED_PRECISION": (True, False, False, False),
}

PRETRAIN = {
    "TASK": "pretrain",
    "MODEL.ARCH": "slow",
    "RESNET.DEPTH": 50,
    "DATA.NUM_FRAMES": 8,
    "DATA.SAMPLING_RATE": 8,
    "DATA.TRAIN_CROP_SIZE": 224,
    "DATA.SSL_COLOR_JITTER": True,
    "DATA.SSL_MOCOV2_AUG": True,
    "DATA.SSL_COLOR_PROB": 0.8,
    "DATA.SSL_BLUR_PROB": 0.5,
    "DATA.SSL_BLUR_SIGMA_MAX": [0.0, 2.0],
    "DATA.COLOR_RND_GRAYSCALE": 0.2,
    "SOLVER.MAX_EPOCH": 200,
    "SOLVER.WARMUP_EPOCHS": 35.0,
    "SOLVER.LR_POLICY": "cosine",
    "SOLVER.OPTIMIZING_METHOD": "sgd",
    "SOLVER.MOMENTUM": 0.9,
    "SOLVER.LARS_TRUST": 0.001,
    "CONTRASTIVE.SWAV_NUM_PROTOTYPES": 1000,
    "CONTRASTIVE.SWAV_EPSILON": 0.05,
    "CONTRASTIVE.SWAV_SINKHORN_ITERATIONS": 3,
    "TRAIN.BATCH_SIZE": 64,
}

TESTING = {
    "TEST.ENABLE": True,
    "TEST.NUM_ENSEMBLE_VIEWS": 10,
    "TEST.NUM_SPATIAL_CROPS": 3,
    "DATA.TEST_CROP_SIZE": 256,
    "DATA.NUM_FRAMES": 8,
    "DATA.SAMPLING_RATE": 8,
    "RESNET.DEPTH": 50,
    "MODEL.ARCH": "slow",
}

LINEAR = TESTING | {
    "TASK": "linear",
    "SOLVER.BASE_LR": 4.0,
    "SOLVER.BASE_LR_BATCH": 512,
    "SOLVER.MAX_EPOCH": 60,
    "SOLVER.WARMUP_EPOCHS": 8.0,
    "SOLVER.LR_POLICY": "cosine",
    "SOLVER.WEIGHT_DECAY": 0.0,
    "MODEL.NUM_CLASSES": 400,
    "MODEL.DETACH_FINAL_FC": True,
    "MODEL.FROZEN_BN": True,
    "MODEL.DROPOUT_RATE": 0.0,
}

FINETUNE = TESTING | {
    "TASK": "finetune",
    "SOLVER.BASE_LR": 0.025,
    "SOLVER.BASE_LR_BATCH": 64,
    "SOLVER.LR_POLICY": "steps_with_relative_lrs",
    "SOLVER.STEPS": [0, 60, 120, 180],
    "SOLVER.LRS": [1.0, 0.1, 0.01, 0.001],
    "SOLVER.MAX_EPOCH": 200,
    "SOLVER.WEIGHT_DECAY": 0.0,
    "MODEL.DROPOUT_RATE": 0.8,
    "MODEL.FROZEN_BN": False,
    "TRAIN.BATCH_SIZE": 64,
}


def assert_holds(path, expected):
    cfg = load_cfg(path)
    found = {key: get_value(cfg, key) for key, value in expected.items() if value is not None}
    assert found == {key: value for key, value in expected.items() if value is not None}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recipe_loads_by_itself_and_says_what_it_is(path):
    cfg = load_cfg(path, videos=256)
    assert path.read_text().startswith("#")
    assert cfg.OUTPUT_DIR.startswith("outputs/")


def test_recipes_of_one_folder_do_not_write_over_each_other():
    folders = [load_cfg(path, videos=256).OUTPUT_DIR for path in RECIPES if path.parent.name != "demo"]
    assert len(folders) == len(set(folders))


@pytest.mark.parametrize(("suffix", "table"), [("_paper", PAPER), ("", RELEASED)], ids=["paper", "released"])
@pytest.mark.parametrize("method", METHODS)
def test_pretraining_holds_the_settings(method, suffix, table):
    column = {key: row[METHODS.index(method)] for key, row in table.items()}
    path = CONFIGS / f"pretrain/{method}_SlowR50_8x8{suffix}.yaml"
    assert_holds(path, PRETRAIN | column | {"CONTRASTIVE.TYPE": method.lower()})


def test_linear_protocol_holds_the_papers_settings():
    assert_holds(CONFIGS / "linear/K400_linear_SlowR50_8x8.yaml", LINEAR)


@pytest.mark.parametrize("split", [1, 2, 3])
@pytest.mark.parametrize(("name", "classes"), [("UCF101", 101), ("HMDB51", 51)])
def test_finetuning_holds_the_papers_settings(name, classes, split):
    own = {"MODEL.NUM_CLASSES": classes, "DATA.PATH_TO_DATA_DIR": f"data/{name.lower()}/split{split}"}
    assert_holds(CONFIGS / f"finetune/{name}_split{split}_SlowR50_8x8.yaml", FINETUNE | own)


def test_finetuning_on_something_something_holds_the_papers_settings():
    own = {
        "MODEL.NUM_CLASSES": 174,
        "MODEL.DROPOUT_RATE": 0.5,
        "SOLVER.BASE_LR": 0.12,
        "SOLVER.STEPS": [0, 14, 18],
        "SOLVER.LRS": [1.0, 0.1, 0.01],
        "SOLVER.MAX_EPOCH": 22,
        "SOLVER.WEIGHT_DECAY": 1e-6,
        "DATA.RANDOM_FLIP": False,
        "DATA.SSL_COLOR_JITTER": False,
        "DATA.CLIP_SAMPLING": "segment",
        "TEST.NUM_ENSEMBLE_VIEWS": 1,
        "TEST.NUM_SPATIAL_CROPS": 1,
    }
    assert_holds(CONFIGS / "finetune/SSv2_SlowR50_8x8.yaml", FINETUNE | own)
