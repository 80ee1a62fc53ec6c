"""Batches of an evaluation, without the videos that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

from fvcore.common.config import CfgNode

from rhovideo import distributed, stopping
from rhovideo.data.lists.bad_videos import BadVideoLedger
from rhovideo.data.loading.loader import Batch, Loader
from rhovideo.engine.log.logging_setup import progress


def readable_batches(loader: Loader, cfg: CfgNode, description: str) -> Iterator[Batch]:
    """Yield the batches of one pass over a loader, cut to the videos that could be read; empty batches are left out.

    Videos that could not be read are named in the log and in ``OUTPUT_DIR/bad_videos.jsonl``; they never stop an
    evaluation.

    Args:
        loader: of an evaluation purpose.
        cfg: OUTPUT_DIR and DATA.MAX_BAD_VIDEO_SHARE.
        description: of the evaluation, for the progress bar.

    Yields:
        Batches whose samples are all valid.

    Raises:
        Stopped: this process was asked to stop. It does not wait for the others, since each may have another number of
            batches: the launcher ends those that wait for this one.
    """
    ledger = BadVideoLedger(cfg.OUTPUT_DIR, cfg.DATA.MAX_BAD_VIDEO_SHARE, distributed.rank())
    for batch in progress(loader.epoch(0), loader.steps_per_epoch, description, distributed.rank()):
        stopping.leave_if_requested(f"in an evaluation ({description})")
        ledger.record(batch)
        if batch.valid.all():
            yield batch
        elif batch.valid.any():
            yield batch.select(batch.valid)
