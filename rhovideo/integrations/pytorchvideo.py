"""rho clips in PyTorchVideo's own data sets.

After :func:`register`, PyTorchVideo's builder knows our samplers, and its data sets yield our clips::

    import rhovideo
    from pytorchvideo.data import labeled_video_dataset, make_clip_sampler

    rhovideo.register()
    sampler = make_clip_sampler("rho", 4, 8, 8)  # four clips of 8 frames, every 8th one
    videos = labeled_video_dataset("train.csv", sampler, transform=Views(8, augmentation), decode_audio=False)

Each item is one video with the list of its views, which the methods of :mod:`rhovideo.ssl` take. Methods, heads,
losses, queue, momentum and Sinkhorn-Knopp need neither our engine nor a configuration; see ``examples/``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from pytorchvideo.data import clip_sampling as theirs

from rhovideo.data.augment.clip_augmentation import TrainAugmentation, normalise
from rhovideo.data.sampling.clip_samplers import RhoClipSampler
from rhovideo.data.sampling.clip_spans import clip_frames
from rhovideo.data.sampling.segment_sampler import SegmentSampler
from rhovideo.integrations.substitution import substitute
from rhovideo.randomness import python_generator

__all__ = ["SAMPLERS", "Views", "register"]

# The first argument of make_clip_sampler, and the sampler that takes the others.
SAMPLERS: dict[str, Callable[..., theirs.ClipSampler]] = {"rho": RhoClipSampler, "segment": SegmentSampler}


def register() -> None:
    """Teach PyTorchVideo's ``make_clip_sampler`` the names in :data:`SAMPLERS`; its own names stay as they are.

    Code that has imported the function before gets them too. This holds for one process. A sampler can be sent to data
    workers; but a worker that calls ``make_clip_sampler`` must call ``register`` first, unless it was forked.
    """
    substitute(theirs, "make_clip_sampler", _make_clip_sampler)


def _make_clip_sampler(
    original: Callable[..., Any], sampling_type: str, *args: Any, **kwargs: Any
) -> theirs.ClipSampler:
    if sampling_type not in SAMPLERS:
        return original(sampling_type, *args, **kwargs)
    sampler = SAMPLERS[sampling_type]
    parameters = inspect.signature(sampler).parameters.values()
    try:
        inspect.signature(sampler).bind(*args, **kwargs)
    except TypeError as error:
        needed = ", ".join(each.name for each in parameters if each.default is each.empty)
        raise TypeError(
            f"make_clip_sampler: {error}: write make_clip_sampler({sampling_type!r}, {needed}), and others of "
            f"{sampler.__name__}'s arguments by name"
        ) from None
    return sampler(*args, **kwargs)


class Views:
    """A transform for PyTorchVideo's ``LabeledVideoDataset``: it makes the views that a method takes.

    A sample's ``video`` is a list of clips [3,L,H,W] with values 0 to 255, or one such clip. It becomes a list of
    views, float32 [3,T,S,S], normalised, in the order of the clips. torch's ``DataLoader`` makes a list of batches
    [B,3,T,S,S] of them. The other entries stay, except ``audio`` if it is a list of None (several clips without sound),
    since a ``DataLoader`` refuses that. Random numbers come from Python's ``random``, as PyTorchVideo's do.

    Args:
        num_frames: T, frames of a view, spread evenly over the clip's L.
        augmentation: called with uint8 [T,H,W,3] and a generator, returns uint8 [T,S,S,3].
        views_per_clip: augmentations of each clip; 2 with one clip (rho = 1).
        mean: of each channel, for values in 0..1.
        std: of each channel, for values in 0..1.
    """

    def __init__(
        self,
        num_frames: int,
        augmentation: TrainAugmentation,
        *,
        views_per_clip: int = 1,
        mean: Sequence[float] = (0.45, 0.45, 0.45),
        std: Sequence[float] = (0.225, 0.225, 0.225),
    ) -> None:
        self.num_frames = num_frames
        self.augmentation = augmentation
        self.views_per_clip = views_per_clip
        self.mean, self.std = mean, std

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        clips = sample["video"]
        clips = clips if isinstance(clips, list) else [clips]
        rng = python_generator()
        views = [self._view(clip, rng) for clip in clips for _ in range(self.views_per_clip)]
        others = {name: value for name, value in sample.items() if not _is_silence(value)}
        return {**others, "video": views}

    def _view(self, clip: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        length = clip.shape[1]
        (wanted,) = clip_frames(np.zeros(1, np.int64), length, self.num_frames, length)
        frames = clip[:, torch.from_numpy(wanted)].movedim(0, -1).to(torch.uint8).numpy()
        return normalise(torch.from_numpy(self.augmentation(frames, rng)), self.mean, self.std).contiguous()


def _is_silence(entry: Any) -> bool:
    return isinstance(entry, list) and all(part is None for part in entry)
