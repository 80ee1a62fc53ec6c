"""The place of an encoder and a classifier's head in a file: the prefix of their names, and whose names they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from rhovideo.errors import WeightsError
from rhovideo.zoo.files.checkpoint_files import WeightsFile
from rhovideo.zoo.released_format.name_mapping import BLOCKS, encoder_to_ours, encoder_to_released, head_to_ours

# Prefixes of an encoder's names: ours, PySlowFast's, and those of wrappers.
ENCODER_PREFIXES = {
    "online": ("", "encoder.", "backbone.", "model.", "module.", "module.encoder.", "module.backbone."),
    "momentum": ("momentum_encoder.", "backbone_hist.", "module.momentum_encoder.", "module.backbone_hist."),
}
# One architecture for each number of blocks and pools. Only shapes can show the difference between the others.
_KINDS = ("slow", "i3d", "slowfast")
# Only a method has these. Its projection, if it is a single layer, has the name of a classifier's head in PySlowFast.
_OF_A_METHOD = ("backbone_hist.", "queue_x", "swav_prototypes.", "module.backbone_hist.")
_RELEASED = re.compile(r"s[1-5](\.|_fuse)")


@dataclass(frozen=True)
class Located:
    """An encoder within a file.

    Attributes:
        prefix: of its names.
        arch: a MODEL.ARCH whose names it has.
        names: name in the file to the name that was looked for.
        patterns: prefixes that were removed from the file's names first.
    """

    prefix: str
    arch: str
    names: dict[str, str] = field(repr=False)
    patterns: tuple[str, ...] = ()

    def inside(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """The file's names that begin with the prefix, each with its rest."""
        return _below(names, self.prefix, self.patterns)


def find_any(state: Mapping[str, Tensor], which: str) -> Located:
    """The encoder in a file, of an architecture that is not known yet, under released names.

    Args:
        state: the tensors of a file, under PySlowFast's names or ours.
        which: "online" or "momentum".

    Returns:
        The encoder with the most names. ``arch`` is one of "slow", "i3d" and "slowfast", with the same blocks and
        pools.
    """

    def released(inner: str, arch: str) -> str | None:
        return inner if _RELEASED.match(inner) else encoder_to_released(inner, arch)

    return _most(state, which, _KINDS, released)


def find_known(
    state: Mapping[str, Tensor], which: str, arch: str | None, expected: Collection[str], patterns: Iterable[str] = ()
) -> Located:
    """The encoder in a file that fits best to the one that is to be filled, under our names.

    Args:
        state: the tensors of a file.
        which: "online" or "momentum".
        arch: MODEL.ARCH; None: that of :data:`rhovideo.zoo.released_format.name_mapping.BLOCKS` which fits best.
        expected: our names, those of the encoder to fill.
        patterns: prefixes that are removed from the file's names first.

    Returns:
        The encoder with the most of these names.
    """

    def ours(inner: str, arch: str) -> str | None:
        name = inner if inner in expected else encoder_to_ours(inner, arch) if arch in BLOCKS else None
        return name if name in expected else None

    return _most(state, which, BLOCKS if arch is None else (arch,), ours, tuple(patterns))


def classifier_head(file: WeightsFile, encoder: Located, arch: str) -> dict[str, tuple[str, Tensor]]:
    """A classifier's head: name in the file to (our name, tensor); empty if there is none.

    A method's projection is no classifier's head, though it may have the same name.

    Args:
        file: a checkpoint.
        encoder: the encoder in it.
        arch: MODEL.ARCH.
    """
    if (file.cfg is not None and file.cfg.TASK == "pretrain") or any(n.startswith(_OF_A_METHOD) for n in file.state):
        return {}
    beside = encoder.prefix.removesuffix("encoder.")
    named = {name: head_to_ours(name.removeprefix(beside), arch) for name in file.state}
    return {name: (ours, file.state[name]) for name, ours in named.items() if ours is not None}


def check_which(which: str) -> None:
    """Raise an error unless there is such an encoder.

    Args:
        which: "online" or "momentum".

    Raises:
        WeightsError: it is neither.
    """
    if which not in ENCODER_PREFIXES:
        raise WeightsError(f"there is no encoder {which!r} (TRAIN.CHECKPOINT_ENCODER): write online or momentum")


def _most(
    state: Mapping[str, Tensor],
    which: str,
    archs: Iterable[str],
    rename: Callable[[str, str], str | None],
    patterns: tuple[str, ...] = (),
) -> Located:
    """The encoder under that prefix and architecture of all, for which ``rename(name, arch)`` knows most names."""
    found = []
    for prefix in ENCODER_PREFIXES[which]:
        inside = list(_below(state, prefix, patterns))
        for arch in archs:
            named = ((name, rename(inner, arch)) for name, inner in inside)
            found.append(Located(prefix, arch, {n: new for n, new in named if new is not None}, patterns))
    return max(found, key=lambda located: len(located.names))


def _below(names: Iterable[str], prefix: str, patterns: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Names that begin with ``prefix`` once the patterns are removed from their beginnings, each with its rest."""
    for name in names:
        inner = name
        for pattern in patterns:
            inner = inner.removeprefix(pattern)
        if inner.startswith(prefix):
            yield name, inner.removeprefix(prefix)
