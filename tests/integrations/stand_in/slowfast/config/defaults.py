from fvcore.common.config import CfgNode

_C = CfgNode(
    {
        "TASK": "",
        "NUM_GPUS": 0,
        "NUM_SHARDS": 1,
        "RNG_SEED": 0,
        "TRAIN": {"DATASET": "kinetics", "BATCH_SIZE": 4},
        "TEST": {"DATASET": "kinetics", "BATCH_SIZE": 4, "NUM_ENSEMBLE_VIEWS": 2, "NUM_SPATIAL_CROPS": 3},
        "MODEL": {
            "ARCH": "slow",
            "MODEL_NAME": "Classifier",
            "NUM_CLASSES": 8,
            "LOSS_FUNC": "cross_entropy",
            "SINGLE_PATHWAY_ARCH": ["slow"],
            "MULTI_PATHWAY_ARCH": ["slowfast"],
        },
        "SLOWFAST": {"ALPHA": 2},
        "BN": {"NORM_TYPE": "batchnorm", "NUM_SYNC_DEVICES": 1, "GLOBAL_SYNC": False},
        "CONTRASTIVE": {
            "TYPE": "mem",
            "T": 0.1,
            "DIM": 8,
            "QUEUE_LEN": 16,
            "MOMENTUM": 0.9,
            "MOMENTUM_ANNEALING": False,
            "PREDICTOR_DEPTHS": [],
            "MOCO_MULTI_VIEW_QUEUE": True,
            "LOCAL_SHUFFLE_BN": True,
            "SIMCLR_DIST_ON": True,
            "SWAV_QEUE_LEN": 0,
            "SEQUENTIAL": True,
            "KNN_ON": True,
            "LENGTH": 100,
            "DELTA_CLIPS_MIN": -float("inf"),
            "DELTA_CLIPS_MAX": float("inf"),
        },
        "DATA": {
            "PATH_TO_DATA_DIR": "",
            "PATH_LABEL_SEPARATOR": " ",
            "PATH_PREFIX": "",
            "SKIP_ROWS": 0,
            "NUM_FRAMES": 4,
            "SAMPLING_RATE": 2,
            "TARGET_FPS": 30,
            "TRAIN_CROP_NUM_TEMPORAL": 1,
            "TRAIN_CROP_NUM_SPATIAL": 1,
            "TRAIN_JITTER_SCALES": [36, 40],
            "TRAIN_CROP_SIZE": 32,
            "TEST_CROP_SIZE": 32,
            "REVERSE_INPUT_CHANNEL": False,
            "MEAN": [0.45, 0.45, 0.45],
            "STD": [0.225, 0.225, 0.225],
            "MULTI_LABEL": False,
        },
        "AUG": {"ENABLE": False},
        "SOLVER": {"BASE_LR": 0.01, "MAX_EPOCH": 2},
    }
)


def get_cfg():
    return _C.clone()
