import itertools

import torch
from torch.utils.data import default_collate

from .build import build_dataset


def collate_all_clips(batch):
    """One batch of all clips of all videos, where the model is called as ``model(inputs)``."""
    *flat, meta = zip(*batch, strict=True)
    return [*(default_collate(list(itertools.chain(*part))) for part in flat), default_collate(list(meta))]


def construct_loader(cfg, split):
    name = cfg.TEST.DATASET if split == "test" else cfg.TRAIN.DATASET
    several = cfg.DATA.TRAIN_CROP_NUM_TEMPORAL > 1 or cfg.DATA.TRAIN_CROP_NUM_SPATIAL > 1
    as_one = several and split == "train" and cfg.MODEL.MODEL_NAME != "ContrastiveModel"
    return torch.utils.data.DataLoader(
        build_dataset(name, cfg, split),
        batch_size=cfg.TRAIN.BATCH_SIZE,
        shuffle=split == "train",
        drop_last=split == "train",
        collate_fn=collate_all_clips if as_one else None,
    )
