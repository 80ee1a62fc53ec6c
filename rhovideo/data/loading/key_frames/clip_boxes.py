"""Boxes of a clip, and of a batch of clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class ClipBoxes:
    """The boxes of one clip.

    Attributes:
        pixels: float32 [n,4], x1, y1, x2, y2 in pixels of the clip.
        targets: uint8 [n,K], 1 for each action of a box.
    """

    pixels: np.ndarray
    targets: np.ndarray

    @classmethod
    def none(cls, num_classes: int) -> ClipBoxes:
        """No box."""
        return cls(np.zeros((0, 4), np.float32), np.zeros((0, num_classes), np.uint8))


@dataclass(frozen=True)
class BatchBoxes:
    """The boxes of a batch of clips.

    Attributes:
        pixels: float32 [N,5], the number of each box's clip in the batch, and its corners in pixels of the clip.
        targets: uint8 [N,K].
        sizes: int64 [B,2], height and width of each clip; beyond them the batch's memory holds zeros.
    """

    pixels: torch.Tensor
    targets: torch.Tensor
    sizes: torch.Tensor

    @classmethod
    def of(cls, boxes: Sequence[ClipBoxes], sizes: Sequence[tuple[int, int]]) -> BatchBoxes:
        """The boxes of clips, one after the other."""
        numbers = np.repeat(np.arange(len(boxes)), [len(each.pixels) for each in boxes])
        corners = np.concatenate([each.pixels for each in boxes])
        pixels = np.concatenate([numbers[:, None].astype(np.float32), corners], axis=1)
        targets = np.concatenate([each.targets for each in boxes])
        return cls(torch.from_numpy(pixels), torch.from_numpy(targets), torch.tensor(sizes, dtype=torch.int64))

    def select(self, clips: torch.Tensor) -> BatchBoxes:
        """The boxes of the clips where ``clips``, bool [B], is True, which are numbered anew."""
        of_clip = self.pixels[:, 0].long()
        rows = clips[of_clip]
        pixels = self.pixels[rows].clone()
        pixels[:, 0] = (clips.long().cumsum(0) - 1)[of_clip[rows]].to(pixels.dtype)
        return BatchBoxes(pixels, self.targets[rows], self.sizes[clips])

    def by_size(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, tuple[int, int]]]:
        """Clips of one size at a time.

        Yields:
            bool [B], the clips; int64 [n], their boxes' places; their height and width.
        """
        for size in torch.unique(self.sizes, dim=0):
            clips = (self.sizes == size).all(dim=1)
            height, width = size.tolist()
            yield clips, clips[self.pixels[:, 0].long()].nonzero()[:, 0], (height, width)

    def pin_memory(self) -> BatchBoxes:
        """The boxes in page-locked memory; the sizes are read on the CPU."""
        return BatchBoxes(self.pixels.pin_memory(), self.targets.pin_memory(), self.sizes)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As arrays, which are small to send."""
        return self.pixels.numpy(), self.targets.numpy(), self.sizes.numpy()

    @classmethod
    def from_arrays(cls, pixels: np.ndarray, targets: np.ndarray, sizes: np.ndarray) -> BatchBoxes:
        """The inverse of :meth:`arrays`."""
        return cls(torch.from_numpy(pixels), torch.from_numpy(targets), torch.from_numpy(sizes))
