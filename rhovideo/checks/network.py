"""The first seconds of a job, before it waits in a queue: its lists' first rows, some files, and its network.

The network is built on torch's meta device, which keeps shapes and no numbers: a second at most, whatever its size.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from fvcore.common.config import CfgNode

from rhovideo.checks.lists import FirstRows, key_in
from rhovideo.config.findings import Finding
from rhovideo.models.build import build_classifier
from rhovideo.ssl.build import build_method

# Sections and keys that make no difference to how a network is built.
_NOT_SHAPING = (
    *("TASK", "OUTPUT_DIR", "RNG_SEED", "LOG_PERIOD", "SLURM", "TENSORBOARD"),
    *("TRAIN", "TEST", "KNN", "SOLVER", "DATA_LOADER"),
)


class Rehearsal:
    """Rehearses jobs one after the other; what several of them share (a list, a network) is tried once."""

    def __init__(self) -> None:
        self._lists = FirstRows()
        self._networks: dict[str, list[Finding]] = {}

    @property
    def doubts(self) -> list[str]:
        """What ends no job, and looks like a mistake: of :class:`FirstRows`."""
        return self._lists.doubts

    def __call__(self, cfg: CfgNode) -> list[Finding]:
        """What would end the job in its first seconds.

        Args:
            cfg: loaded, with its files checked by :func:`rhovideo.config.input_files.check_inputs`.
        """
        key = _network_key(cfg)
        if key not in self._networks:
            self._networks[key] = list(_try_building(cfg))
        return self._lists(cfg) + self._networks[key]


def _network_key(cfg: CfgNode) -> str:
    """The task's kind of network, and all sections but those that shape none."""
    pretrains = cfg.TASK == "pretrain"
    shaping = cfg.clone()
    shaping.defrost()
    for name in (*_NOT_SHAPING, *([] if pretrains else ["CONTRASTIVE"])):
        shaping.pop(name)
    return f"{pretrains}\n{shaping.dump()}"


def _try_building(cfg: CfgNode) -> Iterator[Finding]:
    build = build_method if cfg.TASK == "pretrain" else build_classifier
    try:
        with torch.device("meta"):
            build(cfg)
    except Exception as error:
        # Whatever stops PyTorchVideo's builders here stops them on the nodes.
        said = str(error) or type(error).__name__
        key = key_in(cfg, said, "MODEL.ARCH")
        yield Finding((key, "MODEL.ARCH"), f"MODEL.ARCH {cfg.MODEL.ARCH} cannot be built as configured: {said}")
