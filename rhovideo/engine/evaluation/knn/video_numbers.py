"""Numbers by which a video is known in two lists, so that it is left out of its own neighbours."""

from __future__ import annotations

import numpy as np
import torch
from fvcore.common.config import CfgNode
from torch import Tensor

from rhovideo import distributed
from rhovideo.data.lists.same_videos import MOST_PATHS, video_ids
from rhovideo.data.loading.datasets import open_manifest


def video_numbers(cfg: CfgNode, gallery: str, queries: str) -> tuple[Tensor, Tensor] | None:
    """Number the videos of two lists; every process must call it, and rank 0 looks.

    Args:
        cfg: the job's.
        gallery: the split of the list in which neighbours are looked for.
        queries: the split of the other list.

    Returns:
        int64 [videos] of each list on the CPU, equal where the video is the same, on all processes. None where the
        lists share no video, or are too long to be compared.
    """
    ids: dict[str, np.ndarray] | None = None
    if distributed.is_main():
        lists = {split: open_manifest(cfg, split) for split in (gallery, queries)}
        if sum(map(len, lists.values())) <= MOST_PATHS:
            ids = video_ids({split: [one.path(row) for row in range(len(one))] for split, one in lists.items()})
        if ids is not None and not np.isin(ids[queries], ids[gallery]).any():
            ids = None
    ids = distributed.gather_objects(ids)[0]
    return None if ids is None else (torch.from_numpy(ids[gallery]), torch.from_numpy(ids[queries]))
