"""Warnings while a pre-training collapses or stalls, from the means of its epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fvcore.common.config import CfgNode

from rhovideo.ssl.build import collapse_remedy, frozen_epochs

# An observation must hold for so many epochs in a row, and so many steps.
_EPOCHS, _STEPS = 3, 60


@dataclass(frozen=True)
class Symptom:
    """Something that healthy trainings do not show for long.

    Attributes:
        holds: True for the means of an epoch that shows it; a number that is not logged is NaN, for which no
            comparison holds.
        seen: what it looks like, from the means.
        meaning: what it means.
    """

    holds: Callable[[Mapping[str, float]], bool]
    seen: Callable[[Mapping[str, float]], str]
    meaning: str


SYMPTOMS = (
    Symptom(
        lambda means: means["embedding_std"] < 0.1,
        lambda means: f"embedding_std is {means['embedding_std']:.2f}",
        "all embeddings have become nearly one",
    ),
    Symptom(
        # Not that of predictions, which a high temperature makes nearly even in healthy trainings too.
        lambda means: means["code_entropy"] > 0.98,
        lambda means: f"code_entropy is {means['code_entropy']:.3f}",
        "every clip belongs to all prototypes equally, so the loss stays at the logarithm of their number",
    ),
    Symptom(
        lambda means: means["prototype_usage"] < 0.1,
        lambda means: f"prototype_usage is {means['prototype_usage']:.2f}",
        "nearly all clips choose the same few prototypes",
    ),
    Symptom(
        lambda means: means["positive_similarity"] - means["negative_similarity"] < 0.01,
        lambda means: (
            f"positive_similarity is {means['positive_similarity']:.2f} and negative_similarity "
            f"{means['negative_similarity']:.2f}"
        ),
        "two clips of one video are no more alike than clips of different videos",
    ),
)


class CollapseWatch:
    """Reads each epoch's means and warns once of each symptom that lasts.

    Args:
        cfg: of a pre-training.
        steps_per_epoch: of the training.
    """

    def __init__(self, cfg: CfgNode, steps_per_epoch: int) -> None:
        self._method, self._remedy = str(cfg.CONTRASTIVE.TYPE), collapse_remedy(cfg)
        self._frozen = frozen_epochs(cfg)
        self._patience = max(_EPOCHS, math.ceil(_STEPS / max(steps_per_epoch, 1)))
        self._since: dict[Symptom, int] = {}
        self._warned: set[Symptom] = set()

    def after_epoch(self, number: int, means: Mapping[str, Any]) -> list[str]:
        """The warnings after an epoch.

        Args:
            number: of the epoch, from 1.
            means: of its steps, by name.
        """
        # While a part of the method is frozen, its numbers say little.
        if number <= self._frozen:
            return []
        numbers = _Numbers({name: value for name, value in means.items() if isinstance(value, float)})
        warnings = []
        for symptom in SYMPTOMS:
            if not symptom.holds(numbers):
                self._since.pop(symptom, None)
                continue
            since = self._since.setdefault(symptom, number)
            if number - since + 1 >= self._patience and symptom not in self._warned:
                self._warned.add(symptom)
                warnings.append(
                    f"{self._method}: {symptom.seen(numbers)}, and has been so since epoch {since}: {symptom.meaning}. "
                    f"The training learns little or nothing. {self._remedy}"
                )
        return warnings


class _Numbers(dict[str, float]):
    """Numbers by name; NaN for one that is not there."""

    def __missing__(self, name: str) -> float:
        return math.nan
