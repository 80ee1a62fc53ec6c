"""The configuration that measures a checkpoint: the protocol's settings, and those that depend on the checkpoint.

The protocols are the paper's (arXiv 2104.14558), the same as in ``configs/``. Without torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from fvcore.common.config import CfgNode

from rhovideo.checks.fitting import fit_to_list
from rhovideo.config.combinations import ONE_SIZE
from rhovideo.config.extension.registries import BACKBONES
from rhovideo.config.files.reading import Loaded, load
from rhovideo.config.files.yaml_settings import read_overrides
from rhovideo.config.findings import COMMAND_LINE, ConfigError, Origin, Problem
from rhovideo.config.keys import get_value, leaves
from rhovideo.config.schema import definitions, is_registered
from rhovideo.config.task_defaults import CLASSIFIES, TRAINS_ON_LABELS

PROTOCOLS = ("knn", "fast", "linear", "finetune", "charades", "ava", "test", "retrieval")
TASK_OF = {
    **{"knn": "knn", "retrieval": "knn", "fast": "logistic"},
    **{"linear": "linear", "finetune": "finetune", "charades": "finetune", "ava": "detection", "test": "test"},
}

# Videos in a step, over all machines. For linear classifiers, whose learning rate is in proportion to it: the paper's,
# and that of the released files.
BATCHES = {"linear": (512, 64), "finetune": (64,), "detection": (64,)}
# The crop of the protocols, with its test crop and short sides. Other crops get these in proportion.
_CROP, _TEST_CROP, _SHORT_SIDES = 224, 256, (256, 320)

_TRAINED = {
    "TRAIN.BATCH_SIZE": 64,
    "MODEL.LOSS_FUNC": "cross_entropy",
    "SOLVER.OPTIMIZING_METHOD": "sgd",
    "SOLVER.MOMENTUM": 0.9,
    "SOLVER.WEIGHT_DECAY": 0.0,
    "SOLVER.WARMUP_EPOCHS": 0.0,
    "BN.WEIGHT_DECAY": 0.0,
    "TEST.ENABLE": True,
}
_VIEWS = {"TEST.BATCH_SIZE": 8, "TEST.NUM_ENSEMBLE_VIEWS": 10, "TEST.NUM_SPATIAL_CROPS": 3}
# Kinetics-400: rates for a global batch of 512, scaled to the one that is used.
LINEAR = {
    **_TRAINED,
    "TRAIN.EVAL_PERIOD": 20,
    "TRAIN.CHECKPOINT_PERIOD": 20,
    "MODEL.DROPOUT_RATE": 0.0,
    "SOLVER.BASE_LR": 4.0,
    "SOLVER.BASE_LR_BATCH": 512,
    "SOLVER.LR_POLICY": "cosine",
    "SOLVER.MAX_EPOCH": 60,
    "SOLVER.WARMUP_EPOCHS": 8.0,
    "SOLVER.WARMUP_START_LR": 0.0,
    **_VIEWS,
}
_FINETUNE = {
    **_TRAINED,
    "BN.NORM_TYPE": "sync_batchnorm",
    "BN.NUM_SYNC_DEVICES": 8,
    "SOLVER.BASE_LR_BATCH": 64,
    "SOLVER.LR_POLICY": "steps_with_relative_lrs",
}
# UCF101, HMDB51 and any other data set. The changes of colour are those of the released files; the paper has none.
FINETUNE = {
    **_FINETUNE,
    "TRAIN.EVAL_PERIOD": 20,
    "TRAIN.CHECKPOINT_PERIOD": 10,
    "MODEL.DROPOUT_RATE": 0.8,
    "DATA.SSL_COLOR_JITTER": True,
    "DATA.COLOR_RND_GRAYSCALE": 0.2,
    "SOLVER.BASE_LR": 0.025,
    "SOLVER.STEPS": [0, 60, 120, 180],
    "SOLVER.LRS": [1, 0.1, 0.01, 0.001],
    "SOLVER.MAX_EPOCH": 200,
    **_VIEWS,
}
# Something-Something v2: classes differ in direction and in order, so clips are not flipped and span the video. Short
# sides as in the released file.
_SSV2_DATA = {"DATA.RANDOM_FLIP": False, "DATA.CLIP_SAMPLING": "segment", "DATA.INV_UNIFORM_SAMPLE": True}
_SSV2_VIEWS = {"TEST.BATCH_SIZE": 64, "TEST.NUM_ENSEMBLE_VIEWS": 1, "TEST.NUM_SPATIAL_CROPS": 1}
FINETUNE_SSV2 = {
    **_FINETUNE,
    "TRAIN.EVAL_PERIOD": 4,
    "TRAIN.CHECKPOINT_PERIOD": 4,
    "MODEL.DROPOUT_RATE": 0.5,
    **_SSV2_DATA,
    "SOLVER.BASE_LR": 0.12,
    "SOLVER.STEPS": [0, 14, 18],
    "SOLVER.LRS": [1, 0.1, 0.01],
    "SOLVER.MAX_EPOCH": 22,
    "SOLVER.WARMUP_EPOCHS": 0.19,
    "SOLVER.WARMUP_START_LR": 0.0001,
    "SOLVER.WEIGHT_DECAY": 1e-6,
    **_SSV2_VIEWS,
}
# Charades: several labels a video. The clip is twice as long as in pre-training.
CHARADES_NAME = "Charades"
_CHARADES_CLIP = {"DATA.NUM_FRAMES": 16, "DATA.SAMPLING_RATE": 8}
_SEVERAL_LABELS = {"DATA.MULTI_LABEL": True, "MODEL.LOSS_FUNC": "bce_logit", "MODEL.HEAD_ACT": "sigmoid"}
FINETUNE_CHARADES = {
    **_FINETUNE,
    **_SEVERAL_LABELS,
    "DATA.ENSEMBLE_METHOD": "max",
    "TRAIN.EVAL_PERIOD": 6,
    "TRAIN.CHECKPOINT_PERIOD": 6,
    "MODEL.DROPOUT_RATE": 0.5,
    "DATA.INV_UNIFORM_SAMPLE": True,
    "SOLVER.BASE_LR": 0.2,
    "SOLVER.STEPS": [0, 40, 50],
    "SOLVER.LRS": [1, 0.1, 0.01],
    "SOLVER.MAX_EPOCH": 60,
    "SOLVER.WARMUP_EPOCHS": 5.0,
    "SOLVER.WARMUP_START_LR": 0.0001,
    "SOLVER.WEIGHT_DECAY": 1e-4,
    **_VIEWS,
}
# AVA: boxes. One clip around each key frame is tested.
DETECTION = {
    **_TRAINED,
    "TRAIN.EVAL_PERIOD": 4,
    "TRAIN.CHECKPOINT_PERIOD": 4,
    "MODEL.LOSS_FUNC": "bce",
    "MODEL.HEAD_ACT": "sigmoid",
    "MODEL.DROPOUT_RATE": 0.5,
    "RESNET.ZERO_INIT_FINAL_BN": True,
    "DATA.INV_UNIFORM_SAMPLE": True,
    "AVA.TRAIN_PREDICT_BOX_LISTS": ["ava_train_predicted_boxes.csv"],
    "AVA.DETECTION_SCORE_THRESH": 0.8,
    "SOLVER.BASE_LR": 0.3,
    "SOLVER.BASE_LR_BATCH": 64,
    "SOLVER.LR_POLICY": "steps_with_relative_lrs",
    "SOLVER.STEPS": [0, 16, 24, 28],
    "SOLVER.LRS": [1, 0.1, 0.01, 0.001],
    "SOLVER.MAX_EPOCH": 32,
    "SOLVER.WARMUP_EPOCHS": 5.0,
    "SOLVER.WARMUP_START_LR": 0.0005,
    "SOLVER.WEIGHT_DECAY": 1e-7,
    "TEST.BATCH_SIZE": 8,
}
# From supervised weights the paper takes another rate.
DETECTION_RATE_OF_SUPERVISED = 0.05
# Their inputs have a length of their own.
_OWN_LENGTH = ("slowfast", "mvit")
# With ten clips of each video, a batch holds few videos, to save memory. This changes no result.
KNN = {
    "TRAIN.BATCH_SIZE": 16,
    "KNN.K": 200,
    "KNN.T": 0.1,
    "KNN.NUM_CLIPS": 10,
    "KNN.RECALL_AT": [1, 5, 10, 20, 50],
}
# The keys of a test that come from the classifier's own configuration.
_OF_A_CLASSIFIER = (
    *("MODEL.HEAD_ACT", "DATA.CLIP_SAMPLING", "DATA.USE_OFFSET_SAMPLING", "DATA.TEST_CROP_SIZE"),
    *("DATA.ENSEMBLE_METHOD", "TEST.NUM_ENSEMBLE_VIEWS", "TEST.NUM_SPATIAL_CROPS"),
)
_ARCHITECTURE = {"slowfast": "SLOWFAST", "x3d": "X3D", "mvit": "MVIT"}
_PIXELS = (
    *("DATA.MEAN", "DATA.STD", "DATA.STANDARDISE_CLIPS"),
    *("DATA.REVERSE_INPUT_CHANNEL", "DATA.TARGET_FPS", "DATA.INPUT_CHANNEL_NUM"),
)
_RECIPE = Origin("recipe")

Settings = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """The properties of a checkpoint that its recipe depends on.

    Attributes:
        source: the checkpoint as the user has named it.
        path: its file on this machine.
        name: its short name in the zoo; empty if it is not a released one.
        cfg: its own configuration: architecture, T x tau, crop.
        classes: number of classes of its classifier; 0 if it has none.
        epoch: complete epochs; None if the file does not have them.
        note: the assumptions about it, for the user; empty if there are none.
        class_names: names of its classifier's classes by label; empty if it has none.
        supervised: whether its weights were trained with labels from the start.
    """

    source: str
    path: str
    name: str
    cfg: CfgNode
    classes: int = 0
    epoch: int | None = None
    note: str = ""
    class_names: tuple[str, ...] = ()
    supervised: bool = False


def protocol_settings(protocol: str, dataset: str) -> Settings:
    """The settings of a protocol on a data set, the same for all checkpoints."""
    if protocol in ("knn", "retrieval"):
        return dict(KNN)
    if protocol == "fast":
        return {key: KNN[key] for key in ("TRAIN.BATCH_SIZE", "KNN.NUM_CLIPS")}
    if protocol == "test":
        return dict(_VIEWS)
    if protocol == "ava":
        return dict(DETECTION)
    if _is_charades(protocol, dataset):
        return dict(FINETUNE_CHARADES)
    if protocol == "finetune":
        return dict(FINETUNE_SSV2 if dataset == "SSv2" else FINETUNE)
    return LINEAR | _SSV2_DATA | _SSV2_VIEWS if dataset == "SSv2" else dict(LINEAR)


def _is_charades(protocol: str, dataset: str) -> bool:
    """True for the paper's fine-tuning on Charades."""
    return protocol == "charades" or (protocol == "finetune" and dataset == CHARADES_NAME)


def recipe(subject: Subject | None, protocol: str, dataset: str, classes: int, encoder: str = "online") -> Settings:
    """All settings of an evaluation, except its files and folders, under dotted keys.

    Args:
        subject: the checkpoint; None: only the settings that do not depend on it.
        protocol: one of ``PROTOCOLS``.
        dataset: the data set whose protocol it is, a name in :data:`rhovideo.protocols.known_datasets.CLASSES`, or "".
        classes: number of classes in the lists.
        encoder: "online" or "momentum".
    """
    task = TASK_OF[protocol]
    settings: Settings = {"TASK": task, "NUM_GPUS": -1, "RNG_SEED": 0} | protocol_settings(protocol, dataset)
    if task in TRAINS_ON_LABELS:
        settings["MODEL.NUM_CLASSES"] = max(classes, 1)
    if subject is None:
        return settings
    settings |= _architecture(subject.cfg) | _clip(subject.cfg)
    if _is_charades(protocol, dataset) and subject.cfg.MODEL.ARCH not in _OWN_LENGTH:
        settings |= _CHARADES_CLIP
    section = "TRAIN" if task in TRAINS_ON_LABELS else "TEST"
    settings[f"{section}.CHECKPOINT_FILE_PATH"] = subject.path
    if encoder != "online":
        settings["TRAIN.CHECKPOINT_ENCODER"] = encoder
    if task == "test":
        own = {key: get_value(subject.cfg, key) for key in _OF_A_CLASSIFIER}
        settings |= {key: value for key, value in own.items() if value is not None}
        settings["MODEL.NUM_CLASSES"] = subject.classes
    return settings


def for_several_labels(protocol: str) -> Settings:
    """The settings of any protocol on lists with several labels a video, besides its own.

    A protocol that takes one label a video is refused by the check of these settings.
    """
    if TASK_OF[protocol] not in CLASSIFIES:
        return {"DATA.MULTI_LABEL": True}
    # A trained classifier is tested as its configuration says.
    return _SEVERAL_LABELS if protocol == "test" else _SEVERAL_LABELS | {"DATA.ENSEMBLE_METHOD": "max"}


def extract_recipe(subject: Subject, clips: int, encoder: str = "online") -> Settings:
    """All settings of an extraction, except its files and folders. Its features are those of protocol knn.

    Args:
        subject: the checkpoint.
        clips: number of clips of each video, whose features are averaged.
        encoder: "online" or "momentum".
    """
    settings: Settings = {
        "TASK": "extract",
        "NUM_GPUS": -1,
        "RNG_SEED": 0,
        "KNN.NUM_CLIPS": clips,
        "TEST.BATCH_SIZE": 8,
        "TEST.CHECKPOINT_FILE_PATH": subject.path,
    }
    if encoder != "online":
        settings["TRAIN.CHECKPOINT_ENCODER"] = encoder
    return settings | _architecture(subject.cfg) | _clip(subject.cfg)


def _architecture(cfg: CfgNode) -> Settings:
    """The settings that build the checkpoint's encoder."""
    arch = cfg.MODEL.ARCH
    sections = ("RESNET", *([_ARCHITECTURE[arch]] if arch in _ARCHITECTURE else []))
    values = {f"{section}.{key}": value for section in sections for key, value in leaves(cfg[section])}
    plugins = {}
    if not BACKBONES.is_builtin(arch):
        plugins = {"PLUGINS": cfg.PLUGINS}
        values |= {key: value for key, value in leaves(cfg) if is_registered(key)}
    return plugins | {"MODEL.ARCH": arch, "RESNET.DEPTH": cfg.RESNET.DEPTH} | _chosen(values)


def _clip(cfg: CfgNode) -> Settings:
    """The settings of the clips that the encoder was trained on: T x tau, crops, colours."""
    crop = cfg.DATA.TRAIN_CROP_SIZE
    settings = {
        "DATA.NUM_FRAMES": cfg.DATA.NUM_FRAMES,
        "DATA.SAMPLING_RATE": cfg.DATA.SAMPLING_RATE,
        "DATA.TRAIN_CROP_SIZE": crop,
        "DATA.TRAIN_JITTER_SCALES": [_in_proportion(side, crop) for side in _SHORT_SIDES],
        "DATA.TEST_CROP_SIZE": crop if cfg.MODEL.ARCH in ONE_SIZE else _in_proportion(_TEST_CROP, crop),
    }
    return settings | _chosen({key: get_value(cfg, key) for key in _PIXELS})


def _chosen(values: Settings) -> Settings:
    """Those that are not the defaults."""
    known = definitions()
    return {key: value for key, value in values.items() if value != known[key].default}


def _in_proportion(pixels: int, crop: int) -> int:
    return math.ceil(pixels * crop / _CROP)


def resolve(settings: Mapping[str, Any], overrides: Sequence[object] = (), *, fitted: bool = False) -> Loaded:
    """The recipe with the user's overrides, checked.

    Args:
        settings: the recipe's, under dotted keys.
        overrides: ``[key, value, key, value, ...]``.
        fitted: fit what the user has not written to the training list (:func:`rhovideo.checks.fitting.fit_to_list`).

    Returns:
        The configuration.

    Raises:
        ConfigError: an override is wrong, or does not fit the recipe.
    """
    recipe_overrides = [part for pair in settings.items() for part in pair]
    try:
        own = set(map(str, overrides[::2]))
        fit = (lambda cfg, _, automatic: fit_to_list(cfg, own, automatic)) if fitted else None
        return load(None, [*recipe_overrides, *overrides], fitted=fit)
    except ConfigError as error:
        given = set(map(str, overrides[::2]))
        raise ConfigError([_relocated(problem, given) for problem in error.problems]) from None


def _relocated(problem: Problem, given: set[str]) -> Problem:
    """The problem, placed in the recipe if the user has not written the value."""
    typed = problem.origin != COMMAND_LINE or problem.key in given or problem.key not in definitions()
    return problem if typed else Problem(problem.key, _RECIPE, problem.wrong, problem.write)


def as_yaml(settings: Mapping[str, Any], overrides: Sequence[object], cfg: CfgNode, heading: str) -> str:
    """A configuration file that ``rhovideo run`` takes.

    Args:
        settings: the recipe's, under dotted keys.
        overrides: the user's, which win.
        cfg: both, resolved.
        heading: comment lines for its top.
    """
    known = dict(leaves(cfg))
    keys = [key for key in dict.fromkeys([*settings, *read_overrides(overrides, [])]) if key in known]
    tree: dict[str, Any] = {}
    for key in keys:
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[name] = _plain(known[key])
    top = "".join(f"# {line}\n" for line in heading.splitlines())
    return top + yaml.dump(tree, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """A dumper that writes each key on its own line, and lists on the line of their key."""


_Dumper.add_representer(
    list, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
