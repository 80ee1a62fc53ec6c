"""Whether a number means the same class in a checkpoint, in the run folder and in the lists. Without torch.

Labels are numbers. A folder that lacks a class, indexed alone, numbers its classes in another way, and a classifier
measured on it gives a low number. The names of the classes tell: those of the lists are in classes.txt next to them,
those of a classifier in its checkpoint and its run folder. Where one side has no names, nothing can be compared.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.findings import Finding
from rhovideo.config.list_names import CLASS_NAMES_FILE as NAMES_FILE
from rhovideo.config.list_names import label_files
from rhovideo.config.pyslowfast.translation import reads_templates
from rhovideo.config.task_defaults import CLASSIFIES, TRAINS
from rhovideo.data.lists.classes.class_names import (
    OtherName,
    as_table,
    other_names,
    plain,
    read_class_names,
    write_class_names,
)
from rhovideo.data.lists.classes.template_labels import read_templates
from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.runs.folder import list_checkpoints
from rhovideo.runs.job_checkpoint import measured_checkpoint

_DATA = "DATA.PATH_TO_DATA_DIR"


def names_of_lists(cfg: CfgNode) -> list[str]:
    """The names of the classes of DATA.PATH_TO_DATA_DIR's lists.

    Args:
        cfg: of the job.

    Returns:
        The names by label, from classes.txt or Something-Something's JSON file; empty where there is neither.
    """
    if not cfg.DATA.PATH_TO_DATA_DIR:
        return []
    folder = Path(cfg.DATA.PATH_TO_DATA_DIR)
    if not reads_templates(cfg):
        return read_class_names(folder)
    try:
        return read_templates(folder / label_files("train")[1])
    except (OSError, ManifestError):
        # What is wrong with it is found where the lists are checked.
        return []


def check_class_names(cfg: CfgNode, trained_by: CfgNode | None = None) -> Iterator[Finding]:
    """Find classes that the lists number in another way than the classifier that the job goes on with, or measures.

    Args:
        cfg: of the job.
        trained_by: the earlier job of a chain that trains the classifier; None: the checkpoint is there already.
    """
    if cfg.TASK not in CLASSIFIES:
        return
    if cfg.TASK in TRAINS and cfg.TRAIN.ENABLE:
        if cfg.TRAIN.AUTO_RESUME and list_checkpoints(cfg.OUTPUT_DIR):
            names, place = read_class_names(cfg.OUTPUT_DIR), cfg.OUTPUT_DIR
            yield from compare_with_lists(cfg, names, f"the run in {place}")
        return
    checkpoint = Path(measured_checkpoint(cfg) if cfg.TASK == "test" else cfg.TEST.CHECKPOINT_FILE_PATH)
    if checkpoint.parent.name == "checkpoints":
        names = read_class_names(checkpoint.parent.parent)
        yield from compare_with_lists(cfg, names, str(checkpoint))
    elif trained_by is not None:
        made = bool(list_checkpoints(trained_by.OUTPUT_DIR))
        names = (read_class_names(trained_by.OUTPUT_DIR) if made else []) or names_of_lists(trained_by)
        yield from compare_with_lists(cfg, names, f"the classifier of {trained_by.OUTPUT_DIR}")


def compare_with_lists(cfg: CfgNode, names: Sequence[str], owner: str, key: str = _DATA) -> Iterator[Finding]:
    """Find classes that the lists number in another way than a classifier.

    Args:
        cfg: of the job that reads the lists.
        names: the classifier's, by label; empty where they are not known.
        owner: the checkpoint or run folder of the classifier, for the message.
        key: the key to put right.
    """
    different = other_names(names, names_of_lists(cfg))
    if not different:
        return
    lists = Path(cfg.DATA.PATH_TO_DATA_DIR)
    numbers = "1 class has" if len(different) == 1 else f"{len(different)} classes have"
    wrong = (
        f"{numbers} other names in {lists} than in {owner}:\n"
        f"{as_table(different, 'in the checkpoint', 'in the lists')}\n    so labels do not mean the same"
    )
    remedy = (
        "the folder of lists with the classifier's numbers; `rhovideo index FOLDER --out NEW --classes CLASSES` makes "
        f"them, where CLASSES is the {NAMES_FILE} of the training lists or of the run folder"
    )
    yield Finding((key,), wrong, remedy)


def warn_of_names(cfg: CfgNode, csv: str | Path, num_classes: int, smallest: int) -> Iterator[Finding]:
    """Warn of a classes.txt that names one class twice, or not all labels of a list.

    Args:
        cfg: of the job.
        csv: the list.
        num_classes: the largest label plus one; 0 if the list has none.
        smallest: the smallest label; labels from 1 are named elsewhere.
    """
    file = Path(cfg.DATA.PATH_TO_DATA_DIR) / NAMES_FILE
    if reads_templates(cfg) or not num_classes or not file.is_file():
        return
    names = read_class_names(file.parent)
    remedy = f"one name a line, that of label 0 first; `rhovideo index FOLDER --out NEW` writes lists and {NAMES_FILE}"
    lines: dict[str, int] = {}
    for line, name in enumerate(names, 1):
        if name and lines.setdefault(name, line) != line:
            wrong = f"{file}, line {line}: {name!r} is the name of line {lines[name]} too, so two labels have one name"
            yield Finding((_DATA,), wrong, remedy, "warning")
    starts_at_one = smallest == 1 and len(names) == num_classes - 1
    if len(names) < num_classes and not starts_at_one:
        wrong = f"{file} names {len(names)} classes, and {csv} has labels up to {num_classes - 1}"
        yield Finding((_DATA,), wrong, remedy, "warning")


def check_folders(csv: str, paths: Sequence[str], labels: Sequence[int], names: Sequence[str]) -> Iterator[Finding]:
    """Find labels whose videos all lie in the folder of another class: the list was indexed apart from classes.txt.

    Args:
        csv: the list.
        paths: of its videos.
        labels: of its videos, -1 where there is none.
        names: of the classes by label; empty where they are not known.

    Yields:
        An error; for a single label, which may be chance, a warning.
    """
    known = {plain(name): number for number, name in enumerate(names) if name}
    folders: dict[int, set[str]] = defaultdict(set)
    for label, folder in {(label, path.rpartition(os.sep)[0]) for path, label in zip(paths, labels, strict=True)}:
        if 0 <= label < len(names) and names[label]:
            parts = [plain(part) for part in folder.split(os.sep) if plain(part) in known]
            own = plain(names[label])
            folders[label].add(own if own in parts or not parts else parts[-1])
    other = {label: one for label, (one, *more) in folders.items() if not more and one != plain(names[label])}
    if not other or len(set(other.values())) < len(other):
        return
    different = [OtherName(label, names[label], names[known[one]]) for label, one in sorted(other.items())]
    wrong = (
        f"{csv}: its videos are in the folders of other classes than {NAMES_FILE} next to it says:\n"
        f"{as_table(different, f'in {NAMES_FILE}', 'folder of the videos')}\n"
        f"    so it was made without this {NAMES_FILE}"
    )
    remedy = (
        f"a list with the numbers of {NAMES_FILE}; `rhovideo index FOLDER --out NEW --classes {NAMES_FILE}` makes it"
    )
    yield Finding((_DATA,), wrong, remedy, "error" if len(different) > 1 else "warning")


def not_compared(cfg: CfgNode, names: Sequence[str], owner: str) -> str:
    """A line about names that cannot be compared; empty if they can, or if neither side has names.

    Args:
        cfg: of the job that reads the lists.
        names: the classifier's, by label; empty where they are not known.
        owner: the checkpoint of the classifier.
    """
    here = names_of_lists(cfg)
    if bool(here) == bool(names):
        return ""
    without = owner if here else f"{cfg.DATA.PATH_TO_DATA_DIR} (no {NAMES_FILE})"
    other = cfg.DATA.PATH_TO_DATA_DIR if here else owner
    return f"{without} does not name its classes, so it is not checked whether its labels are those of {other}"


def record_class_names(cfg: CfgNode) -> None:
    """Write the names of the lists' classes into the run folder, where the task uses labels and there are names."""
    names = names_of_lists(cfg)
    # A test in the run folder of its classifier may know fewer classes.
    shorter = list_checkpoints(cfg.OUTPUT_DIR) and len(names) < len(read_class_names(cfg.OUTPUT_DIR))
    if names and cfg.TASK != "extract" and not shorter:
        write_class_names(cfg.OUTPUT_DIR, names)
