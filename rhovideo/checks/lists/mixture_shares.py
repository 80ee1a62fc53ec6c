"""Mixtures where a job cannot use their weights, or a step needs more of a part than it has. Without torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.findings import Finding
from rhovideo.config.task_defaults import TRAINS
from rhovideo.data.lists.mixtures import Mixture

_DATA = "DATA.PATH_TO_DATA_DIR"
_PLAIN = "a list without weights, which `rhovideo data merge A.csv B.csv --out LIST` makes"


def check_mixture(cfg: CfgNode, split: str, csv: str | Path, mixture: Mixture | None) -> Iterator[Finding]:
    """Find out whether a job can use the weights of a list.

    Args:
        cfg: of the job.
        split: whose list it is.
        csv: the list, for the message.
        mixture: its parts; None if it has none.
    """
    if mixture is None or cfg.TASK == "extract":
        return
    if split != "train":
        wrong = (
            f"{csv} is a mixture, whose weights mean something in training only: a {split} list counts each video once"
        )
        yield Finding((_DATA,), wrong, _PLAIN)
        return
    if cfg.TASK not in TRAINS:
        wrong = f"{csv} is a mixture, and TASK {cfg.TASK} does not use its weights: each video counts once"
        yield Finding((_DATA, "TASK"), wrong, _PLAIN, "warning")
        return
    step = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS
    total = sum(mixture.shares)
    for part, share in zip(mixture.parts, mixture.shares, strict=True):
        taken = -(-step * share // total)
        if taken > part.count:
            wrong = (
                f"{csv}: the part {part.name!r} has {part.count} videos, and a step takes {taken} of it: some videos "
                "are in one step twice, and count as different ones"
            )
            yield Finding((_DATA, "TRAIN.BATCH_SIZE"), wrong, "a smaller weight for it, or a smaller batch", "warning")
