"""TensorBoard, where it is wanted and installed."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from fvcore.common.config import CfgNode

logger = logging.getLogger(__name__)


class TensorBoard:
    """Writes scalars on rank 0 if TENSORBOARD.ENABLE; otherwise, or without the package, does nothing.

    Args:
        cfg: TENSORBOARD.*, OUTPUT_DIR. Events go to OUTPUT_DIR/TENSORBOARD.LOG_DIR, OUTPUT_DIR/tensorboard if empty.
        rank: this process.
        first_step: the step a resumed run goes on from; what an earlier run wrote from there on is hidden.
    """

    def __init__(self, cfg: CfgNode, rank: int = 0, first_step: int = 0) -> None:
        self._writer = None
        if rank != 0 or not cfg.TENSORBOARD.ENABLE:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            logger.warning(
                "TENSORBOARD.ENABLE is True but tensorboard is not installed: no events are written. "
                "Run pip install 'rhovideo[tensorboard]', or set TENSORBOARD.ENABLE False"
            )
            return
        folder = Path(cfg.OUTPUT_DIR) / (cfg.TENSORBOARD.LOG_DIR or "tensorboard")
        self._writer = SummaryWriter(str(folder), purge_step=first_step)

    def write(self, group: str, values: dict[str, float], step: int) -> None:
        """Add every number of ``values`` as the scalar ``group/name`` at this training step; others are left out."""
        if self._writer is None:
            return
        for name, value in values.items():
            if isinstance(value, (int, float)) and math.isfinite(value):
                self._writer.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
