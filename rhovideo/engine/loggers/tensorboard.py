"""TensorBoard: scalars, pictures of clips, and embeddings for its projector."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rhovideo.engine.loggers.protocol import LoggedRun
from rhovideo.errors import SettingError


class TensorBoardLogger:
    """Writes events to OUTPUT_DIR/TENSORBOARD.LOG_DIR, OUTPUT_DIR/tensorboard if that is empty.

    Args:
        run: what is logged. Points after its first step, of the launch before, are hidden.

    Raises:
        SettingError: tensorboard is not installed.
    """

    def __init__(self, run: LoggedRun) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise SettingError("tensorboard is not installed: run pip install 'rhovideo[tensorboard]'") from None
        self._run = run
        self._folder = run.tensorboard_folder
        # TensorBoard hides this step too: the resume makes the one after its checkpoint first.
        purge = run.first_step + 1 if run.first_step else 0
        self._writer = SummaryWriter(str(self._folder), purge_step=purge)

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """Add a scalar for each number."""
        for name, value in values.items():
            if not self._run.is_repeated(name, step):
                self._writer.add_scalar(name, value, step)
        # Else a kill takes up to two minutes of points with it, which no resume makes again.
        self._writer.flush()

    def picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Add an image."""
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def embeddings(self, rows: np.ndarray, labels: np.ndarray, step: int) -> None:
        """Add files of the projector, coloured by label; those that a launch before has written at this step stay."""
        if (self._folder / f"{step:05d}" / "embeddings").exists():
            return
        self._writer.add_embedding(rows, [str(label) for label in labels], global_step=step, tag="embeddings")

    def close(self) -> None:
        """Finish the file of events."""
        self._writer.close()
