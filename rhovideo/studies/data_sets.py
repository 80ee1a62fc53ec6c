"""The data sets of a study: their folders, the lists that the study draws by itself, and their classes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rhovideo.config.files.reading import load
from rhovideo.config.findings import ConfigError, Origin, Problem
from rhovideo.config.list_names import CLASS_NAMES_FILE, needed_splits
from rhovideo.data.curation.subsets import subset_list
from rhovideo.errors import JobError
from rhovideo.protocols.box_folder import look_at_boxes, places_of_boxes
from rhovideo.protocols.known_datasets import has_label_sets, look_at, reader
from rhovideo.protocols.recipes import for_several_labels, recipe
from rhovideo.studies.study_file import StudyFile, Subset

DATA = Origin("--data")
# The protocol of detectors.
BOXES = "ava"
# Labels are at most 2^31 - 1.
_MOST_CLASSES = 2**31


def read_data_words(words: Sequence[str]) -> dict[str, Path]:
    """Folders by name, from words such as ``K400=data/k400``.

    Raises:
        ConfigError: a word is no such pair, a name is given twice, or there is no such folder.
    """
    found: dict[str, Path] = {}
    problems = []
    for word in words:
        name, equals, folder = word.partition("=")
        path = Path(folder).expanduser().absolute()
        if not (name and equals and folder):
            remedy = f"{name or 'K400'}=FOLDER OF ITS LISTS; KEY VALUE pairs stand after --opts"
            problems.append(Problem("", DATA, f"{word!r} is not NAME=FOLDER", remedy))
        elif name in found:
            problems.append(Problem("", DATA, f"{name} is given twice", f"{name} once"))
        elif not path.is_dir():
            problems.append(Problem("", DATA, f"{name}: there is no folder {folder}", f"{name}=FOLDER OF ITS LISTS"))
        else:
            found[name] = path
    if problems:
        raise ConfigError(problems)
    return found


class DataSets:
    """The folders of a study's data sets.

    Args:
        folders: by name.
        drawn: folder for the lists that the study draws.
        share: of the videos of a drawn list that are really taken; below 1 in a miniature, whose lists are short.
    """

    def __init__(self, folders: Mapping[str, Path], drawn: Path, share: float = 1.0) -> None:
        self.folders = dict(folders)
        self._drawn = drawn
        self._share = share
        self._subsets: dict[str, Subset] = {}

    def add_subsets_of(self, study: StudyFile) -> None:
        """Know the lists that a study draws.

        Raises:
            ConfigError: another study draws another list of the same name.
        """
        for name, subset in study.subsets.items():
            if self._subsets.setdefault(name, subset) != subset:
                wrong = f"another study draws another list of this name: {self._subsets[name]}"
                raise ConfigError(Problem(f"SUBSETS {name}", Origin(str(study.path)), wrong, "another name"))

    def missing(self, name: str) -> str:
        """The data set that is needed for a list and not given; empty if all is there."""
        source = self._subsets[name].of if name in self._subsets else name
        return "" if source in self.folders else source

    def folder(self, name: str, split: int | None = None) -> Path:
        """The folder of a data set's lists, or of one of its splits: the first one where no other is named."""
        folder = self._drawn / name if name in self._subsets else self.folders[name]
        if split is None and not (folder / "train.csv").is_file() and (folder / "split1").is_dir():
            split = 1
        return folder / f"split{split}" if split else folder

    def draw(self, names: Sequence[str]) -> None:
        """Write those of the lists that are to be drawn and are not there.

        Raises:
            JobError: the source has fewer videos, or no labels to balance.
        """
        for name in names:
            if name in self._subsets:
                self._draw(self._subsets[name], self.folder(name))

    def _draw(self, subset: Subset, folder: Path) -> None:
        source, drawn = self.folders[subset.of], folder / "train.csv"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("val.csv", "test.csv", CLASS_NAMES_FILE):
            if (source / name).is_file() and not (folder / name).exists():
                shutil.copyfile(source / name, folder / name)
        if not drawn.exists():
            videos = max(4, round(subset.videos * self._share))
            try:
                subset_list(source / "train.csv", drawn, videos, balanced=subset.balanced, seed=subset.seed)
            except JobError as error:
                place = f"SUBSETS of a study: {videos:,} VIDEOS of {subset.of} cannot be drawn"
                raise JobError(f"{place}: {error} (a study's VIDEOS is this --number)") from None

    def places(self, folder: Path, protocol: str = "") -> dict[str, Any]:
        """The keys of a job's lists; a detector's are of boxes."""
        if protocol == BOXES:
            return {**places_of_boxes(folder), "DATA.PATH_TO_DATA_DIR": str(folder)}
        keys: dict[str, Any] = {"TRAIN.DATASET": reader(folder), "DATA.PATH_TO_DATA_DIR": str(folder)}
        if protocol and has_label_sets(folder):
            keys |= for_several_labels(protocol)
        return keys


@cache
def classes_of(folder: Path, protocol: str, dataset: str) -> int:
    """The number of classes of a folder's lists: the largest label plus one; of boxes, the largest class.

    Raises:
        ConfigError: a list is missing.
        ManifestError: a list cannot be used.
    """
    places = DataSets({}, folder).places(folder, protocol)
    settings = recipe(None, protocol, dataset, 1) | {"MODEL.NUM_CLASSES": _MOST_CLASSES} | places
    if not (folder / "val.csv").is_file():
        settings["TRAIN.EVAL_PERIOD"] = 0
    cfg = load(None, [part for pair in settings.items() for part in pair]).cfg
    try:
        return look_at_boxes(cfg).classes if protocol == BOXES else look_at(cfg, needed_splits(cfg), None).classes
    except FileNotFoundError as error:
        raise ConfigError(Problem("", DATA, str(error), "the folder that `rhovideo index` has written")) from None
