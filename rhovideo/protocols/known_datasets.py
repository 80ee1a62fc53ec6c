"""The data sets whose protocols are known, and what the lists of a folder hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.input_files import label_files
from rhovideo.config.pyslowfast import FRAME_LISTS

# Of our data sets and the paper's protocols: name to number of classes.
CLASSES = {"K400": 400, "UCF101": 101, "HMDB51": 51, "SSv2": 174}
_NAMES = {classes: name for name, classes in CLASSES.items()}


@dataclass(frozen=True)
class Videos:
    """What the lists hold.

    Attributes:
        classes: the largest label plus one, over all lists that were read; 0 without labels.
        counts: videos of each list.
        dataset: a name of ``CLASSES``, by the number of classes; empty where it is none of these, or not the one named.
        named: the name of ``CLASSES`` that was asked for; empty where the number of classes alone decides.
    """

    classes: int
    counts: dict[str, int]
    dataset: str = ""
    named: str = ""

    @property
    def protocol_of(self) -> str:
        """The data set whose protocol is taken: the named one, whatever the lists are."""
        return self.named or self.dataset

    @property
    def other_classes(self) -> str:
        """That the lists are not those of the data set that was named; empty where they may be."""
        if self.named == self.dataset or not self.named:
            return ""
        return f"the lists have {self.classes} classes, and {self.named} has {CLASSES[self.named]}"


def reader(folder: Path) -> str:
    """The TRAIN.DATASET of a folder's lists: of images, where Something-Something's JSON files lie beside them."""
    there = any((folder / name).is_file() for split in ("train", "val") for name in label_files(split))
    return FRAME_LISTS if there else "kinetics"


def look_at(cfg: CfgNode, splits: Iterable[str], dataset: str | None) -> Videos:
    """Read lists, as DATA's keys say.

    Args:
        cfg: with DATA.PATH_TO_DATA_DIR, TRAIN.DATASET and how its lists are written.
        splits: which lists.
        dataset: a name of ``CLASSES``; None: by the number of classes.

    Raises:
        ManifestError: a list is missing or unusable, or has more classes than the data set.
    """
    # Takes torch, which nothing above does.
    from rhovideo.data.lists.csv_parsing import ManifestError
    from rhovideo.data.loading.datasets import open_manifest

    lists = {split: open_manifest(cfg, split) for split in splits}
    classes = max(manifest.num_classes for manifest in lists.values())
    if dataset and classes > CLASSES[dataset]:
        largest = max(lists.values(), key=lambda manifest: manifest.num_classes)
        raise ManifestError(
            f"{largest.csv} has the label {classes - 1}, and {dataset} has {CLASSES[dataset]} classes: "
            "write another --dataset, or none"
        )
    counts = {split: len(manifest) for split, manifest in lists.items()}
    found = _NAMES.get(classes, "")
    # A number measured on other classes must not go by the name that was asked for.
    return Videos(classes, counts, found if dataset in (None, found) else "", dataset or "")
