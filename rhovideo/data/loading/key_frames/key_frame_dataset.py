"""The data set of TASK detection: clips around key frames, with the boxes of people."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from fvcore.common.config import CfgNode

from rhovideo.data.augment.box_crops import BoxCrops, ClipWithBoxes, build_box_crops
from rhovideo.data.augment.clip_augmentation import apply
from rhovideo.data.augment.device_colour import encode_operations
from rhovideo.data.lists.boxes.key_frames import KeyFrameList, open_key_frames
from rhovideo.data.lists.video_list import OpenVideo
from rhovideo.data.loading.datasets import ClipDataset, Read
from rhovideo.data.loading.key_frames.clip_boxes import ClipBoxes
from rhovideo.data.sampling.key_frame_clips import frames_around
from rhovideo.data.video.picture.frame import Picture, RgbPicture


class KeyFrameDataset(ClipDataset):
    """A map from the address of a key frame to one clip around it and its boxes; equal addresses give equal samples.

    Args:
        manifest: the key frames.
        crops: of the clips, which boxes follow.
        num_frames: T (DATA.NUM_FRAMES).
        rate: τ (DATA.SAMPLING_RATE), counted at ``target_fps`` (DATA.TARGET_FPS).
        num_classes: columns of the targets (MODEL.NUM_CLASSES).
        colour_later: only draw changes of colour (DATA.AUG_DEVICE gpu).
        settings: ``seed``, ``replace_unreadable``, ``backend`` and ``tone_map`` of
            :class:`rhovideo.data.loading.datasets.ClipDataset`.
    """

    manifest: KeyFrameList

    def __init__(
        self,
        manifest: KeyFrameList,
        crops: BoxCrops,
        *,
        num_frames: int,
        rate: int,
        target_fps: float,
        num_classes: int,
        colour_later: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(manifest, image_fps=target_fps, **settings)
        self.crops = crops
        self.colour_later = colour_later
        self.num_frames = num_frames
        self.rate = rate
        self.target_fps = target_fps
        self.num_classes = num_classes

    def sample_shape(self) -> tuple[int, ...] | None:
        """[1,T,S,S,3], the shape of a sample's clips; None where frames keep their shape."""
        side = self.crops.side
        return None if side is None else (1, self.num_frames, side, side, 3)

    def _clip_times(self, video: OpenVideo, index: int, address: tuple[int, ...]) -> np.ndarray:
        length = video.num_frames
        clip = (self.manifest.offset(index), self.num_frames, self.rate)
        return frames_around(*clip, target_fps=self.target_fps, fps=video.fps, length=length)[None]

    def _read_clips(self, index: int, video: OpenVideo, address: tuple[int, ...], out: np.ndarray | None) -> Read:
        builder = ClipWithBoxes(self.crops, self.num_frames, self._view_rng(address, 0, 0))

        def take(picture: Picture | RgbPicture, places: list[int]) -> None:
            for place in places:
                builder.add(picture, place)

        video.each(self._clip_times(video, index, address).reshape(-1), take)
        clip, operations = builder.build()
        out = np.empty((1, *clip.shape), np.uint8) if out is None else out
        apply(clip, () if self.colour_later else operations, out[0])
        assert builder.placement is not None  # a clip has a frame
        pixels = builder.placement.boxes(self.manifest.boxes(index)).astype(np.float32)
        boxes = ClipBoxes(pixels, self.manifest.targets(index, self.num_classes))
        left = torch.from_numpy(encode_operations(operations)[None]) if self.colour_later else None
        return Read(out, left, boxes=boxes)

    def _black_sample(self, out: np.ndarray | None = None) -> Read:
        side = self.crops.side or 1
        clips = np.zeros((1, self.num_frames, side, side, 3), np.uint8) if out is None else out
        clips[:] = 0
        left = torch.from_numpy(encode_operations([])[None]) if self.colour_later else None
        return Read(clips, left, boxes=ClipBoxes.none(self.num_classes))


def build_key_frame_dataset(cfg: CfgNode, split: str, purpose: str) -> KeyFrameDataset:
    """Build the data set of a split for a purpose.

    Args:
        cfg: a loaded configuration of TASK detection.
        split: "train", "val" or "test".
        purpose: "train", "eval" or "test", see :func:`rhovideo.data.augment.box_crops.build_box_crops`. Only "train"
            replaces a key frame that cannot be read.

    Raises:
        ValueError: the purpose is unknown.
        JobError: a file of boxes or a list of frames cannot be used.
    """
    return KeyFrameDataset(
        open_key_frames(cfg, split),
        build_box_crops(cfg, purpose),
        num_frames=cfg.DATA.NUM_FRAMES,
        rate=cfg.DATA.SAMPLING_RATE,
        target_fps=cfg.DATA.TARGET_FPS,
        num_classes=cfg.MODEL.NUM_CLASSES,
        seed=cfg.RNG_SEED,
        replace_unreadable=purpose == "train",
        backend=cfg.DATA.DECODING_BACKEND,
        colour_later=cfg.DATA.AUG_DEVICE == "gpu" and purpose == "train",
        tone_map=cfg.DATA.TONE_MAP,
    )
