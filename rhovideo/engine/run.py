"""What one process of a job executes, once its process group exists."""

from __future__ import annotations

import logging
from collections.abc import Callable

from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.engine.classify import run_classify
from rhovideo.engine.metrics import setup_logging
from rhovideo.engine.nearest import run_knn
from rhovideo.engine.pretrain import run_pretrain
from rhovideo.engine.test import run_test

logger = logging.getLogger(__name__)

TASKS: dict[str, Callable[[CfgNode], dict[str, float]]] = {
    "pretrain": run_pretrain,
    "linear": run_classify,
    "finetune": run_classify,
    "test": run_test,
    "knn": run_knn,
}


def run(cfg: CfgNode) -> dict[str, float]:
    """Do the configuration's TASK on this process, with the others of its process group.

    Args:
        cfg: from :func:`rhovideo.load_cfg`.

    Returns:
        The task's final numbers; rank 0 also writes them to ``OUTPUT_DIR/results.json``.
    """
    setup_logging(cfg.OUTPUT_DIR, distributed.rank())
    logger.info("Configuration:\n%s", cfg.dump())
    results = TASKS[cfg.TASK](cfg)
    if distributed.is_main():
        write_results(cfg, results)
    distributed.barrier()
    return results
