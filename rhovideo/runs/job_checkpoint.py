"""The checkpoint that a job begins from or measures, by its configuration. Without torch."""

from __future__ import annotations

from fvcore.common.config import CfgNode

from rhovideo.config.task_defaults import MEASURES


def measured_checkpoint(cfg: CfgNode, own: str = "") -> str:
    """The checkpoint that a job measures.

    It is TEST.CHECKPOINT_FILE_PATH, else TRAIN.CHECKPOINT_FILE_PATH, else the job's own. With TRAIN.ENABLE False a
    training configuration measures the result of that training: there its own comes before
    TRAIN.CHECKPOINT_FILE_PATH, which training began with.

    Args:
        cfg: the job's.
        own: the newest checkpoint in OUTPUT_DIR; empty where there is none, or where it does not count.

    Returns:
        A path or a released checkpoint's name; an empty text where there is neither.
    """
    started_from = cfg.TRAIN.CHECKPOINT_FILE_PATH
    return str(cfg.TEST.CHECKPOINT_FILE_PATH or (started_from or own if cfg.TRAIN.ENABLE else own or started_from))


def job_checkpoint(cfg: CfgNode, own: str = "") -> str:
    """The checkpoint that a job begins from or, by its TASK, measures; arguments and result as above."""
    return measured_checkpoint(cfg, own) if cfg.TASK in MEASURES else str(cfg.TRAIN.CHECKPOINT_FILE_PATH)
