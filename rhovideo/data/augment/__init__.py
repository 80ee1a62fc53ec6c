"""Crops, colour and blur, on the CPU and on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.data.augment.clip_augmentation import TrainAugmentation, build_augmentation, normalise
    from rhovideo.data.augment.colour import ColourAugmentation
    from rhovideo.data.augment.crops import EvalCrops

__all__ = ["ColourAugmentation", "EvalCrops", "TrainAugmentation", "build_augmentation", "normalise"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ColourAugmentation": "rhovideo.data.augment.colour",
        "EvalCrops": "rhovideo.data.augment.crops",
        "TrainAugmentation": "rhovideo.data.augment.clip_augmentation",
        "build_augmentation": "rhovideo.data.augment.clip_augmentation",
        "normalise": "rhovideo.data.augment.clip_augmentation",
    },
)
