from __future__ import annotations

from pathlib import Path

import pytest

from rhovideo.config import schema
from tests.videos import write_video

NUM_VIDEOS = 19


@pytest.fixture(scope="session")
def video_tree(tmp_path_factory) -> Path:
    """A folder with 19 readable videos in 3 classes, and train.csv, val.csv, test.csv of them with labels."""
    folder = tmp_path_factory.mktemp("videos")
    lines = []
    for number in range(NUM_VIDEOS):
        label = number % 3
        path = write_video(folder / f"class {label}" / f"vidéo {number}.mp4", num_frames=20 + number, seed=number)
        lines.append(f"{path.relative_to(folder)} {label}\n")
    for split in ("train", "val", "test"):
        (folder / f"{split}.csv").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def small_cfg(video_tree, tmp_path):
    """A configuration of tiny clips of ``video_tree``, without workers."""
    cfg = schema.get_cfg()
    cfg.NUM_GPUS = 0
    cfg.OUTPUT_DIR = str(tmp_path / "out")
    cfg.DATA.PATH_TO_DATA_DIR = str(video_tree)
    cfg.DATA.MANIFEST_CACHE = str(tmp_path / "cache")
    cfg.DATA.NUM_FRAMES = 2
    cfg.DATA.SAMPLING_RATE = 3
    cfg.DATA.TRAIN_CROP_NUM_TEMPORAL = 3
    cfg.DATA.TRAIN_CROP_SIZE = 16
    cfg.DATA.TEST_CROP_SIZE = 16
    cfg.DATA.TRAIN_JITTER_SCALES = [16, 20]
    cfg.DATA.SSL_COLOR_JITTER = True
    cfg.DATA.SSL_MOCOV2_AUG = True
    cfg.DATA_LOADER.NUM_WORKERS = 0
    cfg.TRAIN.BATCH_SIZE = 4
    cfg.TEST.BATCH_SIZE = 4
    cfg.TEST.NUM_ENSEMBLE_VIEWS = 2
    return cfg
