"""Whole samples, from paths to batches, as the peers' own loaders make them; the augmentation is torchvision v2's."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.peers import torchvision_augmentation
from benchmarks.peers.decoders import torchcodec
from rhovideo.data.sampling.start_times import draw_starts

FRAMES, STRIDE, FPS = 8, 8, 30


class PyTorchVideoSample:
    """The transform of LabeledVideoDataset: frames spread evenly over each clip, augmented; uint8 [rho,T,S,S,3]."""

    def __init__(self) -> None:
        self.augmentation = torchvision_augmentation.aug_plus()

    def __call__(self, sample: dict) -> torch.Tensor:
        # Each float32 [3,T,H,W] of 0 to 255, of as many frames as the video has in that time.
        spread = [torch.linspace(0, video.shape[1] - 1, FRAMES).long() for video in sample["video"]]
        clips = [video[:, at].permute(1, 0, 2, 3).byte() for video, at in zip(sample["video"], spread, strict=True)]
        return torch.stack([self.augmentation(clip).permute(0, 2, 3, 1) for clip in clips])


class TorchcodecDataset(Dataset):
    """A careful user's own: one decoder a video, one call for all clips, torchvision's augmentation of each clip."""

    def __init__(self, path: Path, num_frames: int, length: int, rho: int) -> None:
        self.path, self.num_frames, self.length, self.rho = path, num_frames, length, rho
        self.augmentation = torchvision_augmentation.aug_plus()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> torch.Tensor:
        rng = np.random.default_rng(index)
        starts = draw_starts(self.num_frames, (FRAMES - 1) * STRIDE + 1, self.rho, -np.inf, np.inf, rng)
        clips = torchcodec(self.path, starts[:, None] + STRIDE * np.arange(FRAMES))
        frames = torch.from_numpy(clips).permute(0, 1, 4, 2, 3)
        return torch.stack([self.augmentation(clip).permute(0, 2, 3, 1) for clip in frames])


def peers(
    path: Path, num_frames: int, samples: Mapping[str, int], rho: int, batch: int
) -> dict[str, Callable[[], DataLoader]]:
    """Of each peer that is installed, what builds its loader of so many samples of one video, in one worker."""
    keys = {"batch_size": batch, "num_workers": 1, "persistent_workers": True, "worker_init_fn": _one_thread}
    found = {}
    if importlib.util.find_spec("pytorchvideo"):
        found["PyTorchVideo"] = lambda: DataLoader(_pytorchvideo(path, samples["PyTorchVideo"], rho), **keys)
    if importlib.util.find_spec("torchcodec"):
        found["torchcodec"] = lambda: DataLoader(
            TorchcodecDataset(path, num_frames, samples["torchcodec"], rho), **keys
        )
    return found


def _pytorchvideo(path: Path, samples: int, rho: int) -> Dataset:
    from pytorchvideo.data import LabeledVideoDataset, make_clip_sampler

    sampler = make_clip_sampler("random_multi", FRAMES * STRIDE / FPS, rho)
    listed = [(str(path), {"label": 0})] * samples
    return LabeledVideoDataset(listed, sampler, transform=PyTorchVideoSample(), decode_audio=False)


def _one_thread(worker_id: int) -> None:
    torch.set_num_threads(1)
