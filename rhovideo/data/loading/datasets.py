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

from rhovideo.config.extension.registries import DATASETS, reads_boxes
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
from rhovideo.data.loading.key_frames.clip_boxes import ClipBoxes
from rhovideo.data.loading.targets import MultiHotTargets, build_targets
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
        targets: uint8 [C], 1 for each label of a video that may have several; None for one label a video.
        boxes: of the clip; None where the data set has none.
    """

    clips: torch.Tensor
    index: int
    label: int
    valid: bool = True
    failures: list[Failure] = field(default_factory=list)
    operations: torch.Tensor | None = None
    targets: torch.Tensor | None = None
    boxes: ClipBoxes | None = None


class Read(NamedTuple):
    """What was read of a video.

    Attributes:
        clips: uint8 [V,T,S,S,3].
        operations: as of :class:`Sample`.
        targets: as of :class:`Sample`.
        boxes: as of :class:`Sample`.
    """

    clips: np.ndarray
    operations: torch.Tensor | None = None
    targets: torch.Tensor | None = None
    boxes: ClipBoxes | None = None


class ClipDataset(torch.utils.data.Dataset[Sample]):
    """A map from :class:`SampleKey` to :class:`Sample`; equal keys give equal samples in any process.

    A subclass reads the clips of an open video: :class:`VideoDataset`, and that of key frames with boxes.

    Args:
        manifest: the videos.
        seed: part of the address of every draw (RNG_SEED).
        replace_unreadable: replace a video that cannot be read by another random one, with at most ten tries.
        needs_labels: treat videos without a label as unreadable if other videos have labels.
        image_fps: frames per second of videos whose frames are images (DATA.TARGET_FPS).
        backend: the decoder, "pyav" or "torchcodec" (DATA.DECODING_BACKEND); the frames are the same.
        tone_map: turn HDR videos into SDR ones (DATA.TONE_MAP).
    """

    def __init__(
        self,
        manifest: Manifest | VideoList,
        *,
        seed: int,
        replace_unreadable: bool = True,
        needs_labels: bool = False,
        image_fps: float = 30.0,
        backend: str = "pyav",
        tone_map: bool = True,
    ) -> None:
        self.manifest = manifest
        self.seed = seed
        self.replace_unreadable = replace_unreadable
        self.needs_labels = needs_labels
        self.image_fps = image_fps
        self.backend = backend
        self.tone_map = tone_map

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
                shown = self._read(index, key, attempt, out)
            except _READ_ERRORS as error:
                reason = error.reason if isinstance(error, VideoReadError) else str(error)
                line = self.manifest.line(index)
                failures.append(Failure(index, path, reason, line, key.epoch, self.manifest.csv))
                continue
            return _sample(shown, index, self.manifest.label(index), True, failures)
        return _sample(self._black_sample(out), key.index, self.manifest.label(key.index), False, failures)

    def _video(self, key: SampleKey, attempt: int) -> int:
        if attempt == 0:
            return key.index
        rng = generator(Stream.REPLACEMENT, self.seed, key.epoch, key.index, attempt)
        # Of the same part of a mixture, so that its share stays.
        mixture: Mixture | None = getattr(self.manifest, "mixture", None)
        first, count = mixture.rows_beside(key.index) if mixture else (0, len(self.manifest))
        return first + int(rng.integers(count))

    def _read(self, index: int, key: SampleKey, attempt: int, out: np.ndarray | None) -> Read:
        address = (self.seed, key.epoch, key.index, attempt)
        with self._open(index) as video:
            return self._read_clips(index, video, address, out)

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
            return self._clip_times(video, sample.index, address), video.fps

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

    def sample_shape(self) -> tuple[int, ...] | None:
        """[V,T,S,S,3], the shape of a sample's clips; None where videos differ in it."""
        raise NotImplementedError

    def _read_clips(self, index: int, video: OpenVideo, address: tuple[int, ...], out: np.ndarray | None) -> Read:
        """Read the clips of an open video, into ``out`` where it is given."""
        raise NotImplementedError

    def _clip_times(self, video: OpenVideo, index: int, address: tuple[int, ...]) -> np.ndarray:
        """The frames of the clips, int64 [clips,T]."""
        raise NotImplementedError

    def _black_sample(self, out: np.ndarray | None = None) -> Read:
        """A sample without a video."""
        raise NotImplementedError


def _sample(read: Read, index: int, label: int, valid: bool, failures: list[Failure]) -> Sample:
    return Sample(torch.from_numpy(read.clips), index, label, valid, failures, *read[1:])


class VideoDataset(ClipDataset):
    """Clips of whole videos, chosen by a sampler.

    Args:
        manifest: the videos.
        sampler: chooses the frames of a video's clips.
        augmentation: a :class:`TrainAugmentation`, which draws each view of each clip from a separate generator, or
            :class:`EvalCrops`, whose crops are the views. It is applied to pictures as they are decoded
            (:func:`rhovideo.data.augment.clip_augmentation.clip_builder`).
        seed: part of the address of every draw (RNG_SEED).
        views_per_clip: augmentations of each clip's frames.
        colour_later: only draw the colour changes of a :class:`TrainAugmentation`, and return them with the crops
            (DATA.AUG_DEVICE gpu).
        targets: gives a sample's ``targets``; None: a video has one label.
        replace_unreadable: as of :class:`ClipDataset`, as all that follow.
        needs_labels: treat videos without a label as unreadable if other videos have labels.
        image_fps: frames per second of videos whose frames are images.
        backend: the decoder.
        tone_map: turn HDR videos into SDR ones.
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
        targets: MultiHotTargets | None = None,
    ) -> None:
        super().__init__(
            manifest,
            seed=seed,
            replace_unreadable=replace_unreadable,
            needs_labels=needs_labels,
            image_fps=image_fps,
            backend=backend,
            tone_map=tone_map,
        )
        self.sampler = sampler
        self.augmentation = augmentation
        self.views_per_clip = views_per_clip
        self.targets = targets
        self.colour_later = colour_later and isinstance(augmentation, TrainAugmentation)

    def _read_clips(self, index: int, video: OpenVideo, address: tuple[int, ...], out: np.ndarray | None) -> Read:
        times = self._clip_times(video, index, address)
        read = self._coloured(self._cropped(video.each, times, address), out)
        return read if self.targets is None else read._replace(targets=self.targets.of(index, times))

    def _clip_times(self, video: OpenVideo, index: int, address: tuple[int, ...]) -> np.ndarray:
        return self.sampler.sample(video.num_frames, video.fps, generator(Stream.CLIP_TIMES, *address))

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

    def _coloured(self, pending: list[PendingClip], out: np.ndarray | None) -> Read:
        """The views with changed colour, or unchanged views and the changes to make later."""
        out = np.empty((len(pending), *pending[0].clip.shape), np.uint8) if out is None else out
        for (clip, operations), target in zip(pending, out, strict=True):
            apply(clip, () if self.colour_later else operations, target)
        if not self.colour_later:
            return Read(out)
        return Read(out, torch.from_numpy(np.stack([encode_operations(view.operations) for view in pending])))

    def sample_shape(self) -> tuple[int, ...]:
        """[V,T,S,S,3], the shape of a sample's clips, found with black frames in place of a video."""
        return tuple(self._black_sample().clips.shape)

    def _black_sample(self, out: np.ndarray | None = None) -> Read:
        black = RgbPicture(np.zeros((32, 32, 3), np.uint8))

        def each(indices: np.ndarray, take: Taker) -> None:
            take(black, list(range(len(indices))))

        times = self.sampler.sample(1000, 30.0, generator(Stream.CLIP_TIMES, self.seed))
        read = self._coloured(self._cropped(each, times, (self.seed,)), out)
        read.clips[...] = 0
        operations = None if read.operations is None else read.operations.zero_()
        return read._replace(operations=operations, targets=None if self.targets is None else self.targets.none())


def build_dataset(cfg: CfgNode, split: str, purpose: str) -> ClipDataset:
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
    if reads_boxes(cfg):
        # It builds on this module.
        from rhovideo.data.loading.key_frames.key_frame_dataset import build_key_frame_dataset

        return build_key_frame_dataset(cfg, split, purpose)
    manifest = open_manifest(cfg, split)
    return VideoDataset(
        manifest,
        build_clip_sampler(cfg, purpose),
        build_augmentation(cfg, purpose),
        seed=cfg.RNG_SEED,
        views_per_clip=_views_per_clip(cfg) if purpose == "pretrain" else 1,
        replace_unreadable=purpose in TRAINING_PURPOSES,
        # Of several labels a video may have none.
        needs_labels=purpose != "pretrain" and cfg.TASK != "extract" and not cfg.DATA.MULTI_LABEL,
        image_fps=cfg.DATA.TARGET_FPS,
        backend=cfg.DATA.DECODING_BACKEND,
        colour_later=cfg.DATA.AUG_DEVICE == "gpu",
        tone_map=cfg.DATA.TONE_MAP,
        targets=build_targets(cfg, manifest, purpose),
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
