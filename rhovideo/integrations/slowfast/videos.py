"""Our videos as a data set for PySlowFast."""

from __future__ import annotations

import logging
from typing import Any, cast

import cv2
import numpy as np
import torch
from fvcore.common.config import CfgNode

from rhovideo.data.augment.clip_augmentation import normalise
from rhovideo.data.loading.datasets import FrameSampler, Sample, SampleKey, VideoDataset, build_dataset
from rhovideo.data.video.reader import VideoReadError
from rhovideo.integrations.slowfast.losses import RhoContrastiveLoss
from rhovideo.integrations.slowfast.settings import check_data, is_contrastive, is_multi_pathway, our_settings
from rhovideo.models.encoder import standardise

logger = logging.getLogger(__name__)

# If a video has several clips, and the model wants them as one batch, PySlowFast's collate function takes this apart.
Item = tuple[list[Any], int | list[int], int | list[int], np.ndarray, dict[str, Any]]


class Rhovideo(torch.utils.data.Dataset[Item]):
    """rho clips of each video (TRAIN.DATASET, TEST.DATASET rhovideo).

    It reads the same lists and the same keys as PySlowFast's Kinetics. An item is ``(frames, label, index, time,
    meta)``:

    - frames: a list over the views of lists over the pathways of float32 [3,T,S,S]; only the pathways if there is one
      view;
    - time: float64 [views, 3], first and last frame of the clip and the gap to the one before;
    - meta: empty.

    ======  ===============================================================================================
    split   views of a video
    ======  ===============================================================================================
    train   rho clips for a ContrastiveModel, ours and PySlowFast's, and where rho is above 1; else a random one
    val     the middle of the video, centre crop
    test    each item is one of TEST.NUM_ENSEMBLE_VIEWS x NUM_SPATIAL_CROPS views, in this order
    ======  ===============================================================================================

    Training samples depend on RNG_SEED, the epoch and the video alone. In training, a video that cannot be read is
    replaced, and the log names it. In validation and testing it becomes black frames.

    Args:
        cfg: PySlowFast's configuration.
        split: "train", "val" or "test".

    Raises:
        ValueError: the configuration asks for data that this data set cannot make.
    """

    def __init__(self, cfg: CfgNode, split: str) -> None:
        check_data(cfg)
        self.cfg = cfg
        self.split = split
        self.epoch = 0
        self._contrastive = is_contrastive(cfg)
        self._videos_are_classes = cfg.MODEL.LOSS_FUNC == "rho_contrastive" and split == "train"
        if self._videos_are_classes:
            RhoContrastiveLoss.temperature_of_data_set = cfg.CONTRASTIVE.T
        ours = our_settings(cfg)
        # PySlowFast's loops cannot change colours on the device.
        ours.defrost()
        ours.DATA.AUG_DEVICE = "cpu"
        ours.freeze()
        clips = cfg.DATA.TRAIN_CROP_NUM_TEMPORAL * cfg.DATA.TRAIN_CROP_NUM_SPATIAL
        train = "pretrain" if self._contrastive or clips > 1 else "train"
        purpose = {"train": train, "val": "eval", "test": "test"}[split]
        videos = cast(VideoDataset, build_dataset(ours, split, purpose))
        if split == "train" and getattr(videos.manifest, "mixture", None):
            raise ValueError(
                f"{videos.manifest.csv} is a mixture, and PySlowFast's loader does not know its weights: give a list "
                "without them"
            )
        self._times = _Times(videos.sampler)
        videos.sampler = self._times
        self._videos = videos
        self._views = cfg.TEST.NUM_ENSEMBLE_VIEWS * cfg.TEST.NUM_SPATIAL_CROPS if split == "test" else 1
        self._last: tuple[int, Sample] | None = None
        # Read by PySlowFast's nearest-neighbour evaluation.
        self._labels = videos.manifest.labels.repeat(self._views).tolist()

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def num_videos(self) -> int:
        """The number of items, as PySlowFast counts them: in testing every view of a video is one."""
        return len(self)

    def _set_epoch_num(self, epoch: int) -> None:
        """Called by PySlowFast's loop before each epoch."""
        self.epoch = int(epoch)

    def __getitem__(self, index: int) -> Item:
        sample = self._sample(int(index) // self._views)
        clips, times = sample.clips, self._times.of_views(len(sample.clips))
        if self.split == "test":
            view = slice(index % self._views, index % self._views + 1)
            clips, times = clips[view], times[view]
        frames = [self._pathways(clip) for clip in clips]
        shown = index if self.split == "test" else sample.index
        if len(frames) == 1:
            return frames[0], self._label(sample), shown, times, {}
        if self._contrastive:
            return frames, self._label(sample), shown, times, {}
        # The collate function makes one batch of all clips here, so every clip has its label.
        return frames, [self._label(sample)] * len(frames), [shown] * len(frames), times, {}

    def _sample(self, video: int) -> Sample:
        if torch.utils.data.get_worker_info() is not None:
            cv2.setNumThreads(0)  # the workers share the cores already
        if self._last is not None and self._last[0] == video and self.split == "test":
            return self._last[1]
        self._times.forget()
        sample = self._videos[SampleKey(self.epoch if self.split == "train" else 0, video)]
        for failure in sample.failures:
            logger.warning("cannot read %s (%s, line %d): %s", failure.path, failure.csv, failure.line, failure.reason)
        if not sample.valid and self.split == "train":
            raise VideoReadError(
                sample.failures[0].path,
                f"cannot be read, nor can {len(sample.failures) - 1} others that were drawn in its place; "
                "`rhovideo scan CSV` lists every broken video",
            )
        # PySlowFast asks for the views of a tested video one after the other.
        self._last = (video, sample)
        return sample

    def _label(self, sample: Sample) -> int:
        return sample.index if self._videos_are_classes else sample.label

    def _pathways(self, clip: torch.Tensor) -> list[torch.Tensor]:
        """uint8 [T,S,S,3] as PySlowFast's networks take it, normalised."""
        data = self.cfg.DATA
        if data.REVERSE_INPUT_CHANNEL:
            clip = clip.flip(-1)
        frames = normalise(clip, data.MEAN, data.STD)
        frames = (standardise(frames) if data.get("STANDARDISE_CLIPS", False) else frames).contiguous()
        if not is_multi_pathway(self.cfg):
            return [frames]
        count = frames.shape[1]
        slow = torch.linspace(0, count - 1, count // self.cfg.SLOWFAST.ALPHA).long()
        return [frames.index_select(1, slow), frames]


class _Times:
    """A sampler that remembers the places of the last video's clips.

    Args:
        sampler: one of :mod:`rhovideo.data.sampling.clip_samplers`.
    """

    def __init__(self, sampler: FrameSampler) -> None:
        self._sampler = sampler
        self.forget()

    def forget(self) -> None:
        """Forget the places, before the next video, which may be unreadable."""
        self._frames = np.zeros((1, 1), np.int64)

    def sample(self, num_frames: int, fps: float, rng: np.random.Generator) -> np.ndarray:
        self._frames = self._sampler.sample(num_frames, fps, rng)
        return self._frames

    def of_views(self, views: int) -> np.ndarray:
        """float64 [views, 3]: first and last frame of each view's clip, and the gap to the clip before."""
        first, last = self._frames[:, 0], self._frames[:, -1]
        gap = np.concatenate([[0], first[1:] - last[:-1]])
        places = np.stack([first, last, gap], axis=1).astype(np.float64)
        return places.repeat(views // len(places), axis=0)
