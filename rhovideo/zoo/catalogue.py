"""The released checkpoints by short names. Without torch.

Files and figures are those that PySlowFast lists in its ``projects/contrastive_ssl``: encoders pre-trained for 200
epochs of Kinetics-400 without labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

from rhovideo.zoo.figures import FIGURES, RELEASED, Figure

RELEASED_AT = "https://dl.fbaipublicfiles.com/pyslowfast/videomoco_models"
# As the released files spell the methods.
_SPELLINGS = {"moco": "MoCo", "byol": "BYOL", "simclr": "SimCLR", "swav": "SwAV"}


@dataclass(frozen=True)
class Entry:
    """One released checkpoint.

    Attributes:
        method: CONTRASTIVE.TYPE.
        rho: clips of a video.
        frames: T of the clips, in pre-training and in every evaluation.
        rate: tau of the clips.
        arch: MODEL.ARCH.
        depth: RESNET.DEPTH.
    """

    method: str
    rho: int
    frames: int
    rate: int
    arch: str = "slow"
    depth: int = 50

    @property
    def name(self) -> str:
        """Short name, such as ``byol_slow_r50_8x8_rho4``."""
        return f"{self.method}_{self.arch}_r{self.depth}_{self.frames}x{self.rate}_rho{self.rho}"

    @property
    def file(self) -> str:
        """The released file's name."""
        clip = f"{self.frames}x{self.rate}"
        return f"{_SPELLINGS[self.method]}_SlowR{self.depth}_{clip}_T{self.rho}_epoch_00200.pyth"

    @property
    def url(self) -> str:
        """The address at which it was released."""
        return f"{RELEASED_AT}/{self.file}"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The accuracies that its authors measured."""
        settings = (self.method, self.rho, self.frames, self.rate)
        return tuple(
            figure
            for figure in FIGURES
            if figure.source == RELEASED and (figure.method, figure.rho, figure.frames, figure.rate) == settings
        )


ENTRIES = (
    Entry("moco", 2, 8, 8),
    Entry("byol", 2, 8, 8),
    Entry("simclr", 2, 8, 8),
    Entry("swav", 2, 8, 8),
    Entry("moco", 4, 8, 8),
    Entry("byol", 4, 8, 8),
    Entry("byol", 4, 16, 4),
)


def entry_named(name: str) -> Entry | None:
    """The released checkpoint of this short name, in capitals or not; None if there is none."""
    return next((entry for entry in ENTRIES if entry.name == name.lower()), None)


def entry_of_file(source: str | Path) -> Entry | None:
    """The released checkpoint with the file name of a path or a URL; None for any other file."""
    text = str(source)
    name = PurePosixPath(urlparse(text).path).name if "://" in text else Path(text).name
    return next((entry for entry in ENTRIES if entry.file == name), None)
