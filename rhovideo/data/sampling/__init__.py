"""The frames that make the clips of a video."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo.data.sampling.clip_samplers import (
        RandomClipSampler,
        RhoClipSampler,
        UniformClipSampler,
        build_clip_sampler,
    )
    from rhovideo.data.sampling.segment_sampler import SegmentSampler

__all__ = ["RandomClipSampler", "RhoClipSampler", "SegmentSampler", "UniformClipSampler", "build_clip_sampler"]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "RandomClipSampler": "rhovideo.data.sampling.clip_samplers",
        "RhoClipSampler": "rhovideo.data.sampling.clip_samplers",
        "SegmentSampler": "rhovideo.data.sampling.segment_sampler",
        "UniformClipSampler": "rhovideo.data.sampling.clip_samplers",
        "build_clip_sampler": "rhovideo.data.sampling.clip_samplers",
    },
)
