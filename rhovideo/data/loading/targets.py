"""The targets of videos with several labels each: a row of zeros and ones for each sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from fvcore.common.config import CfgNode

from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.data.lists.multi_label.label_sets import LabelSets


class MultiHotTargets:
    """Targets of the videos of a list.

    Args:
        labels: the list.
        classes: C (MODEL.NUM_CLASSES).
        of_clips: the labels of the frames from a sample's first to its last (training), not of the whole video.
    """

    def __init__(self, labels: LabelSets, classes: int, of_clips: bool) -> None:
        self._labels = labels
        self._classes = classes
        self._of_clips = of_clips

    def of(self, index: int, times: np.ndarray) -> torch.Tensor:
        """The target of a sample, uint8 [C].

        Args:
            index: of the video.
            times: int64 [clips, T], the frames that are shown. Labels of frames between them count too, as in
                PySlowFast.
        """
        part = (int(times.min()), int(times.max())) if self._of_clips else (None, None)
        return torch.from_numpy(multi_hot(self._labels.label_set(index, *part), self._classes))

    def none(self) -> torch.Tensor:
        """The target of a sample without a video, uint8 [C] of zeros."""
        return torch.zeros(self._classes, dtype=torch.uint8)


def multi_hot(labels: Sequence[int], classes: int) -> np.ndarray:
    """uint8 [classes], 1 at each of the labels."""
    row = np.zeros(classes, np.uint8)
    row[list(labels)] = 1
    return row


def build_targets(cfg: CfgNode, manifest: object, purpose: str) -> MultiHotTargets | None:
    """The targets of a list for a purpose; None where a video has one label, or none is asked for.

    Raises:
        ManifestError: a registered data set does not give several labels a video.
    """
    if not cfg.DATA.MULTI_LABEL or purpose not in ("train", "eval", "test"):
        return None
    if not isinstance(manifest, LabelSets):
        raise ManifestError(
            f"the list of TRAIN.DATASET {cfg.TRAIN.DATASET} has no label_set(index, first, last), which several labels "
            "a video need: write DATA.MULTI_LABEL False, or give VideoList its label_sets",
            keys=("DATA.MULTI_LABEL", "TRAIN.DATASET"),
        )
    return MultiHotTargets(manifest, cfg.MODEL.NUM_CLASSES, of_clips=purpose == "train")
