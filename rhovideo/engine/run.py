"""What one process of a job executes, once its process group exists."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from fvcore.common.config import CfgNode

from rhovideo import distributed
from rhovideo.engine.classify import run_classify
from rhovideo.engine.json_stats import to_json
from rhovideo.engine.logging_setup import set_up_logging
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
    set_up_logging(cfg.OUTPUT_DIR, distributed.rank())
    logger.info("Configuration:\n%s", cfg.dump())
    results = TASKS[cfg.TASK](cfg)
    if distributed.is_main():
        _write_results(Path(cfg.OUTPUT_DIR), {"task": cfg.TASK, **results})
    distributed.barrier()
    return results


def _write_results(folder: Path, results: dict) -> None:
    unfinished = folder / ".results.json.tmp"
    unfinished.write_text(to_json(results) + "\n")
    os.replace(unfinished, folder / "results.json")
