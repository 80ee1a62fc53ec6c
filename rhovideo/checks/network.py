"""The network, built once before a job starts.

It is built on torch's meta device, which keeps shapes and no numbers: a second at most, whatever its size.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

import torch
from fvcore.common.config import CfgNode

from rhovideo.config.extension.registries import BACKBONES, METHODS
from rhovideo.config.findings import Finding
from rhovideo.config.task_defaults import DETECTS
from rhovideo.errors import JobError, SettingError
from rhovideo.models.build import build_classifier
from rhovideo.models.detector import build_detector
from rhovideo.models.network_size import shaping_settings
from rhovideo.ssl.build import build_method


class NetworkCheck:
    """Builds the networks of jobs one after the other; a network that several of them share is built once."""

    def __init__(self) -> None:
        self._found: dict[Hashable, list[Finding]] = {}

    def __call__(self, cfg: CfgNode) -> list[Finding]:
        """Find out whether the network of a job can be built.

        Args:
            cfg: a loaded configuration.
        """
        key = network_key(cfg)
        if key not in self._found:
            self._found[key] = list(_build(cfg))
        return self._found[key]


def network_key(cfg: CfgNode) -> Hashable:
    """The kind of network and all that shapes it: equal for jobs whose networks are built alike."""
    pretrains, detects = cfg.TASK == "pretrain", cfg.TASK in DETECTS
    return pretrains, detects, shaping_settings(cfg, *([] if pretrains else ["CONTRASTIVE"]))


def network_builder(cfg: CfgNode) -> Callable[[CfgNode], Any]:
    """The function that builds a task's network: a method, a classifier or a detector."""
    if cfg.TASK in DETECTS:
        return build_detector
    return build_method if cfg.TASK == "pretrain" else build_classifier


def _build(cfg: CfgNode) -> Iterator[Finding]:
    try:
        # Modules are imported before: what they make when they are imported would keep no numbers, for the run too, and
        # torch 2.6 cannot import all of itself there.
        BACKBONES.builder(cfg.MODEL.ARCH)
        METHODS.builder(cfg.CONTRASTIVE.TYPE)
        with torch.device("meta"):
            network_builder(cfg)(cfg)
    except Exception as error:
        # Whatever stops PyTorchVideo's builders here stops them on the nodes.
        keys = error.keys if isinstance(error, (JobError, SettingError)) else ()
        # After the first line torch may print its own stack.
        reason = next(iter(str(error).splitlines()), type(error).__name__) if not keys else str(error)
        wrong = f"MODEL.ARCH {cfg.MODEL.ARCH} cannot be built as configured: {reason}"
        yield Finding((*keys, "MODEL.ARCH"), wrong)
