"""Batches of an evaluation, without what cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

from fvcore.common.config import CfgNode

from rhovideo import distributed, stopping
from rhovideo.data.lists.bad_videos import BadVideoLedger
from rhovideo.data.loading.loader import Batch, Loader
from rhovideo.engine.logging_setup import progress


def readable_batches(loader: Loader, cfg: CfgNode, description: str) -> Iterator[Batch]:
    """The batches of one pass over a loader, cut to the readable videos, without those that have none.

    Unreadable videos are named in the log and listed in ``OUTPUT_DIR/bad_videos.jsonl``; they never stop an evaluation.

    Raises:
        Stopped: this process was asked to stop. The others are not told, since each may have another number of batches:
            those that wait for this one in a collective are ended by whatever started them.
    """
    ledger = BadVideoLedger(cfg.OUTPUT_DIR, cfg.DATA.MAX_BAD_VIDEO_SHARE, distributed.rank())
    for batch in progress(loader.epoch(0), loader.steps_per_epoch, description, distributed.rank()):
        stopping.leave_if_requested(f"in an evaluation ({description})")
        ledger.record(batch)
        if batch.valid.all():
            yield batch
        elif batch.valid.any():
            yield batch.select(batch.valid)
