"""Whether the lists of videos have what the task needs, asked before anything is trained."""

from __future__ import annotations

from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.inputs import needed_splits
from rhovideo.config.tasks import CLASSIFIES
from rhovideo.data.csv_parsing import ManifestError
from rhovideo.data.datasets import open_manifest


def check_lists(cfg: CfgNode) -> None:
    """Read every list that the task will need, and check their labels.

    Raises:
        ManifestError: a list is unusable, has no labels, or has more classes than MODEL.NUM_CLASSES.
    """
    for split in needed_splits(cfg):
        manifest = open_manifest(cfg, split)
        check_labels(cfg, split, manifest.csv, manifest.num_classes)


def check_labels(cfg: CfgNode, split: str, csv: str | Path, num_classes: int) -> None:
    """Check the labels of a list.

    Args:
        cfg: of the job.
        split: whose list it is.
        csv: the list, for the message.
        num_classes: the largest label plus one; 0 if the list has none.

    Raises:
        ManifestError: the task needs labels and there are none, or MODEL.NUM_CLASSES is too small for them.
    """
    if (cfg.TASK == "pretrain" and split == "train") or cfg.TASK == "extract":
        return
    if not num_classes:
        without = ", or TRAIN.EVAL_PERIOD 0 to go without it" if split == "val" else ""
        raise ManifestError(
            f"{csv} has no labels, which TASK {cfg.TASK} needs: write a class number at the end of each line{without}"
        )
    if cfg.TASK in CLASSIFIES and num_classes > cfg.MODEL.NUM_CLASSES:
        raise ManifestError(
            f"{csv} has the label {num_classes - 1}, but MODEL.NUM_CLASSES is {cfg.MODEL.NUM_CLASSES}: "
            f"write MODEL.NUM_CLASSES {num_classes}, or mend the list"
        )
