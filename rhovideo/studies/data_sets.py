"""The data sets of a study: their folders, the lists that the study draws by itself, and their classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from rhovideo.config.files.reading import load
from rhovideo.config.findings import ConfigError, Origin, Problem
from rhovideo.config.list_names import needed_splits
from rhovideo.protocols.box_folder import look_at_boxes
from rhovideo.protocols.known_datasets import look_at
from rhovideo.protocols.list_settings import list_settings
from rhovideo.protocols.recipes import recipe
from rhovideo.studies.drawn_lists import draw_lists
from rhovideo.studies.study_file import StudyFile, Subset

DATA = Origin("--data")
# The protocol of detectors.
BOXES = "ava"
# Videos of a list that a miniature draws: those of a step.
_FEWEST = 4
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
        share: of the videos of a drawn list that a miniature takes, since its lists are short; None: of a study
            that is none, whose lists have the videos that its file says.
    """

    def __init__(self, folders: Mapping[str, Path], drawn: Path, share: float | None = None) -> None:
        self.folders = dict(folders)
        self._drawn = drawn
        self._share = share
        self._subsets: dict[str, Subset] = {}
        self._done: set[str] = set()

    def add_subsets_of(self, study: StudyFile) -> None:
        """Know the lists that a study draws.

        Raises:
            ConfigError: another study draws another list of the same name, or there is a data set of this name.
        """
        for name, subset in study.subsets.items():
            if name in self.folders:
                wrong = f"a data set has this name too: {self.folders[name]}"
                raise ConfigError(Problem(f"SUBSETS {name}", Origin(str(study.path)), wrong, "another name"))
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
            ConfigError: the data set has no training list.
            JobError: a list cannot be drawn.
        """
        for name in names:
            if name in self._subsets and name not in self._done:
                self._draw(name, self._subsets[name])
                self._done.add(name)

    def _draw(self, name: str, subset: Subset) -> None:
        if self._share is not None:
            subset = replace(subset, videos=max(_FEWEST, round(subset.videos * self._share)))
        try:
            draw_lists(subset, self.folder(subset.of), self._drawn / name, renew=self._share is not None)
        except FileNotFoundError as error:
            raise _no_list(error) from None


@cache
def classes_of(folder: Path, protocol: str, dataset: str, given: tuple[str, ...] = ()) -> int:
    """The number of classes of a folder's lists: the largest label plus one; of boxes, the largest class.

    Args:
        folder: of the lists.
        protocol: that measures on them.
        dataset: a known data set that they are of; may be empty.
        given: keys that the person has written.

    Raises:
        ConfigError: a list is missing.
        ManifestError: a list cannot be used.
    """
    settings = recipe(None, protocol, dataset, 1) | {"MODEL.NUM_CLASSES": _MOST_CLASSES}
    settings |= list_settings(folder, protocol, given)
    cfg = load(None, [part for pair in settings.items() for part in pair]).cfg
    try:
        return look_at_boxes(cfg).classes if protocol == BOXES else look_at(cfg, needed_splits(cfg), None).classes
    except FileNotFoundError as error:
        raise _no_list(error) from None


def _no_list(error: FileNotFoundError) -> ConfigError:
    return ConfigError(Problem("", DATA, str(error), "the folder that `rhovideo index` has written"))
