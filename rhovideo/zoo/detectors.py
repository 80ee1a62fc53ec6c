"""Detectors from checkpoints: PySlowFast's for AVA, and ours."""

from __future__ import annotations

from fvcore.common.config import CfgNode

from rhovideo.config.task_defaults import DETECTS
from rhovideo.errors import WeightsError
from rhovideo.models.detector import Detector, build_detector
from rhovideo.zoo.files.architecture import architecture
from rhovideo.zoo.files.checkpoint_files import WeightsFile
from rhovideo.zoo.pretrained import (
    Source,
    as_file,
    build_described,
    load_classifier_weights,
    of_one_process,
    standardise_as_trained,
)


def load_detector(source: Source, cfg: CfgNode | None = None) -> Detector:
    """A detector, in eval mode: clips [B, 3, T, H, W], normalised, and boxes [N, 5] to scores [N, K] in 0..1.

    A box is the number of its clip, from 0, and x1, y1, x2, y2 in pixels of the clip.

    Args:
        source: a checkpoint of TASK detection, or one of PySlowFast's for AVA: its path or URL, or a state dict.
        cfg: the configuration of the detector, in the place of the file's; None: the file's, or, where it has none,
            the released detectors' (res5 with stride 1 and dilation 2, boxes aligned).

    Returns:
        The detector, with ``load_report``.

    Raises:
        WeightsError: the file cannot be read, or does not hold a whole detector.

    Example::

        detector = rhovideo.load_detector("outputs/ava/checkpoints/checkpoint_epoch_00032.pyth")
        scores = detector((clips - 0.45) / 0.225, torch.tensor([[0, 30.0, 20.0, 120.0, 200.0]]))
    """
    file = as_file(source)
    known = cfg or of_one_process(_architecture(file))
    detector = build_described(build_detector, file, known)
    detector.load_report = load_classifier_weights(detector, file, known)  # type: ignore[assignment]
    standardise_as_trained(detector, known)
    return detector.eval()


def _architecture(file: WeightsFile) -> CfgNode:
    cfg = architecture(file)
    if file.cfg is None:
        cfg = cfg.clone()
        cfg.defrost()
        cfg.RESNET.SPATIAL_STRIDES, cfg.RESNET.SPATIAL_DILATIONS = [[1], [2], [2], [1]], [[1], [1], [1], [2]]
        cfg.freeze()
    elif file.cfg.TASK not in DETECTS:
        raise WeightsError(
            f"{file.name}: holds no detector: it is of TASK {file.cfg.TASK}; write one of TASK detection"
        )
    return cfg
