"""Scalars for TensorBoard, where it is switched on and installed."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from pathlib import Path

from fvcore.common.config import CfgNode

logger = logging.getLogger(__name__)


class TensorBoard:
    """Writes scalars on rank 0 where TENSORBOARD.ENABLE is True and the package is there; elsewhere it does nothing.

    Args:
        cfg: TENSORBOARD.*, OUTPUT_DIR. Events go to OUTPUT_DIR/TENSORBOARD.LOG_DIR, OUTPUT_DIR/tensorboard if empty.
        rank: this process.
        first_step: the step that a resumed run goes on from; later steps of the run before are hidden.
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

    def write(self, group: str, values: Mapping[str, object], step: int) -> None:
        """Add every finite number as the scalar ``group/name``; everything else is left out.

        Args:
            group: first part of the scalars' names.
            values: by their names.
            step: of the training, counted over all epochs.
        """
        if self._writer is None:
            return
        for name, value in values.items():
            if isinstance(value, (int, float)) and math.isfinite(value):
                self._writer.add_scalar(f"{group}/{name}", value, step)

    def close(self) -> None:
        """Finish the file of events."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
