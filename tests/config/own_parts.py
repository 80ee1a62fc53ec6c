"""Parts as a user adds them: modules outside of the package, written as files beside a configuration."""

from __future__ import annotations

from pathlib import Path

# A method with a key of its own.
METHOD = """
import torch
from torch import nn

import rhovideo
from rhovideo.models import build_projection
from rhovideo.ssl.diagnostics import embedding_std
from rhovideo.ssl.losses import unit

rhovideo.register_key("ALIGN.SPREAD", 1.0, "Weight of the spread of the embeddings.", at_least=0)


@rhovideo.register_method("align")
def build(cfg, encoder):
    return Align(encoder, build_projection(cfg, encoder.dim), cfg.ALIGN.SPREAD)


class Align(nn.Module):
    def __init__(self, encoder, projection, spread):
        super().__init__()
        self.encoder, self.projection, self.spread = encoder, projection, spread
        self.signals, self.embeddings = {}, None

    def embed(self, x):
        return unit(self.projection(self.encoder(x)))

    def num_losses(self, num_views):
        return 1

    def losses(self, views, progress):
        z = torch.stack([self.embed(view) for view in views])
        self.embeddings, self.signals = z[0].detach(), {"embedding_std": embedding_std(z[0])}
        apart = torch.pdist(z[0]).square().mul(-2).exp().mean().log()
        yield (z[0] - z[1]).square().sum(dim=1).mean() + self.spread * apart

    def after_backward(self, progress, step):
        return True
"""

# An encoder that has nothing of ours but `dim`.
ENCODER = """
import rhovideo
from torch import nn


class Tiny(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim
        self.conv = nn.Conv3d(3, dim, (1, 8, 8), stride=(1, 8, 8))
        self.norm = nn.BatchNorm3d(dim)

    def forward(self, x):
        return self.norm(self.conv(x)).relu().mean(dim=(2, 3, 4))


rhovideo.register_key("TINY.DIM", 8, "Size of the feature.", at_least=1)
rhovideo.register_backbone("tiny", lambda cfg: Tiny(cfg.TINY.DIM))
"""

# A data set without CSV files: arrays of frames, one of which is missing.
DATASET = """
from pathlib import Path

import numpy as np

import rhovideo
from rhovideo.data import IndexedFrames, VideoList


class Arrays(VideoList):
    def open_video(self, index, image_fps, backend="pyav"):
        frames = np.load(self.path(index))
        return IndexedFrames(self.path(index), len(frames), image_fps, frames.__getitem__)


@rhovideo.register_dataset("arrays")
def open_split(cfg, split):
    paths = sorted(Path(cfg.DATA.PATH_TO_DATA_DIR).glob(f"{split}_*.npy"))
    return Arrays(split, paths, [int(path.stem.rpartition("_")[2]) for path in paths])
"""


def write_modules(folder: Path, **texts: str) -> None:
    """Write modules, by their names."""
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
