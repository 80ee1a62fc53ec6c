"""The size of a network, in parameters and multiply-adds.

Nothing is computed: a copy runs once on the meta device, which holds only shapes.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable
from typing import NamedTuple

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rhovideo.config.extension.registries import BACKBONES
from rhovideo.config.keys import leaves
from rhovideo.models.backbones import build_backbone

# Architectures that RESNET.DEPTH is a size of.
_RESIDUAL = ("slow", "c2d", "i3d", "slowfast", "r2plus1d")
# Sections and keys that make no difference to how a network is built.
_NOT_SHAPING = (
    *("TASK", "OUTPUT_DIR", "RNG_SEED", "LOG_PERIOD", "SLURM", "TENSORBOARD", "LOGGERS"),
    *("TRAIN", "TEST", "KNN", "SOLVER", "DATA_LOADER"),
)
# Counting takes as long as a tiny job, and jobs of one process have few encoders.
_known: dict[Hashable, ModelInfo] = {}


class ModelInfo(NamedTuple):
    """Size of a network.

    Attributes:
        parameters: all of them, also those that are frozen.
        multiply_adds: of the convolutions and matrix products of one clip's forward pass ("FLOPs" in most papers); None
            of a network that does not run on shapes alone.
        clip: (T, H, W) of that clip.
    """

    parameters: int
    multiply_adds: int | None
    clip: tuple[int, int, int]

    def __str__(self) -> str:
        parameters = f"{self.parameters / 1e6:.2f} M parameters"
        if self.multiply_adds is None:
            return parameters
        clip = "x".join(map(str, self.clip))
        return f"{parameters}, {self.multiply_adds / 1e9:.2f} G multiply-adds a clip of {clip}"


def model_info(model: nn.Module, frames: int, crop: int) -> ModelInfo:
    """The size of a network.

    Args:
        model: takes clips [N,3,T,H,W].
        frames: T of the clip.
        crop: height and width of the clip in pixels.
    """
    dtype = next(model.parameters()).dtype
    clip = torch.empty(1, 3, frames, crop, crop, device="meta", dtype=dtype)
    return ModelInfo(_parameters(model), _multiply_adds(model, clip), (frames, crop, crop))


def encoder_size(cfg: CfgNode, crop: int) -> ModelInfo:
    """The size of the encoder of a configuration.

    Args:
        cfg: a loaded configuration.
        crop: height and width of a clip in pixels.
    """
    known = shaping_settings(cfg, "CONTRASTIVE"), crop
    if known not in _known:
        # Modules are imported before: what they make when they are imported would keep no numbers, for the run too.
        BACKBONES.builder(cfg.MODEL.ARCH)
        with torch.device("meta"):
            encoder = build_backbone(cfg)
        _known[known] = model_info(encoder, cfg.DATA.NUM_FRAMES, crop)
    return _known[known]


def shaping_settings(cfg: CfgNode, *left_out: str) -> Hashable:
    """All settings that shape a network: equal for jobs whose networks are built alike.

    Args:
        cfg: a loaded configuration.
        left_out: sections that do not shape it.
    """
    without = {*_NOT_SHAPING, *left_out}
    return tuple((key, repr(value)) for key, value in leaves(cfg) if key.partition(".")[0] not in without)


class HeadInfo(NamedTuple):
    """Size of a head.

    Attributes:
        parameters: all of them.
        multiply_adds: of one embedding's forward pass; None of a head that does not run on shapes alone.
    """

    parameters: int
    multiply_adds: int | None

    def __str__(self) -> str:
        parameters = f"{self.parameters / 1e6:.2f} M parameters"
        if self.multiply_adds is None:
            return parameters
        return f"{parameters}, {self.multiply_adds / 1e6:.2f} M multiply-adds"


def head_info(head: nn.Module) -> HeadInfo:
    """The size of a head that maps embeddings [N, D].

    Args:
        head: its first linear layer gives D.
    """
    layers = [module for module in head.modules() if isinstance(module, nn.Linear)]
    if not layers:
        return HeadInfo(_parameters(head), 0)
    embedding = torch.empty(1, layers[0].in_features, device="meta", dtype=layers[0].weight.dtype)
    return HeadInfo(_parameters(head), _multiply_adds(head, embedding))


def encoder_name(cfg: CfgNode) -> str:
    """The encoder for people, such as ``slow R-50``."""
    return cfg.MODEL.ARCH + (f" R-{cfg.RESNET.DEPTH}" if cfg.MODEL.ARCH in _RESIDUAL else "")


def describe(model: nn.Module, cfg: CfgNode) -> str:
    """A line on a model that was built from ``cfg``, at its training crop."""
    return f"{encoder_name(cfg)}: {model_info(model, cfg.DATA.NUM_FRAMES, cfg.DATA.TRAIN_CROP_SIZE)}"


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _multiply_adds(model: nn.Module, shape: Tensor) -> int | None:
    shadow = copy.deepcopy(model).to("meta").eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            shadow(shape)
    except Exception:
        # An own network may look at numbers, and a size that cannot be told must not stop its training.
        return None
    # The counter takes a multiplication and an addition as two.
    return int(counter.get_total_flops() // 2)
