"""The checkpoint that a job names, opened before the job starts and loaded into its network without numbers.

The network is built on torch's meta device, and the functions that the job loads weights with compare names and shapes.
The values stay on the disk: the job itself finds NaN among them, or a bit that has changed. A checkpoint that would be
downloaded is looked at only if it has been before.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from fvcore.common.config import CfgNode

from rhovideo.checks.lists.class_agreement import compare_with_lists
from rhovideo.checks.network import network_builder, network_key
from rhovideo.config.findings import Finding
from rhovideo.config.task_defaults import MEASURES, TRAINS
from rhovideo.errors import WeightsError
from rhovideo.runs.folder import list_checkpoints
from rhovideo.runs.job_checkpoint import job_checkpoint
from rhovideo.zoo.files.checkpoint_files import WeightsFile, class_names_in, read_weights
from rhovideo.zoo.pretrained import (
    load_classifier_weights,
    load_encoder_weights,
    load_method_weights,
    load_pretrained,
)
from rhovideo.zoo.sources import path_if_here

# The logger whose warnings a start shows too.
_ZOO = "rhovideo.zoo"
# The tasks that build their encoder from the file and the configuration together.
_OF_ENCODERS = ("knn", "logistic", "extract")


class WeightsCheck:
    """Opens the checkpoints of jobs one after the other; what several jobs share is opened and compared once."""

    def __init__(self) -> None:
        self._files: dict[Path, WeightsFile | WeightsError] = {}
        self._found: dict[Hashable, list[Finding]] = {}

    def __call__(self, cfg: CfgNode) -> list[Finding]:
        """Find out whether the checkpoint that a job names can be read, and fits its network.

        Args:
            cfg: a loaded configuration; its network can be built.

        Returns:
            Findings in the words of the job's own errors and warnings. None for a job that names no checkpoint, or
            goes on with those in its OUTPUT_DIR, of which it passes over the damaged ones.
        """
        own = list_checkpoints(cfg.OUTPUT_DIR)
        source = job_checkpoint(cfg, str(own[0]) if own else "")
        if not source or (own and source == str(own[0])):
            return []
        how = cfg.TASK, source, cfg.TRAIN.CHECKPOINT_ENCODER, *cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN
        key = (how, network_key(cfg))
        if key not in self._found:
            self._found[key] = list(self._compare(cfg, source))
        return self._found[key]

    def _compare(self, cfg: CfgNode, source: str) -> Iterator[Finding]:
        name = _key(cfg)
        with _warnings() as warnings:
            try:
                path = path_if_here(source)
                if path is not None:
                    file = self._read(path)
                    _load(cfg, file)
                    yield from _other_classes(cfg, file)
            except WeightsError as error:
                yield Finding((name,), str(error))
        for text in warnings:
            yield Finding((name,), text, severity="warning")

    def _read(self, path: Path) -> WeightsFile:
        if path not in self._files:
            try:
                self._files[path] = read_weights(path, shapes_only=True)
            except WeightsError as error:
                self._files[path] = error
        found = self._files[path]
        if isinstance(found, WeightsError):
            raise found
        return found


def _other_classes(cfg: CfgNode, file: WeightsFile) -> Iterator[Finding]:
    """The classes that the lists number in another way than the classifier in a file, where it has their names."""
    if cfg.TASK == "test":
        yield from compare_with_lists(cfg, class_names_in(file), file.name)


def _key(cfg: CfgNode) -> str:
    """The key that names the checkpoint."""
    section = "TEST" if cfg.TASK in MEASURES and cfg.TEST.CHECKPOINT_FILE_PATH else "TRAIN"
    return f"{section}.CHECKPOINT_FILE_PATH"


def _load(cfg: CfgNode, file: WeightsFile) -> None:
    """Do what the job does with its checkpoint, with a network without numbers."""
    with torch.device("meta"):
        if cfg.TASK in _OF_ENCODERS:
            load_pretrained(file, cfg, encoder=cfg.TRAIN.CHECKPOINT_ENCODER)
            return
        network = network_builder(cfg)(cfg)
        if cfg.TASK == "pretrain":
            load_method_weights(network, file)
        elif cfg.TASK in TRAINS:
            load_encoder_weights(network.encoder, file, cfg)
        else:
            load_classifier_weights(network, file, cfg)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The warnings of the functions that load weights, which are not shown in another way meanwhile."""
    logger, collected = logging.getLogger(_ZOO), _Collected()
    propagates = logger.propagate
    logger.addHandler(collected)
    logger.propagate = False
    try:
        yield collected.texts
    finally:
        logger.propagate = propagates
        logger.removeHandler(collected)


class _Collected(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
