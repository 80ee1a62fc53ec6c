"""Pooled features of every video of a manifest, over all processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo import distributed
from rhovideo.data.loading.loader import Loader
from rhovideo.engine.device_inputs import autocast, job_device, to_network_input
from rhovideo.engine.evaluation.evaluation_batches import readable_batches


@dataclass
class Features:
    """The features of the videos that can be read, sorted by their rows in the manifest.

    Attributes:
        values: float32 ``[N, C]``.
        labels: int64 ``[N]``; -1 where there is none.
        rows: int64 ``[N]``, the videos' rows in the manifest.
    """

    values: Tensor
    labels: Tensor
    rows: Tensor


@torch.no_grad()
def extract_features(encoder: nn.Module, loader: Loader, cfg: CfgNode) -> Features:
    """Run an encoder over a loader and average each video's views.

    Args:
        encoder: from ``[N, 3, T, H, W]`` to ``[N, C]``, with its C as ``dim``; put into eval mode.
        loader: of an evaluation purpose.
        cfg: normalisation and precision.

    Returns:
        The same features on every process, on its device.
    """
    device = job_device(cfg)
    encoder.eval()
    values, labels, rows = [], [], []
    for batch in readable_batches(loader, cfg, "features"):
        with autocast(cfg, device):
            views = [encoder(to_network_input(view, cfg, device)).float() for view in batch.clips.unbind(1)]
        values.append(torch.stack(views).mean(0))
        labels.append(batch.label)
        rows.append(batch.index)
    mine = Features(
        torch.cat(values) if values else torch.zeros(0, cast(int, encoder.dim), device=device),
        torch.cat(labels).to(device) if labels else torch.zeros(0, dtype=torch.int64, device=device),
        torch.cat(rows).to(device) if rows else torch.zeros(0, dtype=torch.int64, device=device),
    )
    gathered = [distributed.gather_rows(part) for part in (mine.values, mine.labels, mine.rows)]
    order = gathered[2].argsort()
    return Features(*(part[order] for part in gathered))
