"""The data sets whose protocols are known, and the contents of a folder's lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.list_names import label_files
from rhovideo.config.pyslowfast.translation import CHARADES, FRAME_LISTS

# The data sets with a protocol: name to number of classes.
CLASSES = {"K400": 400, "K600": 600, "K700": 700, "UCF101": 101, "HMDB51": 51, "SSv2": 174, "Charades": 157}
_NAMES = {classes: name for name, classes in CLASSES.items()}


@dataclass(frozen=True)
class Videos:
    """The contents of lists.

    Attributes:
        classes: the largest label plus one, over all lists that were read; 0 without labels.
        counts: number of videos in each list.
        dataset: the name in ``CLASSES`` with this number of classes; empty if there is none, or if another was named.
        named: the name in ``CLASSES`` that was asked for; empty if none was.
    """

    classes: int
    counts: dict[str, int]
    dataset: str = ""
    named: str = ""

    @property
    def protocol_of(self) -> str:
        """The data set whose protocol is used: the named one, or else that of the number of classes."""
        return self.named or self.dataset

    @property
    def other_classes(self) -> str:
        """A clause if the lists cannot be those of the data set that was named; empty if they can."""
        if self.named == self.dataset or not self.named:
            return ""
        return f"the lists have {self.classes} classes, and {self.named} has {CLASSES[self.named]}"


def reader(folder: Path) -> str:
    """The TRAIN.DATASET of a folder's lists: ssv2 with Something-Something's JSON files, charades for other frames."""
    if any((folder / name).is_file() for split in ("train", "val") for name in label_files(split)):
        return FRAME_LISTS
    # Imports NumPy, which looking at results does not wait for.
    from rhovideo.data.lists.frame_lists import FIRST_WORD

    return CHARADES[0] if any(line.startswith(FIRST_WORD) for line in _first_lines(folder)) else "kinetics"


def has_label_sets(folder: Path) -> bool:
    """True if the lists of a folder have several labels a video: lists of frames with labels, or labels in quotes."""
    return reader(folder) == CHARADES[0] or any(line.endswith(('"', "'")) for line in _first_lines(folder))


def _first_lines(folder: Path) -> Iterator[str]:
    """The first line of each list that can be read."""
    for split in ("train", "val", "test"):
        listed = folder / f"{split}.csv"
        if not listed.is_file():  # a pipe would be waited for
            continue
        try:
            with listed.open(encoding="utf-8-sig", errors="replace") as lines:
                yield next((line.strip() for line in lines if line.strip()), "")
        except OSError:
            continue


def look_at(cfg: CfgNode, splits: Iterable[str], dataset: str | None) -> Videos:
    """Read the lists of a folder.

    Args:
        cfg: its DATA.PATH_TO_DATA_DIR, TRAIN.DATASET and the keys for the format of lists are used.
        splits: the lists to read.
        dataset: a name in ``CLASSES``; None: by the number of classes.

    Returns:
        Their contents.

    Raises:
        ManifestError: a list is missing or unusable, or has more classes than the data set.
    """
    import numpy as np

    # Imports torch, which the rest of this module does not need.
    from rhovideo.data.lists.csv_parsing import ManifestError
    from rhovideo.data.loading.datasets import open_manifest

    lists = {split: open_manifest(cfg, split) for split in splits}
    classes = max(manifest.num_classes for manifest in lists.values())
    if dataset and classes > CLASSES[dataset]:
        largest = max(lists.values(), key=lambda manifest: manifest.num_classes)
        labels = np.concatenate([manifest.labels for manifest in lists.values()])
        if classes == CLASSES[dataset] + 1 and min(labels[labels >= 0], default=0) == 1:
            raise ManifestError(
                f"labels start at 1: those of {largest.csv} are 1 to {classes - 1}, and the first class is 0: "
                "write each label less one into all lists"
            )
        raise ManifestError(
            f"{largest.csv} has the label {classes - 1}, and {dataset} has {CLASSES[dataset]} classes: "
            "write another --dataset, or none"
        )
    counts = {split: len(manifest) for split, manifest in lists.items()}
    found = _NAMES.get(classes, "")
    # A result on other classes must not get the name that was asked for.
    return Videos(classes, counts, found if dataset in (None, found) else "", dataset or "")
