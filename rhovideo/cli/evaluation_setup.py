"""The preparation of ``rhovideo eval``: what is measured, by which recipe and into which folder; and its errors."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import yaml

from rhovideo.checks.files import check_list_files
from rhovideo.config.files.reading import Loaded
from rhovideo.config.findings import COMMAND_LINE, ConfigError, Finding, Origin, Problem
from rhovideo.config.list_names import needed_splits
from rhovideo.config.pyslowfast.translation import FRAME_LISTS
from rhovideo.config.task_defaults import DETECTS
from rhovideo.errors import JobError
from rhovideo.protocols.box_folder import look_at_boxes
from rhovideo.protocols.known_datasets import Videos, look_at
from rhovideo.protocols.list_settings import list_settings
from rhovideo.protocols.outcome import Evaluation
from rhovideo.protocols.recipes import (
    DETECTION,
    DETECTION_RATE_OF_SUPERVISED,
    TASK_OF,
    Settings,
    Subject,
    as_yaml,
    recipe,
    resolve,
)
from rhovideo.protocols.splits import FIRST_SPLIT
from rhovideo.terminal import print_line
from rhovideo.zoo.sources import local_path

CONFIG_NAME = "eval.yaml"
# What lists with several labels a video look like.
LISTS = 'lists of frames with labels, as Charades\', or lists of videos with labels in quotes, as in `a.mp4 "3,9,21"`'
# Labels are at most 2^31 - 1.
_MOST_CLASSES = 2**31


def prepare(options: argparse.Namespace, overrides: list[object]) -> tuple[Evaluation, str]:
    """Check the arguments, the lists and the checkpoint.

    Args:
        options: the command's.
        overrides: KEY VALUE pairs.

    Returns:
        The evaluation, and the text of its configuration.

    Raises:
        ConfigError, JobError: what is wrong.
    """
    protocol, places = options.protocol, _places(options, overrides)
    dataset = options.dataset or ("SSv2" if places["TRAIN.DATASET"] == FRAME_LISTS else None)
    if protocol == "charades" and "DATA.MULTI_LABEL" not in places:
        wrong = f"{options.data}: its lists have one label a video, and protocol charades is for several"
        raise ConfigError(Problem("", Origin("--data"), wrong, f"{LISTS}; or --protocol finetune"))
    # First what takes no torch: the arguments and the files. The number of classes is known once the lists are read.
    any_classes = {"MODEL.NUM_CLASSES": _MOST_CLASSES}
    first = resolve(recipe(None, protocol, dataset or "", 1) | any_classes | places, overrides, fitted=True)
    _check_lists(first, overrides)
    local_path(options.checkpoint)
    boxes = TASK_OF[protocol] in DETECTS
    videos = look_at_boxes(first.cfg) if boxes else look_at(first.cfg, needed_splits(first.cfg), dataset)
    _name_the_protocol(protocol, videos)
    from rhovideo.protocols.measured_checkpoint import examine

    subject = examine(options.checkpoint, options.encoder, classifier=protocol == "test")
    for note in [*first.notes, *([subject.note] if subject.note else [])]:
        print_line(note)
    if boxes and subject.supervised and "SOLVER.BASE_LR" not in overrides[::2]:
        _warn_of_rate(options.checkpoint)
    if protocol == "test" and videos.classes > subject.classes:
        raise JobError(
            f"{subject.path}: has a classifier of {subject.classes} classes, and the lists have the label "
            f"{videos.classes - 1}: write the --data that it was trained for"
        )
    _refuse_other_classes(first, subject)
    settings = recipe(subject, protocol, videos.protocol_of, videos.classes, options.encoder) | places
    loaded = resolve(settings, overrides, fitted=True)
    heading = _heading(options, subject, overrides)
    text = as_yaml(settings, overrides, loaded.cfg, heading)
    config = Path(loaded.cfg.OUTPUT_DIR) / CONFIG_NAME
    usual = resolve(settings).cfg
    return Evaluation(subject, options.encoder, protocol, videos, loaded.cfg, usual, config), text


def _warn_of_rate(checkpoint: str) -> None:
    """Say that the protocol's learning rate is not that of the paper for these weights."""
    print_line(
        f"warning: the weights of {checkpoint} are supervised, and SOLVER.BASE_LR {DETECTION['SOLVER.BASE_LR']} is for "
        f"unsupervised ones: write SOLVER.BASE_LR {DETECTION_RATE_OF_SUPERVISED}, as the paper does"
    )


def _places(options: argparse.Namespace, overrides: Sequence[object]) -> Settings:
    data = Path(options.data).expanduser().absolute()
    if TASK_OF[options.protocol] in DETECTS and options.dataset:
        wrong = f"{options.dataset} has no boxes, and protocol {options.protocol} is that of AVA"
        raise ConfigError(Problem("", Origin("--dataset"), wrong, "no --dataset"))
    out = {"OUTPUT_DIR": options.out or default_out(options, data)}
    return list_settings(data, options.protocol, overrides[::2]) | out


def default_out(options: argparse.Namespace, data: Path) -> str:
    """The folder of an evaluation without --out.

    Args:
        options: the command's.
        data: the folder of the lists, or of the splits, absolute.
    """
    source = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(options.checkpoint).stem)
    file = Path(options.checkpoint).absolute()
    # A checkpoint's own name is the same in every run folder.
    run = file.parent.parent.name if source.startswith("checkpoint_epoch_") else ""
    encoder = "" if options.encoder == "online" else f"_{options.encoder}"
    out = f"outputs/eval/{run}{'_' if run else ''}{source}{encoder}_{options.protocol}_{data.name}"
    if not file.is_file():
        return out
    # Two studies may have runs of one name. A folder with a digest keeps it, so that the same command finds it again.
    digest = hashlib.sha256(os.fsencode(file) + b"\0" + os.fsencode(data)).hexdigest()
    apart = f"{out}_{digest[:8]}"
    return apart if Path(apart).exists() or _is_of_others(Path(out), file, data) else out


def _is_of_others(out: Path, checkpoint: Path, data: Path) -> bool:
    """True if a folder holds the evaluation of another checkpoint, or on other lists."""
    try:
        first = next((part for part in ("", FIRST_SPLIT) if (out / part / CONFIG_NAME).exists()), "")
        written = yaml.safe_load((out / first / CONFIG_NAME).read_text(encoding="utf-8"))
        files = {written.get(section, {}).get("CHECKPOINT_FILE_PATH") for section in ("TRAIN", "TEST")}
        return str(checkpoint) not in files or written["DATA"]["PATH_TO_DATA_DIR"] != str(data / first)
    except (OSError, ValueError, LookupError, AttributeError, yaml.YAMLError):
        return False  # nothing is there, or nothing that can be read, which is an error where it is to be used


def _check_lists(loaded: Loaded, overrides: Sequence[object]) -> None:
    """Refuse wrong lists before the checkpoint is read, in the command's own terms. Warnings come with the start."""
    from rhovideo.checks.lists.job_lists import ListCheck

    findings = list(check_list_files(loaded.cfg)) or ListCheck()(loaded.cfg)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise ConfigError([_of_lists(finding, overrides) for finding in errors])


def _of_lists(finding: Finding, overrides: Sequence[object]) -> Problem:
    """The finding with its place on the command line: a key that was given there, else --data."""
    key = finding.keys[0]
    if key == "DATA.PATH_TO_DATA_DIR":
        return Problem("", Origin("--data"), finding.wrong, finding.write)
    return Problem(key, COMMAND_LINE if key in overrides[::2] else Origin("--data"), finding.wrong, finding.write)


def _refuse_other_classes(loaded: Loaded, subject: Subject) -> None:
    """Refuse lists that number their classes in another way than the checkpoint's classifier."""
    from rhovideo.checks.lists.class_agreement import compare_with_lists

    findings = compare_with_lists(loaded.cfg, subject.class_names, subject.path)
    if problems := [_of_lists(finding, ()) for finding in findings]:
        raise ConfigError(problems)


def _name_the_protocol(protocol: str, videos: Videos) -> None:
    if videos.other_classes:
        print_line(
            f"{videos.other_classes}: its protocol is used, and the number cannot be compared with published ones"
        )
    elif not videos.named and videos.dataset and protocol in ("linear", "finetune"):
        print_line(f"{videos.classes} classes, so the protocol is that of {videos.dataset}; --dataset sets another")


def _heading(options: argparse.Namespace, subject: Subject, overrides: Sequence[object]) -> str:
    name = f" ({subject.name})" if subject.name and subject.name != options.checkpoint else ""
    own = f"\nChanged on the command line: {shlex.join(map(str, overrides))}" if overrides else ""
    return f"Protocol {options.protocol} for {options.checkpoint}{name}, written by `rhovideo eval`.{own}"
