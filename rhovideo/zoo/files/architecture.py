"""The architecture of a file's encoder: from its own configuration, or read off its tensors."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fvcore.common.config import CfgNode
from torch import Tensor

from rhovideo.config import get_cfg
from rhovideo.errors import WeightsError
from rhovideo.models.networks.resnet import STAGE_DEPTHS, TEMPORAL_KERNELS, TEMPORAL_POOL
from rhovideo.models.networks.slowfast import FAST_KERNELS, SLOW_KERNELS
from rhovideo.zoo.files.checkpoint_files import WeightsFile
from rhovideo.zoo.files.tensor_location import Located, classifier_head, find_any
from rhovideo.zoo.released_format.name_mapping import BLOCKS

logger = logging.getLogger(__name__)

# SLOWFAST.ALPHA and the fast pathway's frames (every second one) leave no trace in the weights. They are taken from the
# released networks, by depth, fusion kernel, and the number of blocks with a kernel over time in the fourth stage.
_SLOWFASTS = {(50, 7, 6): (4, 32), (50, 5, 6): (8, 32), (101, 5, 23): (4, 32), (101, 5, 6): (4, 64)}
# Other networks saw every eighth of so many frames.
_FRAMES = 8
# The remedy where only a configuration can help.
ASK_FOR_CFG = "pass cfg= with its MODEL.ARCH and RESNET settings"

_STEM = "s1.pathway{}_stem.conv.weight"
_FIRST_CONV = re.compile(r"s([2-5])\.pathway([01])_res(\d+)\.branch2\.a\.weight")


@dataclass(frozen=True)
class _Shapes:
    """An encoder's tensors under PySlowFast's names.

    Attributes:
        shapes: shape by name.
        pooled: whether a pool over time follows the first stage; None if the names do not show it.
    """

    shapes: dict[str, tuple[int, ...]]
    pooled: bool | None

    def kernels(self, pathway: int) -> list[list[int]]:
        """Temporal kernel of the first convolution of every block, by stage."""
        found: dict[int, dict[int, int]] = {}
        for name, shape in self.shapes.items():
            match = _FIRST_CONV.fullmatch(name)
            if match and int(match[2]) == pathway and len(shape) == 5:
                found.setdefault(int(match[1]), {})[int(match[3])] = shape[2]
        return [[blocks[i] for i in sorted(blocks)] for _, blocks in sorted(found.items())]


def architecture(file: WeightsFile, which: str = "online") -> CfgNode:
    """The configuration of the encoder that a file holds: the file's own, or else one that is read off its tensors.

    Of the latter only MODEL.ARCH, MODEL.NUM_CLASSES, RESNET, SLOWFAST and DATA's T x tau have a meaning. T x tau are
    those of the released networks of its kind. The log has what was assumed.

    Args:
        file: a checkpoint.
        which: "online" or "momentum".

    Raises:
        WeightsError: the file holds no encoder that is known here.
    """
    located = find_any(file.state, which)
    found = _shapes(file.state, located)
    if file.cfg is not None:
        return _with_expansion(file.cfg, found)
    if not found.shapes:
        raise WeightsError(f"{file.name}: {describe_unknown(file.state)}")
    cfg, notes = _from_shapes(found, Path(file.name).name)
    if isinstance(notes, str):
        raise WeightsError(f"{file.name}: {notes}; {ASK_FOR_CFG}")
    for ours, value in classifier_head(file, located, cfg.MODEL.ARCH).values():
        if ours == "head.projection.weight" and value.ndim == 2:
            cfg.MODEL.NUM_CLASSES = value.shape[0]
    cfg.freeze()
    logger.info("%s: read off its tensors: %s", file.name, describe_architecture(cfg))
    for note in notes:
        logger.warning("%s: %s", file.name, note)
    return cfg


def describe_architecture(cfg: CfgNode) -> str:
    """MODEL.ARCH and what belongs to it, as ``KEY VALUE`` pairs."""
    text = f"MODEL.ARCH {cfg.MODEL.ARCH}"
    if cfg.MODEL.ARCH in BLOCKS:
        text += f", RESNET.DEPTH {cfg.RESNET.DEPTH}, RESNET.WIDTH_PER_GROUP {cfg.RESNET.WIDTH_PER_GROUP}"
    if cfg.MODEL.ARCH == "slowfast":
        text += f", SLOWFAST.ALPHA {cfg.SLOWFAST.ALPHA}, SLOWFAST.BETA_INV {cfg.SLOWFAST.BETA_INV}"
    return text


def describe_unknown(names: Iterable[str]) -> str:
    """The reason why no encoder is found among names, and the kinds of encoders that can be found."""
    names = list(names)
    if any(".attn." in name or "patch_embed." in name for name in names):
        return (
            "holds a vision transformer, whose names are not converted; "
            f"encoders of MODEL.ARCH {', '.join(BLOCKS)} are, from PySlowFast and PyTorchVideo"
        )
    return (
        f"holds no encoder with PySlowFast's names (s1.pathway0_stem.conv.weight, ...) or PyTorchVideo's "
        f"(blocks.0.conv.weight, ...); its own begin with {', '.join(names[:3])}"
    )


def _shapes(state: Mapping[str, Tensor], located: Located) -> _Shapes:
    shapes = {released: tuple(state[name].shape) for name, released in located.names.items()}
    converted = any(inner not in shapes for _, inner in located.inside(located.names))
    return _Shapes(shapes, located.arch == "i3d" if converted else None)


def _from_shapes(found: _Shapes, file_name: str) -> tuple[CfgNode, list[str] | str]:
    """The configuration, and notes on what was assumed; or, instead of the notes, a text with what does not fit."""
    cfg = get_cfg()
    notes: list[str] = []
    cfg.TASK, cfg.CONTRASTIVE.LOSS_FORM, cfg.MODEL.FROZEN_BN = "finetune", "paper", False
    stem, kernels = found.shapes.get(_STEM.format(0)), found.kernels(0)
    depth = _depth(kernels, found.shapes)
    if stem is None or len(stem) != 5 or depth is None:
        blocks = ", ".join(str(len(stage)) for stage in kernels)
        return cfg, f"has stages of {blocks or 'no'} blocks, which are those of no ResNet that is known here"
    cfg.RESNET.DEPTH, cfg.RESNET.WIDTH_PER_GROUP = depth, stem[0]
    cfg = _with_expansion(cfg, found)
    cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE = _FRAMES, 8
    if _STEM.format(1) in found.shapes:
        return _slowfast(cfg, found, kernels, file_name)
    pooled = False if "NOPOOL" in file_name.upper() else found.pooled
    fits: dict[str, list[int]] = {}
    for arch, ((stem_kernel,), *basis) in TEMPORAL_KERNELS.items():
        reaches = _reaches(kernels, basis)
        if stem[2] == stem_kernel and reaches is not None and pooled in (None, TEMPORAL_POOL[arch] > 1):
            fits[arch] = reaches
    if not fits:
        return cfg, f"has temporal kernels {[stem[2]]} and {kernels}, which fit none of {', '.join(TEMPORAL_KERNELS)}"
    arch = max(fits, key=lambda arch: sum(fits[arch]))
    cfg.MODEL.ARCH, cfg.RESNET.NUM_BLOCK_TEMP_KERNEL = arch, [[reach] for reach in fits[arch]]
    if pooled is None and TEMPORAL_POOL[arch] > 1:
        notes.append(
            f"taken for {arch} with its pool over time after the first stage, which leaves no trace in the weights; "
            f"if it was trained without, {ASK_FOR_CFG}"
        )
    return cfg, notes


def _with_expansion(cfg: CfgNode, found: _Shapes) -> CfgNode:
    """The configuration with RESNET.BASIC_EXPANSION from the shapes, since PySlowFast's R-18 has no key for it."""
    stem, first = found.shapes.get(_STEM.format(0)), found.shapes.get("s2.pathway0_res0.branch2.a.weight")
    if cfg.RESNET.DEPTH != 18 or not stem or not first or not stem[0]:
        return cfg
    frozen, cfg = cfg.is_frozen(), cfg.clone()
    cfg.defrost()
    cfg.RESNET.BASIC_EXPANSION = first[0] // stem[0]
    if frozen:
        cfg.freeze()
    return cfg


def _slowfast(
    cfg: CfgNode, found: _Shapes, kernels: list[list[int]], file_name: str
) -> tuple[CfgNode, list[str] | str]:
    fast, fusion = found.shapes[_STEM.format(1)], found.shapes.get("s1_fuse.conv_f2s.weight")
    slow_reaches, fast_reaches = _reaches(kernels, SLOW_KERNELS), _reaches(found.kernels(1), FAST_KERNELS)
    both = [list(pair) for pair in zip(slow_reaches or (), fast_reaches or (), strict=False)]
    if fusion is None or len(both) < 4:
        return cfg, "has two pathways, but not those of a SlowFast network"
    kind = (cfg.RESNET.DEPTH, fusion[2], max(both[2]))
    if kind not in _SLOWFASTS:
        return cfg, "is a SlowFast network whose SLOWFAST.ALPHA its weights do not show"
    alpha, frames = _SLOWFASTS[kind]
    if "8X8" in file_name.upper():  # the same weights' shapes were released for twice as long clips
        frames = 32
    cfg.MODEL.ARCH, cfg.RESNET.NUM_BLOCK_TEMP_KERNEL = "slowfast", both
    node, width = cfg.SLOWFAST, cfg.RESNET.WIDTH_PER_GROUP
    node.ALPHA, node.BETA_INV = alpha, width // fast[0]
    node.FUSION_CONV_CHANNEL_RATIO, node.FUSION_KERNEL_SZ = fusion[0] // fusion[1], fusion[2]
    cfg.DATA.NUM_FRAMES, cfg.DATA.SAMPLING_RATE = frames, 2
    note = f"SLOWFAST.ALPHA is taken to be {alpha}, as in the released networks of its kind; else {ASK_FOR_CFG}"
    return cfg, [note]


def _depth(kernels: list[list[int]], names: Iterable[str]) -> int | None:
    """RESNET.DEPTH, from the number of blocks in each stage; only R-18 has blocks of two convolutions."""
    blocks = tuple(len(stage) for stage in kernels)
    bottleneck = any(name.endswith(".branch2.c.weight") for name in names)
    return next((d for d, count in STAGE_DEPTHS.items() if count == blocks and (d != 18) == bottleneck), None)


def _reaches(kernels: list[list[int]], basis: Sequence[list[int]]) -> list[int] | None:
    """RESNET.NUM_BLOCK_TEMP_KERNEL of each stage, which makes these kernels out of a basis; None if nothing does."""
    found = [_reach(stage, repeated) for stage, repeated in zip(kernels, basis, strict=False)]
    known = [reach for reach in found if reach is not None]
    return known if len(known) == len(found) else None


def _reach(kernels: list[int], basis: list[int]) -> int | None:
    count = len(kernels)
    for reach in range(count, -1, -1):
        if (basis * count)[:reach] + [1] * (count - reach) == kernels:
            return reach
    return None
