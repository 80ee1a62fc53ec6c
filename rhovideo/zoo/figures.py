"""The paper's figures by settings, and the one that a run may be compared with. Without torch.

All are of the Slow path of a ResNet-50, pre-trained for 200 epochs of Kinetics-400. The figures by cells of the paper's
tables are in :mod:`rhovideo.zoo.stated_figures`; those of them that are here too are taken from there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rhovideo.zoo.stated_figures import Cell, stated

PAPER = "arXiv 2104.14558"
RELEASED = "released checkpoints"
# The names in results.json that a figure of a measure is compared with. AVA's are by PySlowFast's rule.
FIGURE_NAMES = {"top-1": ("test_top1", "top1"), "mAP": ("test_map_file_order", "map_file_order")}


@dataclass(frozen=True)
class Protocol:
    """A way to measure a pre-trained encoder. The test uses 10 x 3 views, except for SSv2 and for boxes.

    Attributes:
        dataset: its name.
        task: TASK.
        classes: MODEL.NUM_CLASSES, by which the data sets are known.
        epochs: SOLVER.MAX_EPOCH.
        views: clips and crops of the test; None for a detector, which sees each key frame once.
        measure: what the figures are: top-1 or mAP.
    """

    dataset: str
    task: str
    classes: int
    epochs: int
    views: tuple[int, int] | None = (10, 3)
    measure: str = "top-1"

    def __str__(self) -> str:
        return f"{self.dataset} {self.task}"


K400 = Protocol("K400", "linear", 400, 60)
K400_LONG = Protocol("K400", "linear", 400, 100)
UCF101 = Protocol("UCF101", "finetune", 101, 200)
SSV2 = Protocol("SSv2", "finetune", 174, 22, (1, 1))
AVA = Protocol("AVA", "detection", 80, 32, None, "mAP")


@dataclass(frozen=True)
class Figure:
    """One number of the paper.

    Attributes:
        method: CONTRASTIVE.TYPE.
        rho: clips of a video.
        frames: T.
        rate: tau.
        strong_augmentation: "aug+": crops by area instead of by the short side.
        protocol: the measurement.
        value: in percent, of the protocol's measure.
        source: the publication.
    """

    method: str
    rho: int
    frames: int
    rate: int
    strong_augmentation: bool
    protocol: Protocol
    value: float
    source: str


def _released(method: str, rho: int, frames: int, rate: int, *values: float | None) -> list[Figure]:
    """A line of the table of released checkpoints: K400, UCF101, AVA, SSv2."""
    protocols = zip((K400, UCF101, AVA, SSV2), values, strict=False)
    return [
        Figure(method, rho, frames, rate, True, protocol, value, RELEASED)
        for protocol, value in protocols
        if value is not None
    ]


def _of_table(method: str, rho: int, protocol: Protocol, cell: Cell, strong: bool = False) -> Figure:
    """A number that a table of the paper states, of clips of 8 x 8."""
    number = stated(*cell)
    if number is None:
        raise LookupError(f"{cell}: has no stated number")
    return Figure(method, rho, 8, 8, strong, protocol, number.value, PAPER)


FIGURES = (
    *_released("moco", 2, 8, 8, 66.6, 91.3, 19.7, 52.7),
    *_released("byol", 2, 8, 8, 67.4, 94.0, 22.8, 54.4),
    *_released("simclr", 2, 8, 8, 61.5, 88.3, 17.5, 51.4),
    *_released("swav", 2, 8, 8, 62.6, 90.2, 19.2, 52.5),
    *_released("moco", 4, 8, 8, 71.0, 94.5, 21.9, 54.0),
    *_released("byol", 4, 8, 8, 70.1, 94.7),
    *_released("byol", 4, 16, 4, 71.1, 95.4),
    _of_table("simclr", 1, K400, ("table2", "1", "SimCLR", "K")),
    _of_table("simclr", 2, K400, ("table2", "2", "SimCLR", "K")),
    _of_table("simclr", 3, K400, ("table2", "3", "SimCLR", "K")),
    _of_table("swav", 1, K400, ("table2", "1", "SwAV", "K")),
    _of_table("swav", 2, K400, ("table2", "2", "SwAV", "K")),
    _of_table("moco", 2, K400, ("table2", "2", "MoCo", "K")),
    _of_table("moco", 3, K400, ("table2", "3", "MoCo", "K")),
    _of_table("byol", 2, K400, ("table2", "2", "BYOL", "K")),
    _of_table("byol", 3, K400, ("table2", "3", "BYOL", "K")),
    _of_table("byol", 4, K400, ("table2", "4", "BYOL", "K")),
    _of_table("byol", 4, UCF101, ("table2", "4", "BYOL", "U")),
    _of_table("byol", 4, K400_LONG, ("table9", "aug+", "BYOL", "K"), strong=True),
    _of_table("moco", 4, K400_LONG, ("table9", "aug+", "MoCo", "K"), strong=True),
)

_NETWORK = {"MODEL.ARCH": "slow", "RESNET.DEPTH": 50, "RESNET.WIDTH_PER_GROUP": 64}
_PRETRAINING = {
    "TASK": "pretrain",
    "SOLVER.MAX_EPOCH": 200,
    "DATA.TRAIN_CROP_SIZE": 224,
    # Not one of the ablations.
    "DATA.AUG_TEMPORAL": True,
    "DATA.AUG_SPATIAL": True,
    "DATA.TIME_DIFF_PROB": 0.0,
    "CONTRASTIVE.DELTA_CLIPS_MIN": -math.inf,
    "CONTRASTIVE.DELTA_CLIPS_MAX": math.inf,
    "CONTRASTIVE.DELTA_SECONDS_MIN": 0.0,
    "CONTRASTIVE.DELTA_SECONDS_MAX": math.inf,
}


def figure_for(pretraining: Mapping[str, Any], training: Mapping[str, Any], test: Mapping[str, Any]) -> Figure | None:
    """The figure for a run with these settings; None if the paper has none.

    The data sets themselves are not compared: a configuration has only their number of classes.

    Args:
        pretraining: the resolved configuration (``config.yaml``) of the encoder's pre-training.
        training: that of the linear layer's training, or of the fine-tuning.
        test: that of the job that tested it, often the same as ``training``.
    """
    return next((figure for figure in FIGURES if _fits(figure, pretraining, training, test)), None)


def was_measured_so(figure: Figure, training: Mapping[str, Any], test: Mapping[str, Any]) -> bool:
    """True if a figure was measured with these settings of the evaluation; the pre-training is not looked at."""
    protocol = figure.protocol
    clip = _clip(figure)
    task = {"TASK": protocol.task, "SOLVER.MAX_EPOCH": protocol.epochs, "MODEL.NUM_CLASSES": protocol.classes}
    views: dict[str, int] = {"DATA.TEST_CROP_SIZE": 256}
    if protocol.views:
        clips, crops = protocol.views
        views |= {"TEST.NUM_ENSEMBLE_VIEWS": clips, "TEST.NUM_SPATIAL_CROPS": crops}
    return _has(training, _NETWORK | clip | task) and _has(test, _NETWORK | clip | views)


def _fits(figure: Figure, pretraining: Mapping[str, Any], training: Mapping[str, Any], test: Mapping[str, Any]) -> bool:
    method = {"CONTRASTIVE.TYPE": figure.method, "DATA.TRAIN_CROP_NUM_TEMPORAL": figure.rho}
    strong = bool(_value(pretraining, "DATA.TRAIN_JITTER_SCALES_RELATIVE"))
    return (
        strong == figure.strong_augmentation
        and _has(pretraining, _NETWORK | _PRETRAINING | _clip(figure) | method)
        and was_measured_so(figure, training, test)
    )


def _clip(figure: Figure) -> dict[str, int]:
    return {"DATA.NUM_FRAMES": figure.frames, "DATA.SAMPLING_RATE": figure.rate}


def _has(cfg: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(_value(cfg, key) == value for key, value in wanted.items())


def _value(cfg: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.rpartition(".")
    return (cfg.get(section) or {} if section else cfg).get(name)
