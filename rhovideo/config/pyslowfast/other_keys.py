"""PySlowFast's keys that this package does not have.

A file made for PySlowFast may carry them. Those that change no result here are dropped and named once in the log; those
that would change it may only hold the value with which PySlowFast does nothing.
"""

from __future__ import annotations

from typing import Any

# Section: keys that are only read when something in NO_EFFECT is switched on, or that change no result, because the
# data (CONTRASTIVE.LENGTH), the file (CHECKPOINT_TYPE) or the architecture (RESNET.TRANS_FUNC) decides, or what they
# ask for is always done: one clip's graph at a time wherever that is exact (CONTRASTIVE.SEQUENTIAL).
# TRAIN.CHECKPOINT_EPOCH_RESET and TEST.DATASET may only say what is done anyway, see
# rhovideo.config.pyslowfast.translation.
_DROPPED = {
    "TRAIN": "CHECKPOINT_EPOCH_RESET CHECKPOINT_TYPE",
    "TEST": "DATASET CHECKPOINT_TYPE",
    "RESNET": "TRANS_FUNC",
    "CONTRASTIVE": "SEQUENTIAL LENGTH NUM_CLASSES_DOWNSTREAM MEM_TYPE",
    "DATA_LOADER": "ENABLE_MULTI_THREAD_DECODE",
    "SOLVER": "WARMUP_FACTOR GAMMA STEP_SIZE",
    "AUG": "NUM_SAMPLE COLOR_JITTER AA_TYPE INTERPOLATION RE_PROB RE_MODE RE_COUNT RE_SPLIT GEN_MASK_LOADER MASK_TUBE "
    "MASK_FRAMES MASK_WINDOW_SIZE MASK_RATIO MAX_MASK_PATCHES_PER_BLOCK",
    "MIXUP": "ALPHA CUTMIX_ALPHA PROB SWITCH_PROB LABEL_SMOOTH_VALUE",
    "NONLOCAL": "GROUP INSTANTIATION POOL",
    "MODEL": "SINGLE_PATHWAY_ARCH MULTI_PATHWAY_ARCH",
    "MASK": "MAE_ON MAE_RND_MASK PER_FRAME_MASKING TIME_STRIDE_LOSS NORM_PRED_PIXEL SCALE_INIT_BY_DEPTH "
    "DECODER_EMBED_DIM DECODER_SEP_POS_EMBED DEC_KV_KERNEL DEC_KV_STRIDE PRETRAIN_DEPTH HEAD_TYPE DECODER_DEPTH "
    "PRED_HOG",
    "DATA": "TRAIN_PCA_EIGVAL TRAIN_PCA_EIGVEC PATH_TO_PRELOAD_IMDB DECODING_SHORT_SIZE LOADER_CHUNK_OVERALL_SIZE "
    "IN22K_TRAINVAL IN22k_VAL_IN1K IN_VAL_CROP_RATIO",
    "BENCHMARK": "NUM_EPOCHS LOG_PERIOD SHUFFLE",
    "AVA": "TRAIN_PCA_JITTER_ONLY",
    "MULTIGRID": "EPOCH_FACTOR SHORT_CYCLE_FACTORS LONG_CYCLE_FACTORS BN_BASE_SIZE EVAL_FREQ LONG_CYCLE_SAMPLING_RATE "
    "DEFAULT_B DEFAULT_T DEFAULT_S",
    "MVIT": "ZERO_DECAY_POS_CLS REV.RESPATH_FUSE REV.BUFFER_LAYERS REV.RES_PATH REV.PRE_Q_FUSION",
    "TENSORBOARD": "PREDICTIONS_PATH CLASS_NAMES_PATH CATEGORIES_PATH CONFUSION_MATRIX.ENABLE CONFUSION_MATRIX.FIGSIZE "
    "CONFUSION_MATRIX.SUBSET_PATH HISTOGRAM.ENABLE HISTOGRAM.SUBSET_PATH HISTOGRAM.TOPK HISTOGRAM.FIGSIZE "
    "MODEL_VIS.ENABLE MODEL_VIS.MODEL_WEIGHTS MODEL_VIS.ACTIVATIONS MODEL_VIS.INPUT_VIDEO MODEL_VIS.LAYER_LIST "
    "MODEL_VIS.TOPK_PREDS MODEL_VIS.COLORMAP MODEL_VIS.GRAD_CAM.ENABLE MODEL_VIS.GRAD_CAM.LAYER_LIST "
    "MODEL_VIS.GRAD_CAM.USE_TRUE_LABEL MODEL_VIS.GRAD_CAM.COLORMAP WRONG_PRED_VIS.ENABLE WRONG_PRED_VIS.TAG "
    "WRONG_PRED_VIS.SUBSET_PATH",
    "DEMO": "LABEL_FILE_PATH WEBCAM INPUT_VIDEO DISPLAY_WIDTH DISPLAY_HEIGHT DETECTRON2_CFG DETECTRON2_WEIGHTS "
    "DETECTRON2_THRESH BUFFER_SIZE OUTPUT_FILE OUTPUT_FPS INPUT_FORMAT CLIP_VIS_SIZE NUM_VIS_INSTANCES PREDS_BOXES "
    "THREAD_ENABLE NUM_CLIPS_SKIP GT_BOXES STARTING_SECOND FPS VIS_MODE COMMON_CLASS_THRES UNCOMMON_CLASS_THRES "
    "COMMON_CLASS_NAMES SLOWMO",
}

DROPPED = frozenset(f"{section}.{name}" for section, names in _DROPPED.items() for name in names.split())

# Key: the value with which PySlowFast does nothing.
NO_EFFECT: dict[str, Any] = {
    "TRAIN.KILL_LOSS_EXPLOSION_FACTOR": 0.0,
    "TRAIN.CHECKPOINT_INFLATE": False,
    "BN.NUM_SPLITS": 1,
    "CONTRASTIVE.INTERP_MEMORY": False,
    "TRAIN.CHECKPOINT_IN_INIT": False,
    "AUG.ENABLE": False,
    "VIS_MASK.ENABLE": False,
    "MIXUP.ENABLE": False,
    "TEST.NUM_TEMPORAL_CLIPS": [],
    "X3D.SCALE_RES2": False,
    "X3D.BN_LIN5": False,
    "X3D.CHANNELWISE_3x3x3": True,
    "NONLOCAL.LOCATION": [[[]], [[]], [[]], [[]]],
    "MODEL.DROPCONNECT_RATE": 0.0,
    "MODEL.FP16_ALLREDUCE": False,
    "MVIT.MODE": "conv",
    "MVIT.POOL_FIRST": False,
    "MVIT.PATCH_2D": False,
    "MVIT.LAYER_SCALE_INIT_VALUE": 0.0,
    "MVIT.NORM": "layernorm",
    "MVIT.POOL_KV_STRIDE": [],
    "MVIT.NORM_STEM": False,
    "MVIT.USE_ABS_POS": True,
    "MVIT.REL_POS_SPATIAL": False,
    "MVIT.REL_POS_TEMPORAL": False,
    "MVIT.REL_POS_ZERO_INIT": False,
    "MVIT.RESIDUAL_POOLING": False,
    "MVIT.DIM_MUL_IN_ATT": False,
    "MVIT.SEPARATE_QKV": False,
    "MVIT.HEAD_INIT_SCALE": 1.0,
    "MVIT.USE_MEAN_POOLING": False,
    "MVIT.USE_FIXED_SINCOS_POS": False,
    "MVIT.REV.ENABLE": False,
    "MASK.ENABLE": False,
    "DATA.TRAIN_JITTER_MOTION_SHIFT": False,
    "DATA.LOADER_CHUNK_SIZE": 0,
    "DATA.DUMMY_LOAD": False,
    "AVA.BGR": False,
    "AVA.TRAIN_USE_COLOR_AUGMENTATION": False,
    "AVA.IMG_PROC_BACKEND": "cv2",
    "MULTIGRID.SHORT_CYCLE": False,
    "MULTIGRID.LONG_CYCLE": False,
    "DEMO.ENABLE": False,
}

# Lists of places, one or more for each stage: those without any place do nothing, however many empty lists they hold.
_PLACES = ("NONLOCAL.LOCATION",)

SECTIONS = frozenset(key.rpartition(".")[0] for key in [*DROPPED, *NO_EFFECT])


def is_foreign(key: str) -> bool:
    """True if PySlowFast has this key or section and this package does not."""
    return key in DROPPED or key in NO_EFFECT or key in SECTIONS


def has_no_effect(key: str, value: Any) -> bool:
    """True if this value of a key that only PySlowFast has does nothing there."""
    if key not in NO_EFFECT or value in (None, NO_EFFECT[key]):
        return True
    return key in _PLACES and _is_empty(value)


def _is_empty(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(_is_empty(element) for element in value)
