"""Labels that start at 1, where the first class has the number 0. Without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fvcore.common.config import CfgNode

from rhovideo.checks.lists.list_contents import ListContents
from rhovideo.config.findings import Finding
from rhovideo.config.task_defaults import CLASSIFIES

_DATA = "DATA.PATH_TO_DATA_DIR"


def check_first_label(cfg: CfgNode, lists: Mapping[str, ListContents], names: Sequence[str]) -> Iterator[Finding]:
    """Find labels that start at 1: the smallest is 1, and the largest is the number of classes, or none is missing.

    Args:
        cfg: of the job.
        lists: the lists that it reads, by split.
        names: of the classes by label; empty where they are not known.

    Yields:
        An error where the largest label is beyond MODEL.NUM_CLASSES, else a warning.
    """
    labelled = {split: contents for split, contents in lists.items() if contents.classes}
    if not labelled or min(contents.smallest for contents in labelled.values()) != 1:
        return
    largest = max(contents.classes for contents in labelled.values()) - 1
    classifies = cfg.TASK in CLASSIFIES
    room = cfg.MODEL.NUM_CLASSES - largest
    # Every label from 1 on is there, so it is not the first of many classes that happens to be missing.
    whole = any(contents.distinct == largest == contents.classes - 1 for contents in labelled.values())
    beyond = classifies and (room == 0 or (room < 0 and whole))
    raised = classifies and not names and whole and (room == 1 or (room > 0 and largest > 1))
    if not (beyond or raised or (names and largest == len(names))):
        return
    wrong = f"labels start at 1: those of {_files(labelled)} are 1 to {largest}, and the first class is 0"
    remedy = "each label less one into all lists"
    if not cfg.DATA.MULTI_LABEL:
        remedy += f", such as with `{_command(cfg)}`"
    if raised or (beyond and room < 0):
        remedy += f", and MODEL.NUM_CLASSES {largest}"
    yield Finding((_DATA, "MODEL.NUM_CLASSES"), wrong, remedy, "error" if beyond else "warning")


def _files(lists: Mapping[str, ListContents]) -> str:
    *first, last = [str(contents.csv) for contents in lists.values()]
    return f"{', '.join(first)} and {last}" if first else last


def _command(cfg: CfgNode) -> str:
    separator = cfg.DATA.PATH_LABEL_SEPARATOR
    both = "" if separator == " " else f"-F '{separator}' -v OFS='{separator}' "
    return f"awk {both}'{{$NF -= 1}} 1' train.csv > train_from_0.csv"
