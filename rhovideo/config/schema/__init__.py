"""Every configuration key, defined once: its name, default and meaning, and what its value may be.

Names, defaults and meanings are PySlowFast's wherever it has the key; ``released`` says what it does otherwise, and
keys of our own are marked ``ours``. Keys of PySlowFast that would change nothing here are not in it; files may hold
them, see :mod:`rhovideo.config.pyslowfast.other_keys`. What reads the definitions: :func:`get_cfg`, the reading of
values (:mod:`rhovideo.config.files.values`), the check of each value (:func:`check_values`), SLURM's flags,
``rhovideo keys`` and docs/configuration.md (:mod:`rhovideo.config.schema.reference`).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.config.findings import Finding
from rhovideo.config.keys import get_value
from rhovideo.config.schema.clips import DATA
from rhovideo.config.schema.definition import Key
from rhovideo.config.schema.job import DATA_LOADER, LOGGERS, SLURM, TENSORBOARD, TOP
from rhovideo.config.schema.networks import BN, MODEL, MVIT, RESNET, SLOWFAST, X3D
from rhovideo.config.schema.person_boxes import AVA, DETECTION
from rhovideo.config.schema.pretraining import CONTRASTIVE
from rhovideo.config.schema.training import KNN, SOLVER, TEST, TRAIN

__all__ = ["SECTIONS", "Key", "check_values", "definitions", "get_cfg", "is_registered", "register_key"]

# In the order of the configuration; the top has no name. Each with what it is about.
SECTIONS: dict[str, tuple[tuple[Key, ...], str]] = {
    "": (TOP, "The job: what it does, on how many processes, and where it writes."),
    "TRAIN": (TRAIN, "Training: batches, evaluations, checkpoints, precision."),
    "TEST": (TEST, "Multi-view tests."),
    "KNN": (KNN, "Nearest-neighbour evaluation, online during pre-training and as TASK knn."),
    "MODEL": (MODEL, "The network as a whole."),
    "RESNET": (RESNET, "Residual networks: slow, c2d, i3d, slowfast and r2plus1d."),
    "SLOWFAST": (SLOWFAST, "SlowFast's two pathways."),
    "X3D": (X3D, "X3D."),
    "MVIT": (MVIT, "Multiscale vision transformers. PySlowFast's own defaults build none, these do."),
    "BN": (BN, "Batch norm."),
    "CONTRASTIVE": (CONTRASTIVE, "The self-supervised methods."),
    "DATA": (DATA, "Lists of videos, clips, crops and colours."),
    "DETECTION": (DETECTION, "TASK detection: the head that scores each box."),
    "AVA": (AVA, "TASK detection: the files of frames and boxes, in AVA's formats."),
    "DATA_LOADER": (DATA_LOADER, "Worker processes that decode."),
    "SOLVER": (SOLVER, "The optimizer and its learning rate."),
    "TENSORBOARD": (TENSORBOARD, "TensorBoard."),
    "LOGGERS": (LOGGERS, "Loggers of trainings: TensorBoard, CSV, Weights & Biases, MLflow."),
    "SLURM": (
        SLURM,
        'What a job asks SLURM for, read with --launcher slurm only. 0, -1 and "" leave it to the cluster. Defaults of '
        "your own go into ~/.config/rhovideo/cluster.yaml, as these keys without the section's name.",
    ),
}

_BUILTIN = {key.name: key for keys, _ in SECTIONS.values() for key in keys}
_registered: dict[str, Key] = {}


def definitions() -> Mapping[str, Key]:
    """Every key under its dotted name, those of rhovideo first, then the registered ones."""
    return _BUILTIN | _registered


def is_registered(name: str) -> bool:
    """True if :func:`register_key` added the key."""
    return name in _registered


def get_cfg() -> CfgNode:
    """A new configuration that holds every key with its default."""
    cfg = CfgNode()
    for key in definitions().values():
        *sections, name = key.name.split(".")
        node = cfg
        for section in sections:
            node = node.setdefault(section, CfgNode())
        node[name] = copy.deepcopy(key.default)
    return cfg


def check_values(cfg: CfgNode) -> Iterator[Finding]:
    """A finding for each key whose own value is out of the question, whatever the others hold."""
    for key in definitions().values():
        # TASK has PySlowFast's words too, which rhovideo.config.task_defaults has looked at.
        finding = None if key.name == "TASK" else key.check(get_value(cfg, key.name))
        if finding is not None:
            yield finding


def register_key(name: str, default: Any, help: str, **limits: Any) -> Key:
    """Add a key of your own, from a module that ``PLUGINS`` names.

    It is read, checked, listed by ``rhovideo keys`` and saved with every run like any other.

    Args:
        name: of a section and the key, such as ``VICREG.COVARIANCE``.
        default: its default, which shows what kind of value it takes; for None or an empty list write ``kind``.
        help: its meaning, in whole sentences.
        limits: ``kind``, ``choices``, ``at_least``, ``above``, ``at_most`` and ``infinite`` of
            :class:`rhovideo.config.schema.Key`.

    Raises:
        ValueError: the name is taken or no name of a key, there is no help, or the default breaks the limits.

    Example::

        rhovideo.register_key("VICREG.COVARIANCE", 1.0, "Weight of the covariance term.", at_least=0)
    """
    key = replace(Key(name, default, help, **limits), ours=True)
    if not re.fullmatch(r"[A-Z][A-Z0-9_]*(\.[A-Z][A-Z0-9_]*)+", name):
        raise ValueError(f"{name!r} cannot be a key: write SECTION.NAME in capitals, such as VICREG.COVARIANCE")
    known = definitions()
    if _registered.get(name, key) != key or name in _BUILTIN:
        raise ValueError(f"there is a key {name} already: take another name")
    if any(other.startswith(f"{name}.") or name.startswith(f"{other}.") for other in known):
        raise ValueError(f"{name} would be a key and a section at once: take another name")
    if not help.strip():
        raise ValueError(f"{name} has no help: write what it means")
    wrong = key.check(default)
    if wrong is not None:
        raise ValueError(f"{name}: the default, {default!r}, breaks its own limits: {wrong.wrong}")
    _registered[name] = key
    return key
