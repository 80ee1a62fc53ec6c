"""What of a configuration does not go with its lists, and may be meant: told, and not refused. Without torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo.config.input_files import list_name
from rhovideo.config.pyslowfast import reads_frame_lists
from rhovideo.config.registries import lists_itself
from rhovideo.config.task_defaults import CLASSIFIES, TRAINS
from rhovideo.data.lists.csv_parsing import read_rows


@dataclass(frozen=True)
class Listed:
    """What a list holds.

    Attributes:
        csv: the list.
        videos: how many.
        classes: the largest label plus one; 0 without labels.
    """

    csv: Path
    videos: int
    classes: int


def count_list(cfg: CfgNode, split: str) -> Listed | None:
    """Read a list of videos through; None for a list of frames, which takes minutes.

    Raises:
        ManifestError: a row of it is unusable.
    """
    if reads_frame_lists(cfg) or lists_itself(cfg):
        return None
    csv = Path(cfg.DATA.PATH_TO_DATA_DIR) / list_name(cfg, split)
    videos, classes = 0, 0
    for rows in read_rows(csv, cfg.DATA.PATH_LABEL_SEPARATOR, cfg.DATA.SKIP_ROWS):
        videos += len(rows.lengths)
        classes = max(classes, int(rows.labels.max()) + 1)
    return Listed(csv, videos, classes)


def doubts(cfg: CfgNode, listed: Listed) -> Iterator[str]:
    """A sentence for each thing that does not go with the training videos.

    Args:
        cfg: of the job.
        listed: its training list.
    """
    if cfg.TASK in CLASSIFIES and cfg.TASK in TRAINS and listed.classes < cfg.MODEL.NUM_CLASSES:
        yield (
            f"{listed.csv}: labels are 0 to {listed.classes - 1}, and MODEL.NUM_CLASSES is "
            f"{cfg.MODEL.NUM_CLASSES}: write MODEL.NUM_CLASSES {listed.classes} if these are all"
        )
    node = cfg.CONTRASTIVE
    keys = listed.videos * (cfg.DATA.TRAIN_CROP_NUM_TEMPORAL if node.MOCO_MULTI_VIEW_QUEUE else 1)
    if cfg.TASK == "pretrain" and node.TYPE == "moco" and keys < node.QUEUE_LEN:
        step = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS
        yield (
            f"CONTRASTIVE.QUEUE_LEN is {node.QUEUE_LEN}, and an epoch of {listed.csv} makes {keys} keys: most of a "
            "video's negatives are then older keys of the same few videos, its own among them; write "
            f"CONTRASTIVE.QUEUE_LEN {max(keys // 2 // step, 1) * step}"
        )
