"""A data set that decodes through the two functions that do not work."""

import torch

from . import decoder, video_container
from .build import DATASET_REGISTRY


@DATASET_REGISTRY.register()
class Kinetics(torch.utils.data.Dataset):
    def __init__(self, cfg, split):
        self.cfg, self.split = cfg, split
        with open(f"{cfg.DATA.PATH_TO_DATA_DIR}/{split}.csv") as lines:
            rows = [line.split() for line in lines]
        self._paths = [f"{cfg.DATA.PATH_TO_DATA_DIR}/{path}" for path, _ in rows]
        self._labels = [int(label) for _, label in rows]

    def __len__(self):
        return len(self._paths)

    def __getitem__(self, index):
        data = self.cfg.DATA
        clips = data.TRAIN_CROP_NUM_TEMPORAL if self.split == "train" else 1
        container = video_container.get_video_container(self._paths[index], False, "pyav")
        frames, times, _ = decoder.decode(
            container,
            [data.SAMPLING_RATE] * clips,
            [data.NUM_FRAMES] * clips,
            -1 if self.split == "train" else 0,
            1,
            target_fps=data.TARGET_FPS,
            backend="pyav",
        )
        views = [[clip.float().movedim(-1, 0)[:, :, :32, :32] / 255] for clip in frames]
        return views if clips > 1 else views[0], self._labels[index], index, times, {}
