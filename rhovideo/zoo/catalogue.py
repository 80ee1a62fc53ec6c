"""The released checkpoints by short names. Without torch.

Files and figures are those that PySlowFast lists in its ``projects/contrastive_ssl``: encoders pre-trained for 200
epochs of Kinetics-400 without labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
        frames, rate: T and tau of the clips, in pre-training and in every evaluation.
        arch: MODEL.ARCH.
        depth: RESNET.DEPTH.
        name: short name, such as ``byol_slow_r50_8x8_rho4``.
        file: the released file's name.
        url: where it was released.
        figures: what its authors measured, of every protocol.
    """

    method: str
    rho: int
    frames: int
    rate: int
    arch: str = "slow"
    depth: int = 50
    name: str = field(init=False)
    file: str = field(init=False)
    url: str = field(init=False)
    figures: tuple[Figure, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        clip = f"{self.frames}x{self.rate}"
        file = f"{_SPELLINGS[self.method]}_SlowR{self.depth}_{clip}_T{self.rho}_epoch_00200.pyth"
        settings = (self.method, self.rho, self.frames, self.rate)
        figures = tuple(
            figure
            for figure in FIGURES
            if figure.source == RELEASED and (figure.method, figure.rho, figure.frames, figure.rate) == settings
        )
        # The class is frozen: values that follow from the others are set the only way that is left.
        object.__setattr__(self, "name", f"{self.method}_{self.arch}_r{self.depth}_{clip}_rho{self.rho}")
        object.__setattr__(self, "file", file)
        object.__setattr__(self, "url", f"{RELEASED_AT}/{file}")
        object.__setattr__(self, "figures", figures)


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
    """The released checkpoint of this short name, in capitals or not; None where there is none."""
    return next((entry for entry in ENTRIES if entry.name == name.lower()), None)


def entry_of_file(source: str | Path) -> Entry | None:
    """The released checkpoint that a path or an URL names, by the file's name; None for any other file."""
    text = str(source)
    name = PurePosixPath(urlparse(text).path).name if "://" in text else Path(text).name
    return next((entry for entry in ENTRIES if entry.file == name), None)
