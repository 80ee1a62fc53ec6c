"""Weights into modules: pre-trained encoders, whole methods, classifiers, from released checkpoints and ours."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo.models import Classifier, Encoder, build_backbone
from rhovideo.ssl.build import METHODS, build_method
from rhovideo.zoo.files import WeightsError, WeightsFile, read_weights
from rhovideo.zoo.keys import BLOCKS, encoder_to_ours, to_ours

logger = logging.getLogger(__name__)

# Where an encoder's names may begin, in our files and in released ones.
ENCODER_PREFIXES = {
    "online": ("", "encoder.", "backbone."),
    "momentum": ("momentum_encoder.", "backbone_hist."),
}
# State that a released file lacks and that a fresh method sets itself.
_OWN_STATE = (
    *("momentum.share", "queue.filled"),
    *("code_queue.keys", "code_queue.pointer", "code_queue.filled"),
)
_OPTIONAL = ("num_batches_tracked",)


@dataclass(frozen=True)
class LoadReport:
    """What became of every name.

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
                text += f"; {len(names)} {title}: {', '.join(_groups(names))}"
        return text


def load_pretrained(source: str | Path, cfg: CfgNode | None = None, encoder: str = "online") -> Encoder:
    """The encoder of a checkpoint, in eval mode: clips [N, 3, T, H, W], normalised, to pooled features [N, C].

    Args:
        source: a released pre-training checkpoint or classifier (``.pyth``), or a checkpoint of this package.
        cfg: says which encoder to build; None: the file's own configuration.
        encoder: "online", or "momentum" for the momentum encoder of MoCo and BYOL.

    Raises:
        WeightsError: the file cannot be read, or does not cover the whole encoder.

    Example::

        encoder = rhovideo.load_pretrained("BYOL_SlowR50_8x8_T4_epoch_00200.pyth")
        features = encoder((clips - 0.45) / 0.225)
    """
    file = read_weights(source)
    built = build_backbone(_cfg_or_raise(file, cfg))
    _load_encoder(built, file, cfg, encoder)
    return built.eval()


def load_method(source: str | Path, form: str = "released") -> nn.Module:
    """A whole pre-training method: encoder, heads, and its queue, momentum encoder or prototypes.

    Args:
        source: a released pre-training checkpoint, or one of this package; built from its own configuration.
        form: the form of the loss, "released" or "paper".

    Returns:
        The method, in training mode; see :class:`rhovideo.ssl.interface.Method`.

    Raises:
        WeightsError: the file cannot be read, holds no method, or not all of it.
    """
    file = read_weights(source)
    cfg = _cfg_or_raise(file, None).clone()
    if cfg.TASK != "pretrain" or cfg.CONTRASTIVE.TYPE not in METHODS:
        raise WeightsError(
            f"{file.name}: holds no pre-training method of {', '.join(METHODS)}; load its encoder with load_pretrained"
        )
    cfg.defrost()
    cfg.CONTRASTIVE.LOSS_FORM = form
    method = build_method(cfg)
    named = _ours(file) if file.ours else _renamed(file, cfg.MODEL.ARCH)
    if file.ours:
        report = _fill(method, named, file, optional=())
    else:
        report = _fill_from_released(method, named, file)
    logger.info("%s: %s", file.name, report)
    return method


def load_encoder_weights(
    encoder: Encoder, source: str | Path | Mapping[str, Tensor], cfg: CfgNode | None = None
) -> LoadReport:
    """Put the weights of a checkpoint's encoder into ``encoder``, to start the linear protocol or fine-tuning.

    Args:
        encoder: from :func:`rhovideo.models.build_backbone`.
        source: a checkpoint as for :func:`load_pretrained`, or a state dict.
        cfg: TRAIN.CHECKPOINT_ENCODER picks the encoder, the prefixes in TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN are
            taken off the file's names first; None: the online encoder, nothing taken off.

    Returns:
        What was used, ignored and missing, which also goes to the log.

    Raises:
        WeightsError: the file cannot be read, or does not cover the whole encoder.
    """
    file = _file(source)
    return _load_encoder(encoder, file, cfg, cfg.TRAIN.CHECKPOINT_ENCODER if cfg is not None else "online")


def load_classifier_weights(
    classifier: Classifier, source: str | Path | Mapping[str, Tensor], cfg: CfgNode
) -> LoadReport:
    """Put a released classifier's weights or one's of this package into ``classifier``, encoder and head.

    Raises:
        WeightsError: the file cannot be read, or does not cover the whole classifier.
    """
    file = _file(source)
    named = _ours(file) if file.ours else _renamed(file, cfg.MODEL.ARCH)
    if not any(ours.startswith("head.") for ours, _ in named.values()):
        raise WeightsError(
            f"{file.name}: holds no classifier, only an encoder; train one on it with TASK linear or finetune"
        )
    report = _fill(classifier, named, file, optional=())
    logger.info("%s: %s", file.name, report)
    return report


def _load_encoder(encoder: Encoder, file: WeightsFile, cfg: CfgNode | None, which: str) -> LoadReport:
    if which not in ENCODER_PREFIXES:
        raise WeightsError(f"there is no encoder {which!r} (TRAIN.CHECKPOINT_ENCODER): write online or momentum")
    arch = (cfg or file.cfg).MODEL.ARCH if (cfg or file.cfg) else "slow"
    patterns = tuple(cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN) if cfg is not None else ()
    expected = encoder.state_dict().keys()
    candidates = [_encoder_names(file.state, prefix, patterns, arch, expected) for prefix in ENCODER_PREFIXES[which]]
    best = max(candidates, key=len)
    if not best:
        other = ", the file holds only an online one" if which == "momentum" else f"; {file.describe()}"
        raise WeightsError(f"{file.name}: holds no {which} encoder of MODEL.ARCH {arch}{other}")
    report = _fill(encoder, best, file, optional=())
    logger.info("%s: %s encoder: %s", file.name, which, report)
    return report


def _encoder_names(
    state: Mapping[str, Tensor], prefix: str, patterns: Iterable[str], arch: str, expected: Iterable[str]
) -> dict[str, tuple[str, Tensor]]:
    """The tensors below ``prefix`` that are an encoder's: name in the file to (our name, tensor)."""
    found = {}
    for name, value in state.items():
        inner = name
        for pattern in patterns:
            inner = inner.removeprefix(pattern)
        if not inner.startswith(prefix):
            continue
        inner = inner.removeprefix(prefix)
        ours = inner if inner in expected else encoder_to_ours(inner, arch) if arch in BLOCKS else None
        if ours is not None:
            found[name] = (ours, value)
    return found


def _fill_from_released(method: nn.Module, named: dict[str, tuple[str, Tensor]], file: WeightsFile) -> LoadReport:
    """Fill a method; a released queue counts as full, which it is after the first epoch."""
    target = method.state_dict()
    codes = named.get("queue_swav")
    # Each released process had a part of SwAV's queue and the first one's was saved: then ours fills anew.
    if codes is not None and (codes[0] not in target or target[codes[0]].shape != codes[1].shape):
        del named["queue_swav"]
    report = _fill(method, named, file, optional=_OWN_STATE)
    if "queue_x" in report.used:
        target["queue.filled"].fill_(len(target["queue.keys"]))
    if "queue_swav" in report.used and target["code_queue.keys"].any(dim=1).all():
        target["code_queue.filled"].fill_(len(target["code_queue.keys"]))
    return report


def _fill(
    module: nn.Module, named: Mapping[str, tuple[str, Tensor]], file: WeightsFile, optional: Iterable[str]
) -> LoadReport:
    """Copy tensors into ``module``, all of it or none.

    Args:
        named: name in the file to (name in the module, tensor).
        optional: names of the module that may stay as they are.
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
            f"{', '.join(needed[:3])}; {file.describe()}, which must be the one to load into"
        )
    for name, ours in used.items():
        if named[name][1].shape != target[ours].shape:
            raise WeightsError(
                f"{file.name}: {name} is {list(named[name][1].shape)} where {ours} is {list(target[ours].shape)}; "
                f"{file.describe()}, which must be the one to load into"
            )
    for name, ours in used.items():
        target[ours].copy_(named[name][1])
    return LoadReport(used, tuple(name for name in file.state if name not in used), tuple(missing))


def _renamed(file: WeightsFile, arch: str) -> dict[str, tuple[str, Tensor]]:
    if arch not in BLOCKS:
        raise WeightsError(
            f"{file.name}: released names of MODEL.ARCH {arch} are not known, only of {', '.join(BLOCKS)}"
        )
    return to_ours(file.state, arch)


def _ours(file: WeightsFile) -> dict[str, tuple[str, Tensor]]:
    return {name: (name, value) for name, value in file.state.items()}


def _file(source: str | Path | Mapping[str, Tensor]) -> WeightsFile:
    if isinstance(source, Mapping):
        return WeightsFile("state dict", dict(source), None, ours=False)
    return read_weights(source)


def _cfg_or_raise(file: WeightsFile, cfg: CfgNode | None) -> CfgNode:
    if cfg is None and file.cfg is None:
        raise WeightsError(f"{file.name}: holds no configuration; pass cfg=, which says what to build")
    return file.cfg if cfg is None else cfg


def _groups(names: Iterable[str], limit: int = 8) -> list[str]:
    """Names by their first part with the number of each, such as ``backbone_hist (320)``."""
    counts: dict[str, int] = {}
    for name in names:
        first = name.split(".")[0]
        counts[first] = counts.get(first, 0) + 1
    groups = [f"{first} ({count})" for first, count in counts.items()]
    return groups[:limit] + (["..."] if len(groups) > limit else [])
