"""A study's file: which cells a table has, with which recipes and settings, and what is measured of each.

A study is a YAML file (``configs/studies/table2.yaml`` is the paper's table 2)::

    TITLE: Clips of a video
    TRAIN_ON: K400                      # the name of a data set, whose folder --data gives
    SET: {SOLVER.MAX_EPOCH: 100}        # for all cells
    ROW_HEADING: rho
    ROWS:                               # label: settings
      "1": {DATA.TRAIN_CROP_NUM_TEMPORAL: 1}
      "2": {DATA.TRAIN_CROP_NUM_TEMPORAL: 2}
    COLUMNS:                            # may be left out: one column
      BYOL: {RECIPE: pretrain/BYOL_SlowR50_8x8_paper}
      MoCo: {RECIPE: pretrain/MoCo_SlowR50_8x8_paper, CONTRASTIVE.QUEUE_LEN: 16384}
    WITHOUT: [["2", MoCo]]              # cells that the table does not have
    CELLS:                              # settings of single cells
      - {ROW: "2", COLUMN: BYOL, SOLVER.BASE_LR: 2.4}
    MEASURE:                            # label: data set and protocol
      K: K400 linear
      U: {DATA: UCF101, PROTOCOL: finetune, SPLITS: [1, 2, 3]}
    SUBSETS:                            # lists that the study draws by itself
      K400-32k: {OF: K400, VIDEOS: 32000, BALANCED: True}
    DESCRIBE: [parameters, multiply_adds]
    PLOT: lines

Settings are configuration keys, and the words RECIPE, TRAIN_ON, START, MEASURE and MEASURE_WITH. A row's, a column's
and a cell's are merged in this order, and the later one wins; so no grid is forced. ``START: random`` measures
untrained weights of the recipe's network. A cell's ``MEASURE: [K]`` takes some of the table's measures. A measure's own
settings stand beside its DATA and PROTOCOL; those of one cell in its ``MEASURE_WITH: {K: {SOLVER.BASE_LR: 2.0}}``.

A table of statistics of lists, such as table 1, has a TITLE and ``STATISTICS: [K400, IG-Curated]`` alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rhovideo.config.files.yaml_settings import Setting
from rhovideo.config.findings import COMMAND_LINE, ConfigError, Problem
from rhovideo.config.recipes.recipe_files import recipes_folder

# What a table can show of each row beside its numbers, from the run folder of its pre-training.
DESCRIPTIONS = (
    *("frames", "rate", "parameters", "multiply_adds", "head_parameters", "head_multiply_adds", "step_seconds"),
)
PLOTS = ("bars", "lines")
PROTOCOLS = ("linear", "finetune", "charades", "ava", "knn", "fast")
# They measure a checkpoint as it is, and train no network.
WITH_CHECKPOINT = ("knn", "fast")
STARTS = ("trained", "random")


@dataclass(frozen=True)
class Measure:
    """What is measured of an encoder.

    Attributes:
        label: in the table, such as ``K``.
        data: name of the data set.
        protocol: one of PROTOCOLS.
        splits: numbers of its splits, whose mean is the result; empty where it has none.
        keys: settings besides the protocol's.
    """

    label: str
    data: str
    protocol: str
    splits: tuple[int, ...] = ()
    keys: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True)
class Subset:
    """A list that the study draws from another one.

    Attributes:
        of: name of the data set.
        videos: how many are drawn.
        balanced: whether each class gets as many.
        seed: of the draw; a smaller subset is inside a larger one of the same seed.
    """

    of: str
    videos: int
    balanced: bool = False
    seed: int = 0


@dataclass(frozen=True)
class StudyCell:
    """A pre-training of a table, with what is measured of it.

    Attributes:
        row, column: labels of its place.
        recipe: of the training whose encoder is measured.
        train_on: name of the data set that it is trained on.
        start: ``trained``, or ``random`` for weights that are not.
        measures: labels of the table's measures.
        keys: settings besides the recipe's.
        measure_keys: settings of its measures besides the table's, by label.
    """

    row: str
    column: str
    recipe: str
    train_on: str
    start: str
    measures: tuple[str, ...]
    keys: Mapping[str, Setting]
    measure_keys: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyFile:
    """A table of cells.

    Attributes:
        name: the file's, without ``.yaml``.
        path: of the file.
        title: what it varies.
        row_heading: over the rows' labels.
        rows, columns: labels in their order; ``columns`` is ``("",)`` in a table with one.
        measures: by label.
        cells: those that it has, by rows.
        subsets: lists that it draws, by name.
        describe: some of DESCRIPTIONS.
        plot: one of PLOTS.
        statistics: data sets whose lists a table of statistics is of; empty in others.
    """

    name: str
    path: Path
    title: str
    row_heading: str = ""
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("",)
    measures: Mapping[str, Measure] = field(default_factory=dict)
    cells: tuple[StudyCell, ...] = ()
    subsets: Mapping[str, Subset] = field(default_factory=dict)
    describe: tuple[str, ...] = ()
    plot: str = "bars"
    statistics: tuple[str, ...] = ()

    @property
    def data(self) -> list[str]:
        """Names of the data sets that it needs, in the order of their use."""
        trained = [cell.train_on for cell in self.cells if cell.start == "trained"]
        measured = [measure.data for measure in self.measures.values()]
        names = [*self.statistics, *trained, *measured]
        return list(dict.fromkeys(self.subsets[name].of if name in self.subsets else name for name in names))


def studies_folder() -> Path:
    """The folder of the studies that come with the package."""
    return recipes_folder() / "studies"


def study_names() -> list[str]:
    """Names of the studies that come with the package: tables first, each by its number."""
    names = [path.stem for path in studies_folder().glob("*.yaml")]
    return sorted(names, key=lambda name: (not name.startswith("table"), int(re.sub(r"\D", "", name) or 0), name))


def find_studies(words: Sequence[str]) -> list[Path]:
    """The files that are meant: paths, names such as ``table2``, the beginning ``table4`` of several, or ``all``.

    Raises:
        ConfigError: nothing has that name.
    """
    found: list[Path] = []
    for word in words:
        found += _find(word)
    return list(dict.fromkeys(found))


def _find(word: str) -> list[Path]:
    if word.endswith((".yaml", ".yml")):
        return [Path(word).expanduser()]
    names = study_names()
    if word == "all":
        meant = names
    else:
        meant = [name for name in names if name == word] or [
            name for name in names if name[:-1] == word and name[-1].isalpha()
        ]
    if not meant:
        near = difflib.get_close_matches(word, names, n=3) or names
        wrong = "there is no study of this name"
        write = f"all, {', '.join(near)}, or a YAML file of your own; `rhovideo study --list` shows all names"
        raise ConfigError(Problem(word, COMMAND_LINE, wrong, write))
    return [studies_folder() / f"{name}.yaml" for name in meant]
