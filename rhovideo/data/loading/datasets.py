"""Data sets. A sample does not depend on those read before it: clips are chosen, decoded in one pass, and augmented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import av
import cv2
import numpy as np
import torch
from fvcore.common.config import CfgNode

from rhovideo.config.extension.registries import DATASETS
from rhovideo.data.augment.clip_augmentation import (
    PendingClip,
    TrainAugmentation,
    apply,
    build_augmentation,
    clip_builder,
)
from rhovideo.data.augment.crops import EvalCrops
from rhovideo.data.augment.device_colour import encode_operations
from rhovideo.data.lists.bad_videos import Failure
from rhovideo.data.lists.csv_parsing import NO_LABEL
from rhovideo.data.lists.manifest import Manifest
from rhovideo.data.lists.mixtures import Mixture
from rhovideo.data.lists.video_list import OpenVideo, VideoList
from rhovideo.data.sampling.clip_samplers import build_clip_sampler
from rhovideo.data.video.picture.frame import Picture, RgbPicture
from rhovideo.data.video.reader import Taker, Video, VideoReadError
from rhovideo.data.video.torchcodec_reader import require_torchcodec
from rhovideo.randomness import Stream, generator

SPLITS = ("train", "val", "test")
PURPOSES = ("pretrain", "train", "eval", "test", "knn")
TRAINING_PURPOSES = ("pretrain", "train")

# Video.each, or a function like it.
Each = Callable[[np.ndarray, Taker], None]
# A training sample is given up after so many draws.
_MAX_ATTEMPTS = 10
_READ_ERRORS = (VideoReadError, OSError, av.FFmpegError, cv2.error)


class FrameSampler(Protocol):
    """A sampler as in :mod:`rhovideo.data.sampling.clip_samplers`, or your own."""

    def sample(self, num_frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
        """Choose the frames of a video's clips.

        Args:
            num_frames: frames of the video.
            fps: its frames per second.
            rng: source of all draws.

        Returns:
            int64 [clips, T].
        """


class SampleKey(NamedTuple):
    """The address of a sample: video ``index`` of the manifest in ``epoch``.

    In a mixture, ``epoch`` is how often the training has shown the video before: it may come twice in an epoch.
    """

    epoch: int
    index: int  # type: ignore[assignment]  # It hides tuple.index, which has no use here.


@dataclass
class Sample:
    """The views of one video.

    Attributes:
        clips: uint8 [V,T,S,S,3], RGB; clips in the order of time, the views of a clip next to each other.
        index: of the video that is shown, which may replace an unreadable one.
        label: of the video that is shown.
        valid: False if no video could be read; then ``clips`` are zeros and ``index`` is that of the key.
        failures: the videos that could not be read.
        operations: float64 [V,K,2], changes of each view's colour that are still to be made, see
            :mod:`rhovideo.data.augment.device_colour`; None if there are none.
    """

    clips: torch.Tensor
    index: int
    label: int
    valid: bool = True
    failures: list[Failure] = field(default_factory=list)
    operations: torch.Tensor | None = None


class VideoDataset(torch.utils.data.Dataset[Sample]):
    """A map from :class:`SampleKey` to :class:`Sample`; equal keys give equal samples in any process.

    Args:
        manifest: the videos.
        sampler: chooses the frames of a video's clips.
        augmentation: a :class:`TrainAugmentation`, which draws each view of each clip from a separate generator, or
            :class:`EvalCrops`, whose crops are the views. It is applied to pictures as they are decoded
            (:func:`rhovideo.data.augment.clip_augmentation.clip_builder`).
        seed: part of the address of every draw (RNG_SEED).
        views_per_clip: augmentations of each clip's frames.
        replace_unreadable: replace a video that cannot be read by another random one, with at most ten tries.
        needs_labels: treat videos without a label as unreadable if other videos have labels.
        image_fps: frames per second of videos whose frames are images (DATA.TARGET_FPS).
        backend: the decoder, "pyav" or "torchcodec" (DATA.DECODING_BACKEND); the frames are the same.
        colour_later: only draw the colour changes of a :class:`TrainAugmentation`, and return them with the crops
            (DATA.AUG_DEVICE gpu).
        tone_map: turn HDR videos into SDR ones (DATA.TONE_MAP).
    """

    def __init__(
        self,
        manifest: Manifest | VideoList,
        sampler: FrameSampler,
        augmentation: TrainAugmentation | EvalCrops,
        *,
        seed: int,
        views_per_clip: int = 1,
        replace_unreadable: bool = True,
        needs_labels: bool = False,
        image_fps: float = 30.0,
        backend: str = "pyav",
        colour_later: bool = False,
        tone_map: bool = True,
    ) -> None:
        self.manifest = manifest
        self.sampler = sampler
        self.augmentation = augmentation
        self.seed = seed
        self.views_per_clip = views_per_clip
        self.replace_unreadable = replace_unreadable
        self.needs_labels = needs_labels
        self.image_fps = image_fps
        self.backend = backend
        self.tone_map = tone_map
        self.colour_later = colour_later and isinstance(augmentation, TrainAugmentation)

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, key: SampleKey) -> Sample:
        """The sample at an address, see :meth:`read`."""
        return self.read(key)

    def read(self, key: SampleKey, out: np.ndarray | None = None) -> Sample:
        """Read the sample at an address.

        Args:
            key: the address.
            out: uint8 [V,T,S,S,3], C-contiguous, the place for the clips, such as a part of a batch; None: a new array.

        Returns:
            The sample. Errors of videos do not raise, but are in its ``failures``.
        """
        key = SampleKey(*key)
        failures: list[Failure] = []
        for attempt in range(_MAX_ATTEMPTS if self.replace_unreadable else 1):
            index = self._video(key, attempt)
            path = self.manifest.path(index)
            try:
                clips, operations = self._read(index, key, attempt, out)
            except _READ_ERRORS as error:
                reason = error.reason if isinstance(error, VideoReadError) else str(error)
                line = self.manifest.line(index)
                failures.append(Failure(index, path, reason, line, key.epoch, self.manifest.csv))
                continue
            return Sample(torch.from_numpy(clips), index, self.manifest.label(index), True, failures, operations)
        nothing, operations = self._black_sample(out)
        return Sample(nothing, key.index, self.manifest.label(key.index), False, failures, operations)

    def _video(self, key: SampleKey, attempt: int) -> int:
        if attempt == 0:
            return key.index
        rng = generator(Stream.REPLACEMENT, self.seed, key.epoch, key.index, attempt)
        # Of the same part of a mixture, so that its share stays.
        mixture: Mixture | None = getattr(self.manifest, "mixture", None)
        first, count = mixture.rows_beside(key.index) if mixture else (0, len(self.manifest))
        return first + int(rng.integers(count))

    def _read(
        self, index: int, key: SampleKey, attempt: int, out: np.ndarray | None
    ) -> tuple[np.ndarray, torch.Tensor | None]:
        address = (self.seed, key.epoch, key.index, attempt)
        with self._open(index) as video:
            times = self._clip_times(video, address)
            pending = self._cropped(video.each, times, address)
        return self._coloured(pending, out)

    def _clip_times(self, video: OpenVideo, address: tuple[int, ...]) -> np.ndarray:
        return self.sampler.sample(video.num_frames, video.fps, generator(Stream.CLIP_TIMES, *address))

    def times_of(self, key: SampleKey, sample: Sample) -> tuple[np.ndarray, float]:
        """Find the frames that the clips of a sample show; the video is opened for it, and not decoded.

        Args:
            key: the sample's address.
            sample: as :meth:`read` gave it, of a video that could be read.

        Returns:
            int64 [clips,T], indices of frames, and the video's frames per second.

        Raises:
            VideoReadError: the video cannot be read any more.
        """
        # Each failure took one attempt.
        address = (self.seed, key.epoch, key.index, len(sample.failures))
        with self._open(sample.index) as video:
            return self._clip_times(video, address), video.fps

    def _cropped(self, each: Each, times: np.ndarray, address: tuple[int, ...]) -> list[PendingClip]:
        """The views of the clips at these times, int64 [n,T], built from the pictures as they are decoded."""
        num_clips, num_frames = times.shape
        builders = [
            [
                clip_builder(self.augmentation, num_frames, self._view_rng(address, clip, view))
                for view in range(self.views_per_clip)
            ]
            for clip in range(num_clips)
        ]

        def take(picture: Picture | RgbPicture, places: list[int]) -> None:
            for place in places:
                clip, time = divmod(place, num_frames)
                for builder in builders[clip]:
                    builder.add(picture, time)

        each(times.reshape(-1), take)
        return [pending for of_clip in builders for builder in of_clip for pending in builder.build()]

    def _open(self, index: int) -> OpenVideo:
        manifest = self.manifest
        if self.needs_labels and manifest.has_labels and manifest.label(index) == NO_LABEL:
            raise VideoReadError(manifest.path(index), "has no label")
        video: OpenVideo = manifest.open_video(index, self.image_fps, self.backend)
        if isinstance(video, Video):
            video.tone_map = self.tone_map
        return video

    def _view_rng(self, address: tuple[int, ...], clip: int, view: int) -> np.random.Generator:
        return generator(Stream.AUGMENTATION, *address, clip, view)

    def _coloured(self, pending: list[PendingClip], out: np.ndarray | None) -> tuple[np.ndarray, torch.Tensor | None]:
        """The views with changed colour, or unchanged views and the changes to make later."""
        out = np.empty((len(pending), *pending[0].clip.shape), np.uint8) if out is None else out
        for (clip, operations), target in zip(pending, out, strict=True):
            apply(clip, () if self.colour_later else operations, target)
        if not self.colour_later:
            return out, None
        return out, torch.from_numpy(np.stack([encode_operations(view.operations) for view in pending]))

    def sample_shape(self) -> tuple[int, ...]:
        """[V,T,S,S,3], the shape of a sample's clips, found with black frames in place of a video."""
        return tuple(self._black_sample()[0].shape)

    def _black_sample(self, out: np.ndarray | None = None) -> tuple[torch.Tensor, torch.Tensor | None]:
        black = RgbPicture(np.zeros((32, 32, 3), np.uint8))

        def each(indices: np.ndarray, take: Taker) -> None:
            take(black, list(range(len(indices))))

        times = self.sampler.sample(1000, 30.0, generator(Stream.CLIP_TIMES, self.seed))
        clips, operations = self._coloured(self._cropped(each, times, (self.seed,)), out)
        return torch.from_numpy(clips).zero_(), None if operations is None else operations.zero_()


def build_dataset(cfg: CfgNode, split: str, purpose: str) -> VideoDataset:
    """Build the data set of a split for a purpose.

    Args:
        cfg: a loaded configuration.
        split: "train", "val" or "test".
        purpose: "pretrain": rho clips (rho=1: two views of one clip). "train": one random, augmented clip. "eval": the
            centre clip, centre crop. "test": TEST.NUM_ENSEMBLE_VIEWS clips, TEST.NUM_SPATIAL_CROPS crops. "knn":
            KNN.NUM_CLIPS clips, centre crop. Only the first two replace unreadable videos.

    Returns:
        The data set.

    Raises:
        ValueError: the split or the purpose is unknown.
        JobError: the list cannot be used, or DATA.DECODING_BACKEND is not installed.
    """
    if split not in SPLITS:
        raise ValueError(f'split is "{split}": write one of {", ".join(SPLITS)}')
    if purpose not in PURPOSES:
        raise ValueError(f'purpose is "{purpose}": write one of {", ".join(PURPOSES)}')
    if cfg.DATA.DECODING_BACKEND == "torchcodec":
        require_torchcodec()
    return VideoDataset(
        open_manifest(cfg, split),
        build_clip_sampler(cfg, purpose),
        build_augmentation(cfg, purpose),
        seed=cfg.RNG_SEED,
        views_per_clip=_views_per_clip(cfg) if purpose == "pretrain" else 1,
        replace_unreadable=purpose in TRAINING_PURPOSES,
        needs_labels=purpose != "pretrain" and cfg.TASK != "extract",
        image_fps=cfg.DATA.TARGET_FPS,
        backend=cfg.DATA.DECODING_BACKEND,
        colour_later=cfg.DATA.AUG_DEVICE == "gpu",
        tone_map=cfg.DATA.TONE_MAP,
    )


def open_manifest(cfg: CfgNode, split: str) -> Manifest | VideoList:
    """Open the list of videos of a split, with the data set that TRAIN.DATASET names.

    Args:
        cfg: a loaded configuration.
        split: "train", "val" or "test".

    Returns:
        The list.

    Raises:
        ManifestError: the list cannot be used.
        FileNotFoundError: there is no such list.
    """
    opened: Manifest | VideoList = DATASETS.builder(cfg.TRAIN.DATASET)(cfg, split)
    return opened


def _views_per_clip(cfg: CfgNode) -> int:
    alone = cfg.DATA.TRAIN_CROP_NUM_TEMPORAL == 1 and cfg.DATA.TRAIN_CROP_NUM_SPATIAL == 1
    return 2 if alone else cfg.DATA.TRAIN_CROP_NUM_SPATIAL
