"""Copying a file's tensors into a module, all that it needs or none, with a report of every name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo.config.keys import get_value
from rhovideo.errors import WeightsError
from rhovideo.zoo.files.architecture import describe_architecture
from rhovideo.zoo.files.checkpoint_files import WeightsFile
from rhovideo.zoo.released_format.name_mapping import BLOCKS

# Counters that no result depends on.
_OPTIONAL = ("num_batches_tracked",)


@dataclass(frozen=True)
class LoadReport:
    """The tensors that were used, ignored and missing.

    Attributes:
        used: name in the file to name in the module.
        ignored: names in the file that the module has no place for.
        missing: names of the module that kept their values; only counters that no result depends on.
    """

    used: dict[str, str]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        text = f"{len(self.used)} tensors used"
        for title, names in (("ignored", self.ignored), ("missing", self.missing)):
            if names:
                text += f"; {len(names)} {title}: {', '.join(groups(names))}"
        return text


def fill(
    module: nn.Module, named: Mapping[str, tuple[str, Tensor]], file: WeightsFile, optional: Iterable[str] = ()
) -> LoadReport:
    """Copy tensors into ``module``: all that it needs, or none.

    Args:
        module: filled in place; where it is without numbers, names and shapes are compared alone.
        named: name in the file to (name in the module, tensor).
        file: the source of the tensors.
        optional: names of the module that may stay as they are.

    Returns:
        The report of every name.

    Raises:
        WeightsError: a tensor is missing, comes twice, or has another shape. Nothing is copied then.
    """
    target = module.state_dict()
    used = {name: ours for name, (ours, _) in named.items() if ours in target}
    if len(set(used.values())) < len(used):
        raise WeightsError(
            f"{file.name}: several names are the same tensor of the model; take prefixes out of "
            "TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN until one encoder is left"
        )
    missing = sorted(target.keys() - used.values())
    needed = [name for name in missing if name not in optional and not name.endswith(_OPTIONAL)]
    if needed:
        raise WeightsError(
            f"{file.name}: covers {len(used)} of {len(target)} tensors, {len(needed)} are missing, such as "
            f"{', '.join(needed[:3])}; {describe_file(file)}, which must be the one to load into"
        )
    for name, ours in used.items():
        if named[name][1].shape != target[ours].shape:
            raise WeightsError(
                f"{file.name}: {name} is {list(named[name][1].shape)} where {ours} is {list(target[ours].shape)}; "
                f"{describe_file(file)}, which must be the one to load into"
            )
        if flaw := _flaw(named[name][1], target[ours]):
            raise WeightsError(f"{file.name}: {name} {flaw}, and no weights; get another file")
    if not is_without_numbers(module):
        module.load_state_dict({ours: named[name][1] for name, ours in used.items()}, strict=False)
    return LoadReport(used, tuple(name for name in file.state if name not in used), tuple(missing))


def is_without_numbers(module: nn.Module) -> bool:
    """True if a module was built on torch's meta device, to compare names and shapes alone."""
    return any(parameter.is_meta for parameter in module.parameters())


def _flaw(value: Tensor, target: Tensor) -> str:
    """The reason why a tensor of the right shape cannot be copied to ``target``; empty if it can."""
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        kind = "quantised" if value.is_quantized else "without values" if value.is_meta else "sparse"
        return f"is {kind}"
    if value.is_complex() or (target.is_floating_point() and not value.is_floating_point()):
        return f"holds numbers of type {str(value.dtype).removeprefix('torch.')}"
    # Values are not looked at for a network without numbers, since they may be on the disk still.
    if value.is_floating_point() and not target.is_meta and not value.float().isfinite().all():
        return "holds NaN or infinity"
    return ""


def describe_file(file: WeightsFile) -> str:
    """A clause with the architecture in a file's own configuration."""
    if file.cfg is None:
        return "the file does not say which architecture it holds"
    return f"the file says {describe_architecture(file.cfg)}, MODEL.NUM_CLASSES {file.cfg.MODEL.NUM_CLASSES}"


# What an encoder's input depends on beside the clip's pixels.
_INPUT_KEYS = ("DATA.MEAN", "DATA.STD", "DATA.STANDARDISE_CLIPS")


def other_input(file: WeightsFile, cfg: CfgNode | None) -> str:
    """The keys in which the input of a file's encoder differs from the configured one, with the file's values."""
    if file.cfg is None or cfg is None:
        return ""
    values = [(key, get_value(file.cfg, key), get_value(cfg, key)) for key in _INPUT_KEYS]
    return " ".join(f"{key} {theirs}" for key, theirs, ours in values if theirs != ours)


def other_network(file: WeightsFile, cfg: CfgNode | None) -> str:
    """The keys in which a file's network differs from the configured one, with the file's values; empty if none."""
    if file.cfg is None or cfg is None:
        return ""
    keys: tuple[str, ...] = (
        *("MODEL.ARCH", "RESNET.DEPTH", "RESNET.WIDTH_PER_GROUP"),
        *("SLOWFAST.ALPHA", "SLOWFAST.BETA_INV"),
    )
    if file.cfg.MODEL.ARCH != "slowfast":
        keys = keys[:3] if file.cfg.MODEL.ARCH in BLOCKS else keys[:1]
    values = [(key, get_value(file.cfg, key), get_value(cfg, key)) for key in keys]
    return " ".join(f"{key} {theirs}" for key, theirs, ours in values if theirs != ours)


def groups(names: Iterable[str], limit: int = 8) -> list[str]:
    """The first parts of names, with the number of names of each, such as ``backbone_hist (320)``."""
    counts: dict[str, int] = {}
    for name in names:
        first = name.split(".")[0]
        counts[first] = counts.get(first, 0) + 1
    found = [f"{first} ({count})" for first, count in counts.items()]
    return found[:limit] + (["..."] if len(found) > limit else [])
