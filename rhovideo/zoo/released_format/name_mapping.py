"""Tables that turn PySlowFast's names of tensors, those of the released checkpoints, into ours, and back.

Inside the encoder, our names are PyTorchVideo's. A name that is in no table has no counterpart: the released k-NN bank,
BYOL's unused queue, the predictor of its momentum encoder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

# Number of our block for the stem and the four stages; C2D and I3D have a pool over time after the first stage.
BLOCKS: dict[str, tuple[int, ...]] = {
    "slow": (0, 1, 2, 3, 4),
    "c2d": (0, 1, 3, 4, 5),
    "i3d": (0, 1, 3, 4, 5),
    "slowfast": (0, 1, 2, 3, 4),
}
# Networks with two pathways, slow (0) and fast (1), which are fused after the stem and the first three stages.
TWO_PATHWAYS = ("slowfast",)
# Number of the block that is PyTorchVideo's classifier; SlowFast has one more block before it, a pool.
HEAD_BLOCKS = {"slow": 5, "c2d": 6, "i3d": 6, "slowfast": 6}
# Parts of the stem, and of one residual block of either kind (R-18's has no c).
STEM_PARTS = {"conv": "conv", "bn": "norm"}
RESIDUAL_PARTS = {
    "branch1": "branch1_conv",
    "branch1_bn": "branch1_norm",
    "branch2.a": "branch2.conv_a",
    "branch2.a_bn": "branch2.norm_a",
    "branch2.b": "branch2.conv_b",
    "branch2.b_bn": "branch2.norm_b",
    "branch2.c": "branch2.conv_c",
    "branch2.c_bn": "branch2.norm_c",
}
FUSION_PARTS = {"conv_f2s": "conv_fast_to_slow", "bn": "norm"}
# Heads: the beginnings of their names.
HEADS = {
    "backbone.head.projection.projection.": "projection.layers.",
    "backbone.head.predictors.0.projection.": "predictor.layers.",
    "backbone_hist.head.projection.projection.": "momentum_projection.layers.",
    "swav_prototypes.": "prototypes.",
    "head.projection.": "head.projection.",
}
# A projection of a single layer is a plain linear one there.
SINGLE_LAYER_HEADS = {
    "backbone.head.projection.": "projection.layers.0.",
    "backbone_hist.head.projection.": "momentum_projection.layers.0.",
}
# Encoders: the prefixes of the names in the tables above; a released classifier has none.
ENCODERS = {"backbone.": "encoder.", "backbone_hist.": "momentum_encoder."}
CLASSIFIER_ENCODER = {"": "encoder."}
# Single tensors: our name, our value from theirs, theirs from ours.
TENSORS: dict[str, tuple[str, Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "queue_x": ("queue.keys", torch.clone, torch.clone),
    "ptr": ("queue.pointer", lambda ptr: ptr.reshape(()), lambda pointer: pointer.reshape(1)),
    "iter": ("momentum.steps", lambda number: number.reshape(()), lambda steps: steps.reshape(1)),
    # [2, L, D] there, newest first; one row for the embeddings of both code views here, oldest first.
    "queue_swav": (
        "code_queue.keys",
        lambda queue: queue.transpose(0, 1).flatten(1).flip(0),
        lambda keys: torch.stack(keys.flip(0).chunk(2, dim=1)),
    ),
}

_STEM = re.compile(r"s1\.pathway([01])_stem\.(conv|bn)\.(\w+)")
_RESIDUAL = re.compile(r"s([2-5])\.pathway([01])_res(\d+)\.(.+)\.(\w+)")
_FUSION = re.compile(r"s([1-4])_fuse\.(conv_f2s|bn)\.(\w+)")
_OUR_PATHWAY = re.compile(r"multipathway_blocks\.([01])\.(.+)")
_OUR_FUSION = re.compile(r"multipathway_fusion\.(conv_fast_to_slow|norm)\.(\w+)")
_OUR_STEM = re.compile(r"(conv|norm)\.(\w+)")
_OUR_RESIDUAL = re.compile(r"res_blocks\.(\d+)\.(.+)\.(\w+)")
_HEAD = re.compile(r"head\.projection\.(weight|bias)")
_VIDEO_HEAD = re.compile(r"blocks\.(\d+)\.proj\.(weight|bias)")


def encoder_to_ours(name: str, arch: str) -> str | None:
    """Our name of a tensor of a released encoder, without prefix; None if there is none.

    Args:
        name: PySlowFast's name.
        arch: MODEL.ARCH, one of :data:`BLOCKS`.
    """
    blocks = BLOCKS[arch]
    if match := _FUSION.fullmatch(name):
        if arch not in TWO_PATHWAYS:
            return None
        return f"blocks.{blocks[int(match[1]) - 1]}.multipathway_fusion.{FUSION_PARTS[match[2]]}.{match[3]}"
    if match := _STEM.fullmatch(name):
        stage, pathway, inner = 1, match[1], f"{STEM_PARTS[match[2]]}.{match[3]}"
    elif (match := _RESIDUAL.fullmatch(name)) and match[4] in RESIDUAL_PARTS:
        stage, pathway = int(match[1]), match[2]
        inner = f"res_blocks.{match[3]}.{RESIDUAL_PARTS[match[4]]}.{match[5]}"
    else:
        return None
    if arch in TWO_PATHWAYS:
        return f"blocks.{blocks[stage - 1]}.multipathway_blocks.{pathway}.{inner}"
    return f"blocks.{blocks[stage - 1]}.{inner}" if pathway == "0" else None


def encoder_to_released(name: str, arch: str) -> str | None:
    """The inverse of :func:`encoder_to_ours`."""
    match = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
    if match is None or int(match[1]) not in BLOCKS[arch]:
        return None
    stage, inner, pathway = BLOCKS[arch].index(int(match[1])) + 1, match[2], "0"
    if arch in TWO_PATHWAYS:
        if match := _OUR_FUSION.fullmatch(inner):
            return f"s{stage}_fuse.{_inverse(FUSION_PARTS)[match[1]]}.{match[2]}"
        match = _OUR_PATHWAY.fullmatch(inner)
        if match is None:
            return None
        pathway, inner = match[1], match[2]
    if stage == 1:
        match = _OUR_STEM.fullmatch(inner)
        return None if match is None else f"s1.pathway{pathway}_stem.{_inverse(STEM_PARTS)[match[1]]}.{match[2]}"
    match, parts = _OUR_RESIDUAL.fullmatch(inner), _inverse(RESIDUAL_PARTS)
    if match is None or match[2] not in parts:
        return None
    return f"s{stage}.pathway{pathway}_res{match[1]}.{parts[match[2]]}.{match[3]}"


def head_to_ours(name: str, arch: str) -> str | None:
    """Our name of a tensor of a classifier's head; None for any other tensor.

    Args:
        name: ours, PySlowFast's (``head.projection.weight``) or PyTorchVideo's (``blocks.5.proj.weight``).
        arch: MODEL.ARCH; the number in PyTorchVideo's name depends on it.
    """
    if _HEAD.fullmatch(name):
        return name
    match = _VIDEO_HEAD.fullmatch(name)
    return f"head.projection.{match[2]}" if match and int(match[1]) == HEAD_BLOCKS.get(arch) else None


def to_ours(state: Mapping[str, Tensor], arch: str) -> dict[str, tuple[str, Tensor]]:
    """The state of a released method or classifier, in our names.

    Args:
        state: ``model_state`` of the file.
        arch: MODEL.ARCH.

    Returns:
        Our name and our tensor, by the released name, of each that has a counterpart here.

    Raises:
        ValueError: one of :data:`TENSORS` has the wrong shape.
    """
    found: dict[str, tuple[str, Tensor]] = {}
    for name, value in state.items():
        if name in TENSORS:
            counterpart, convert, _ = TENSORS[name]
            try:
                found[name] = (counterpart, convert(value))
            except (RuntimeError, IndexError) as error:  # torch's errors for a shape that does not fit
                raise ValueError(f"{name} is {list(value.shape)}, and it is no {counterpart} of that shape") from error
            continue
        ours = _with_prefix(name, HEADS | SINGLE_LAYER_HEADS) or _with_prefix(
            name, ENCODERS | CLASSIFIER_ENCODER, lambda inner: encoder_to_ours(inner, arch)
        )
        if ours is not None:
            found[name] = (ours, value)
    return found


def to_released(state: Mapping[str, Tensor], arch: str) -> dict[str, Tensor]:
    """The state dict of one of our methods or classifiers, in released names; tensors without one are left out."""
    single_layer = {name.split(".")[2] for name in state if name.startswith("projection.layers.")} == {"0"}
    heads = _inverse(HEADS | SINGLE_LAYER_HEADS if single_layer else HEADS)
    heads = dict(sorted(heads.items(), key=lambda pair: -len(pair[0])))  # the longer name first
    encoders = _inverse(ENCODERS if any(name.startswith("projection.") for name in state) else CLASSIFIER_ENCODER)
    tensors = {ours: (released, convert) for released, (ours, _, convert) in TENSORS.items()}
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in tensors:
            counterpart, convert = tensors[name]
            found[counterpart] = convert(value)
            continue
        released = _with_prefix(name, heads) or _with_prefix(
            name, encoders, lambda inner: encoder_to_released(inner, arch)
        )
        if released is not None:
            found[released] = value
    return found


def _with_prefix(
    name: str, prefixes: Mapping[str, str], rename: Callable[[str], str | None] = lambda inner: inner
) -> str | None:
    """``name`` with its prefix replaced by the first one that fits, and the rest renamed; None if none fits."""
    for old, new in prefixes.items():
        if name.startswith(old) and (inner := rename(name.removeprefix(old))) is not None:
            return new + inner
    return None


def _inverse(table: Mapping[str, str]) -> dict[str, str]:
    return {value: key for key, value in table.items()}
