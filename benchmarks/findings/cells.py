"""The cells of the study, and their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any

# Those of the study; "mixed" has the classes of all three.
KINDS = ("shapes", "physics", "footage")
ALL_KINDS = (*KINDS, "mixed")
METHODS = {"simclr": "SimCLR", "moco": "MoCo", "byol": "BYOL", "swav": "SwAV"}
RHOS = (1, 2, 4)
SEEDS = (1, 2, 3)
# As many epochs for each rho, or as many clips.
EQUALS = ("epochs", "compute")
RECIPE = "demo/{method}"
# The share of the recipe's epochs. These two sets are learned faster, and half of them fits a night on two cores.
EPOCHS_SHARE = {"shapes": 1.0, "physics": 0.5, "footage": 0.5, "mixed": 1.0}
VIDEOS = 256


@dataclass(frozen=True)
class Cell:
    """One pre-training with its linear classifier.

    Attributes:
        recipe: name of the recipes, with ``{method}``; other recipes make another study.
        videos: training videos of the set; the same holds for them.
        kind: of the videos.
        method: ``simclr``, ``moco``, ``byol`` or ``swav``.
        rho: clips of a video; 1 is two views of one clip.
        seed: of weights, clips and augmentation.
        equal: ``epochs`` or ``compute``.
    """

    recipe: str
    videos: int
    kind: str
    method: str
    rho: int
    seed: int
    equal: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Cell:
        """The cell that a row is of.

        Raises:
            KeyError: a field is missing.
        """
        return cls(**{field.name: row[field.name] for field in fields(cls)})

    def as_row(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.kind}, {self.method}, rho {self.rho}, seed {self.seed}, equal {self.equal}"

    @property
    def folder(self) -> str:
        """The name of the folder of its run."""
        return f"{self.kind}_{self.method}_rho{self.rho}_seed{self.seed}_{self.equal}"

    @property
    def views(self) -> int:
        """Clips that a step takes of each video."""
        return max(2, self.rho)

    @property
    def compute_factor(self) -> float:
        """The share of the set's epochs: with equal compute, as many clips in all as rho = 2 has."""
        return 2 / self.views if self.equal == "compute" else 1.0


def cells_in_order(
    recipe: str,
    videos: int,
    *,
    kinds: Sequence[str] = KINDS,
    methods: Sequence[str] = tuple(METHODS),
    rhos: Sequence[int] = RHOS,
    seeds: Sequence[int] = SEEDS,
    equals: Sequence[str] = EQUALS[:1],
) -> Iterator[Cell]:
    """All cells; seeds are outermost, so that a study that stops has whole seeds."""
    for seed, kind, method, rho, equal in product(seeds, kinds, methods, rhos, equals):
        yield Cell(recipe, videos, kind, method, rho, seed, equal)
