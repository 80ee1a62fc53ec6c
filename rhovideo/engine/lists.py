"""Whether the lists of videos have what the task needs, asked before anything is trained."""

from __future__ import annotations

from fvcore.common.config import CfgNode

from rhovideo.config.inputs import needed_splits
from rhovideo.data.csv_parsing import ManifestError
from rhovideo.data.datasets import open_manifest

_COUNTS_CLASSES = ("linear", "finetune", "test")


def check_lists(cfg: CfgNode) -> None:
    """Read every list that the task will need, and check their labels.

    Raises:
        ManifestError: a list is unusable, has no labels, or has more classes than MODEL.NUM_CLASSES.
    """
    for split in needed_splits(cfg):
        manifest = open_manifest(cfg, split)
        if cfg.TASK == "pretrain" and split == "train":
            continue
        if not manifest.has_labels:
            without = ", or TRAIN.EVAL_PERIOD 0 to go without it" if split == "val" else ""
            raise ManifestError(
                f"{manifest.csv} has no labels, which TASK {cfg.TASK} needs: write a class number at the end of each "
                f"line{without}"
            )
        if cfg.TASK in _COUNTS_CLASSES and manifest.num_classes > cfg.MODEL.NUM_CLASSES:
            raise ManifestError(
                f"{manifest.csv} has the label {manifest.num_classes - 1}, but MODEL.NUM_CLASSES is "
                f"{cfg.MODEL.NUM_CLASSES}: write MODEL.NUM_CLASSES {manifest.num_classes}, or mend the list"
            )
