"""TASK extract: the pooled features of every video of a list, on the disk."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo import __version__, distributed, stopping
from rhovideo.checks.lists.class_agreement import names_of_lists
from rhovideo.config.comparison import FILES, settings_with_effect
from rhovideo.config.extension.registries import lists_itself
from rhovideo.config.list_names import label_files, reads_label_files
from rhovideo.data.lists.bad_videos import BadVideoLedger
from rhovideo.data.loading.datasets import ClipDataset, SampleKey, build_dataset
from rhovideo.data.loading.loader import Batch, Loader
from rhovideo.data.loading.workers import worker_count
from rhovideo.engine.device_inputs import DTYPES, autocast, job_device, to_network_input
from rhovideo.engine.evaluation.feature_file import FEATURES, FeatureFile
from rhovideo.engine.log.logging_setup import progress
from rhovideo.errors import JobError
from rhovideo.models.encoder import Encoder
from rhovideo.runs.file_hash import file_sha256
from rhovideo.runs.job_checkpoint import measured_checkpoint
from rhovideo.zoo.pretrained import load_pretrained
from rhovideo.zoo.sources import local_path

logger = logging.getLogger(__name__)

_LARGEST = float(torch.finfo(torch.float16).max)


class BlockLoader(Loader):
    """The videos of some blocks of rows, block by block, in batches that end with their block.

    The videos that share a batch depend on the block alone, not on the number of processes.

    Args:
        dataset: all videos.
        blocks: the rows of each.
        batch: videos of a batch.
        workers: keywords of :class:`Loader`.
    """

    def __init__(self, dataset: ClipDataset, blocks: Sequence[range], batch: int, **workers: Any) -> None:
        super().__init__(dataset, training=False, seed=0, global_batch=batch, **workers)
        self._batches = [rows[first : first + batch] for rows in blocks for first in range(0, len(rows), batch)]

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches."""
        return len(self._batches)

    def batches_of(self, epoch: int, first_step: int = 0) -> Iterator[list[SampleKey]]:
        """The samples of each batch from ``first_step`` on."""
        for rows in self._batches[first_step:]:
            yield [SampleKey(epoch, row) for row in rows]


@torch.no_grad()
def run_extract(cfg: CfgNode) -> dict[str, float]:
    """Write the features of the videos of DATA.PATH_TO_DATA_DIR/test.csv into OUTPUT_DIR.

    A feature is the encoder's pooled one, averaged over KNN.NUM_CLIPS clips of the video; a video that cannot be read
    has zeros. With TEST.TOKENS it is the last feature map before pooling, of one clip after the other, [tokens, C].
    ``features.npy`` [N, C] or [N, tokens, C] and ``manifest.csv`` are there once all are done. After an interruption
    the same call goes on with the rest, on any number of processes. TEST.BATCH_SIZE is the batch of one process here.

    Args:
        cfg: the job's.

    Returns:
        ``videos`` and ``unreadable``, numbers of videos, ``dim``, the size of a feature, and with TEST.TOKENS
        ``tokens``, the number of them.

    Raises:
        JobError: no checkpoint is named, or OUTPUT_DIR holds features of something else.
    """
    source = measured_checkpoint(cfg)
    if not source:
        raise JobError("TASK extract takes a checkpoint: write TEST.CHECKPOINT_FILE_PATH path/to/checkpoint.pyth")
    encoder = load_pretrained(source, cfg, encoder=cfg.TRAIN.CHECKPOINT_ENCODER)
    encoder.to(job_device(cfg), DTYPES[cfg.TRAIN.DTYPE])
    dataset = build_dataset(cfg, "test", "knn")
    manifest = dataset.manifest
    tokens = _count_tokens(encoder, cfg) if cfg.TEST.TOKENS else 0
    file = FeatureFile(cfg.OUTPUT_DIR, len(manifest), encoder.dim, tokens)
    # Rank 0 looks for all: on a network file system the others may see an older state.
    done: dict[int, bytes] = {}
    if distributed.is_main():
        # A registered data set has no list: the names of its videos are what the features depend on.
        names = [manifest.path(row) for row in range(len(manifest))] if lists_itself(cfg) else None
        file.prepare(_identity(cfg, local_path(source), Path(manifest.csv), file, names))
        done = {} if file.complete else file.done()
    complete, done = distributed.gather_objects((file.complete, done))[0]
    if not complete:
        unreadable = _extract_missing(cfg, encoder, dataset, file, done)
    else:
        unreadable = file.unreadable() if distributed.is_main() else 0
    if distributed.is_main():
        path = Path(cfg.OUTPUT_DIR) / FEATURES
        logger.info("%d videos, %d of them unreadable: %s, rows in manifest.csv", len(manifest), unreadable, path)
    found: dict[str, float] = {"videos": len(manifest), "unreadable": unreadable, "dim": encoder.dim}
    return found | ({"tokens": tokens} if tokens else {})


def _count_tokens(encoder: nn.Module, cfg: CfgNode) -> int:
    """The places of the feature map of all clips of a video."""
    if not isinstance(encoder, Encoder):
        raise JobError(
            f"TEST.TOKENS (--tokens) needs an encoder with a feature map, and {cfg.MODEL.ARCH} gives pooled features "
            "alone: derive it from rhovideo.models.encoder.Encoder, or extract without tokens"
        )
    side = cfg.DATA.TRAIN_CROP_SIZE
    clip = torch.zeros(1, 3, cfg.DATA.NUM_FRAMES, side, side, device=job_device(cfg), dtype=DTYPES[cfg.TRAIN.DTYPE])
    with autocast(cfg, job_device(cfg)):
        return cfg.KNN.NUM_CLIPS * encoder.eval().feature_map(clip)[0, 0].numel()


def _extract_missing(
    cfg: CfgNode, encoder: nn.Module, dataset: ClipDataset, file: FeatureFile, done: dict[int, bytes]
) -> int:
    """Make the missing features in all processes; on rank 0 the number of videos that could not be read."""
    missing = [block for block in range(file.blocks) if block not in done]
    if done and distributed.is_main():
        logger.info("%d of %d blocks of features are there already", len(done), file.blocks)
    mine = missing[distributed.rank() :: distributed.world_size()]
    made = _extract_blocks(cfg, encoder, dataset, file, mine)
    for part in distributed.gather_objects(made):
        done |= part
    if not distributed.is_main():
        return 0
    rows, manifest = range(len(dataset)), dataset.manifest
    return file.finish(done, map(manifest.path, rows), map(manifest.label, rows), names_of_lists(cfg))


def _extract_blocks(
    cfg: CfgNode, encoder: nn.Module, dataset: ClipDataset, file: FeatureFile, blocks: Sequence[int]
) -> dict[int, bytes]:
    """Make this process's blocks one after the other: block to a byte a row, 1 where the video could be read."""
    made: dict[int, bytes] = {}
    ledger = BadVideoLedger(cfg.OUTPUT_DIR, cfg.DATA.MAX_BAD_VIDEO_SHARE, distributed.rank())
    rows = [file.rows_of(block) for block in blocks]
    workers = {
        "num_workers": worker_count(cfg),
        "prefetch_factor": cfg.DATA_LOADER.PREFETCH_FACTOR,
        "pin_memory": cfg.DATA_LOADER.PIN_MEMORY and cfg.NUM_GPUS != 0 and torch.cuda.is_available(),
        "rank": distributed.rank(),
    }
    encoder.eval()
    with closing(BlockLoader(dataset, rows, cfg.TEST.BATCH_SIZE, **workers)) as loader:
        batches = progress(loader.epoch(0), loader.steps_per_epoch, "features", distributed.rank())
        for block, of_block in zip(blocks, rows, strict=True):
            values = np.zeros((len(of_block), *file.shape), np.float16)
            readable = np.zeros(len(of_block), bool)
            left = len(of_block)
            while left:
                stopping.leave_if_requested("while extracting")
                batch = next(batches)
                ledger.record(batch)
                places = (batch.index - of_block.start).numpy()
                readable[places] = batch.valid.numpy()
                if batch.valid.any():
                    kept = batch.select(batch.valid)
                    values[places[batch.valid.numpy()]] = _features(encoder, kept, cfg, dataset)
                left -= len(places)
            file.write(block, values, readable)
            made[block] = readable.tobytes()
    return made


def _features(encoder: nn.Module, batch: Batch, cfg: CfgNode, dataset: ClipDataset) -> np.ndarray:
    """float16 [B, C], the mean over each video's clips; or [B, tokens, C], the feature maps of all clips."""
    device = job_device(cfg)
    run = cast(Encoder, encoder).feature_map if cfg.TEST.TOKENS else encoder
    with autocast(cfg, device):
        views = [run(to_network_input(view, cfg, device)).float() for view in batch.clips.unbind(1)]
    if cfg.TEST.TOKENS:
        mean: Tensor = torch.cat([view.flatten(2).transpose(1, 2) for view in views], 1).cpu()
    else:
        mean = torch.stack(views).mean(0).cpu()
    if not mean.isfinite().all():
        first = int(batch.index[~mean.flatten(1).isfinite().all(1)][0])
        raise JobError(
            f"{dataset.manifest.path(first)}: its feature is not finite: the checkpoint's weights are damaged, or "
            "float16 is too narrow for it; use another checkpoint, or write TRAIN.MIXED_PRECISION False"
        )
    if mean.abs().max() > _LARGEST:
        logger.warning("features beyond float16's largest number, %g, are cut to it", _LARGEST)
    return mean.clamp(-_LARGEST, _LARGEST).half().numpy()


def _sha256_of(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _identity(
    cfg: CfgNode, checkpoint: Path, videos: Path, file: FeatureFile, names: Sequence[str] | None = None
) -> dict[str, Any]:
    """Everything that the features depend on: checksums of the files, and every setting that changes them."""
    labels = label_files("test") if reads_label_files(cfg, "test") else ()
    return {
        "checkpoint": str(checkpoint),
        "checkpoint_sha256": file_sha256(checkpoint),
        "videos_sha256": file_sha256(videos) if names is None else _sha256_of(names),
        **{f"{name} sha256": file_sha256(videos.with_name(name)) for name in labels},
        "videos": file.rows,
        "dim": file.dim,
        **({"tokens": file.shape[0]} if len(file.shape) == 2 else {}),
        "dtype": "float16",
        **settings_with_effect(cfg, FILES),
        "rhovideo": __version__,
    }
