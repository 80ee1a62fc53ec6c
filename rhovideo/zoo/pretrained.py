"""Weights into modules: pre-trained encoders, whole methods, classifiers, from released checkpoints and ours."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo.config.extension.registries import METHODS
from rhovideo.config.task_defaults import DETECTS
from rhovideo.errors import WeightsError
from rhovideo.models import Classifier, Detector, Encoder, build_backbone, build_classifier
from rhovideo.ssl.build import build_method
from rhovideo.zoo.files.architecture import ASK_FOR_CFG, architecture, describe_unknown
from rhovideo.zoo.files.checkpoint_files import OWN, WeightsFile, read_weights
from rhovideo.zoo.files.tensor_location import Located, check_which, classifier_head, find_any, find_known
from rhovideo.zoo.filling import LoadReport, describe_file, fill, is_without_numbers, other_input, other_network
from rhovideo.zoo.released_format.name_mapping import BLOCKS, head_to_ours, to_ours

logger = logging.getLogger(__name__)

# State that a released file lacks and that a fresh method sets itself.
_OWN_STATE = (
    *("momentum.share", "queue.filled"),
    *("code_queue.keys", "code_queue.pointer", "code_queue.filled"),
)
# The tensors of a released method without its queues and counters; PySlowFast does not use all of those.
_TRAINED = ("encoder.", "momentum_", "projection.", "predictor.", "prototypes.")
_QUEUES = ("queue.keys", "code_queue.keys")
# Names inside an encoder of PySlowFast, PyTorchVideo or Caffe2, also of parts that ours does not have.
_INSIDE_ENCODER = re.compile(r"(s[1-5](\.|_fuse)|blocks\.\d+\.|nonlocal_|(t_)?(res|conv)\d)")

Built = TypeVar("Built", bound=nn.Module)
Source = str | Path | Mapping[str, Tensor] | WeightsFile


def load_pretrained(source: Source, cfg: CfgNode | None = None, encoder: str = "online") -> Encoder:
    """The encoder of a checkpoint, in eval mode: clips [N, 3, T, H, W], normalised, to pooled features [N, C].

    The architecture is that of the file's own configuration. If the file holds none, it is read off the names and
    shapes of the tensors. The log, and the encoder's ``load_report``, have the tensors that were used, ignored and
    missing.

    Batch norms work on each process alone, even if those of the file's job were synchronised. So any number of
    processes can load the file, and also one process of several.

    An encoder that was trained with DATA.STANDARDISE_CLIPS standardises the clips that it is given.

    Args:
        source: a released pre-training checkpoint or classifier, a checkpoint of this package, or PyTorchVideo's
            ``model_state``: its path, URL or short name (``byol_slow_r50_8x8_rho4``), or a state dict.
        cfg: the configuration of the encoder, batch norms included, in the place of the file's; None: as above.
        encoder: "online", or "momentum" for the momentum encoder of MoCo and BYOL.

    Returns:
        The encoder; its ``dim`` is C.

    Raises:
        WeightsError: the file cannot be read, or it holds less than the whole encoder, or more.

    Example::

        encoder = rhovideo.load_pretrained("byol_slow_r50_8x8_rho4")
        features = encoder((clips - 0.45) / 0.225)
    """
    file = as_file(source)
    check_which(encoder)
    known = cfg or of_one_process(architecture(file, encoder))
    built = build_described(build_backbone, file, known)
    built.load_report = _load_encoder(built, file, cfg, encoder, known.MODEL.ARCH)  # type: ignore[assignment]
    standardise_as_trained(built, known)
    return built.eval()


def load_classifier(source: Source, cfg: CfgNode | None = None) -> Classifier:
    """A classifier with its head, in eval mode: clips [N, 3, T, H, W], normalised, to logits [N, K].

    Args:
        source: as for :func:`load_pretrained`.
        cfg: as for :func:`load_pretrained`.

    Returns:
        The classifier, with ``load_report``.

    Raises:
        WeightsError: the file cannot be read, or does not hold the whole classifier.
    """
    file = as_file(source)
    cfg = cfg or of_one_process(architecture(file))
    built = build_described(build_classifier, file, cfg)
    built.load_report = load_classifier_weights(built, file, cfg)  # type: ignore[assignment]
    standardise_as_trained(built, cfg)
    return built.eval()


def load_method(source: str | Path | WeightsFile, form: str = "released") -> nn.Module:
    """A whole pre-training method: encoder, heads, and its queue, momentum encoder or prototypes.

    It is built from the file's own configuration. Batch norms work on each process alone, as for
    :func:`load_pretrained`, and MoCo shuffles over all processes. The method's ``load_report`` has the tensors that
    were used, ignored and missing.

    Args:
        source: a released pre-training checkpoint, or one of this package: its path, URL or short name.
        form: the form of the loss, "released" or "paper".

    Returns:
        The method, in training mode; see :class:`rhovideo.ssl.interface.Method`.

    Raises:
        WeightsError: the file cannot be read, or does not hold a whole method.
    """
    file = as_file(source)
    cfg = of_one_process(_method_cfg(file))
    cfg.defrost()
    cfg.CONTRASTIVE.LOSS_FORM = form
    method = build_described(build_method, file, cfg)
    method.load_report = _fill_method(method, file)  # type: ignore[assignment]
    standardise_as_trained(method, cfg)
    return method


def load_method_weights(method: nn.Module, source: Source) -> LoadReport:
    """Put all of a pre-training checkpoint into a method that was built before.

    A queue of another length than the file's begins anew: the method fills it with keys of its own.

    Args:
        method: from :func:`rhovideo.ssl.build.build_method`.
        source: a released pre-training checkpoint, or one of this package.

    Returns:
        The tensors that were used, ignored and missing.

    Raises:
        WeightsError: the file cannot be read, or holds no method, or another one. Nothing is loaded then.
    """
    file = as_file(source)
    own, held = method.state_dict(), _method_tensors(file, _method_cfg(file))
    shapes = {ours: value.shape for ours, value in held.values()}
    anew = (*_OWN_STATE, *_of_queues_of_other_length(own, held))
    differ = [name for name in own if name not in anew and own[name].shape != shapes.get(name)]
    differ += [name for name in shapes if name not in own and (file.ours or name.startswith(_TRAINED))]
    if differ:
        raise WeightsError(
            f"{file.name}: holds another method or network than is configured, {min(differ)} differs: write the "
            "CONTRASTIVE, MODEL and RESNET keys of the file's configuration, or leave TRAIN.CHECKPOINT_FILE_PATH out"
        )
    return _fill_method(method, file)


def load_encoder_weights(encoder: Encoder, source: Source, cfg: CfgNode | None = None) -> LoadReport:
    """Put the weights of a checkpoint's encoder into ``encoder``, to start the linear protocol or fine-tuning.

    Args:
        encoder: from :func:`rhovideo.models.build_backbone`.
        source: as for :func:`load_pretrained`.
        cfg: TRAIN.CHECKPOINT_ENCODER picks the encoder. The prefixes in TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN are removed
            from the file's names first. None: the online encoder, and no prefix is removed.

    Returns:
        The tensors that were used, ignored and missing; the log has them too.

    Raises:
        WeightsError: the file cannot be read, or does not hold the whole encoder.
    """
    which = cfg.TRAIN.CHECKPOINT_ENCODER if cfg is not None else "online"
    check_which(which)
    file = as_file(source)
    known = cfg or file.cfg
    return _load_encoder(encoder, file, cfg, which, None if known is None else known.MODEL.ARCH)


def load_classifier_weights(classifier: Classifier | Detector, source: Source, cfg: CfgNode) -> LoadReport:
    """Put the weights of a checkpoint's classifier, encoder and head, into ``classifier``.

    Args:
        classifier: from :func:`rhovideo.models.build_classifier`, or a detector.
        source: a released classifier, or one of this package.
        cfg: its MODEL.ARCH is used.

    Returns:
        The tensors that were used, ignored and missing.

    Raises:
        WeightsError: the file cannot be read, or does not hold the whole classifier.
    """
    file = as_file(source)
    arch = cfg.MODEL.ARCH
    found = find_known(file.state, "online", arch, classifier.encoder.state_dict().keys())
    head = classifier_head(file, found, arch)
    if not head:
        raise WeightsError(
            f"{file.name}: holds no classifier, only an encoder; test a checkpoint of TASK "
            + ("detection" if cfg.TASK in DETECTS else "linear or finetune")
        )
    _check_nothing_left(file, found)
    named = {name: (f"encoder.{ours}", file.state[name]) for name, ours in found.names.items()} | head
    report = fill(classifier, named, file)
    logger.info("%s: %s", file.name, report)
    return report


def classes_of(file: WeightsFile, cfg: CfgNode) -> int:
    """The number of classes of a file's classifier; 0 if there is none.

    Args:
        file: a checkpoint.
        cfg: from :func:`rhovideo.zoo.files.architecture.architecture`.
    """
    head = classifier_head(file, find_any(file.state, "online"), cfg.MODEL.ARCH)
    return next((len(value) for ours, value in head.values() if ours == "head.projection.weight"), 0)


def build_described(builder: Callable[[CfgNode], Built], file: WeightsFile, cfg: CfgNode) -> Built:
    """Build the network that a file describes.

    Raises:
        WeightsError: its configuration cannot be built.
    """
    if any("patch_embed.proj." in name for name in file.state):  # PyTorchVideo's names, and so ours, have no such part
        raise WeightsError(f"{file.name}: {describe_unknown(file.state)}")
    try:
        return builder(cfg)
    except Exception as error:  # a file's configuration may hold any value
        raise WeightsError(f"{file.name}: its network cannot be built: {' '.join(str(error).split())}") from error


def _load_encoder(encoder: Encoder, file: WeightsFile, cfg: CfgNode | None, which: str, arch: str | None) -> LoadReport:
    """Fill an encoder; ``arch`` None: by the names of the architecture that fits it best."""
    patterns = tuple(cfg.TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN) if cfg is not None else ()
    found = find_known(file.state, which, arch, encoder.state_dict().keys(), patterns)
    if not found.names:
        if which == "momentum":
            why = ", the file holds only an online one"
        elif found.arch not in BLOCKS and not file.ours:
            why = f" with PyTorchVideo's names; PySlowFast's are converted for {', '.join(BLOCKS)} alone"
        else:
            why = f"; {describe_file(file)}"
        raise WeightsError(f"{file.name}: holds no {which} encoder of MODEL.ARCH {found.arch}{why}")
    named = {name: (ours, file.state[name]) for name, ours in found.names.items()}
    try:
        _check_nothing_left(file, found)
        report = fill(encoder, named, file)
    except WeightsError as error:
        other = other_network(file, cfg)
        if not other:
            raise
        raise WeightsError(f"{file.name}: holds another network than is configured: write {other}") from error
    logger.info("%s: %s encoder: %s", file.name, which, report)
    if other := other_input(file, cfg):
        logger.warning("%s: its encoder was trained on another input than is configured: write %s", file.name, other)
    return report


def _check_nothing_left(file: WeightsFile, found: Located) -> None:
    """Raise an error if a file's encoder has more than was built: more blocks, or parts that ours does not have."""
    if found.arch not in BLOCKS:
        return
    left = [
        name
        for name, inner in found.inside(file.state)
        if name not in found.names and _INSIDE_ENCODER.match(inner) and head_to_ours(inner, found.arch) is None
    ]
    if left:
        raise WeightsError(
            f"{file.name}: {len(left)} tensors of its encoder have no place in MODEL.ARCH {found.arch} as it was "
            f"built, such as {', '.join(left[:3])}; {describe_file(file)}"
            + ("" if file.cfg is not None else f"; {ASK_FOR_CFG}")
        )


def standardise_as_trained(module: nn.Module, cfg: CfgNode) -> None:
    """Let the encoders in ``module`` see their clips as in training, whatever clips they are given.

    Args:
        module: changed in place.
        cfg: of its training (DATA.STANDARDISE_CLIPS).
    """
    for part in module.modules():
        if isinstance(part, Encoder):
            part.standardises = bool(cfg.DATA.STANDARDISE_CLIPS)


def of_one_process(cfg: CfgNode) -> CfgNode:
    """The configuration with batch norms that need no groups of processes; the state has the same names.

    The groups in a file's configuration are those of the job that wrote it. Another number of processes may not be
    divisible into them, and a process that loads alone would wait for the others for ever.
    """
    cfg = cfg.clone()
    cfg.defrost()
    cfg.BN.NORM_TYPE, cfg.BN.NUM_SYNC_DEVICES, cfg.BN.GLOBAL_SYNC = "batchnorm", 1, False
    cfg.CONTRASTIVE.LOCAL_SHUFFLE_BN = False
    cfg.freeze()
    return cfg


def _method_cfg(file: WeightsFile) -> CfgNode:
    if file.cfg is None:
        raise WeightsError(f"{file.name}: holds no configuration, which a method is built from; use load_pretrained")
    if file.cfg.TASK != "pretrain" or file.cfg.CONTRASTIVE.TYPE not in METHODS:
        raise WeightsError(
            f"{file.name}: holds no pre-training method of {', '.join(METHODS)}; load its encoder with load_pretrained"
            + (
                f". For its method, {file.cfg.CONTRASTIVE.TYPE}, import the module that registers it first"
                if file.cfg.TASK == "pretrain"
                else ""
            )
        )
    return file.cfg


def _method_tensors(file: WeightsFile, cfg: CfgNode) -> dict[str, tuple[str, Tensor]]:
    """A method's tensors: name in the file to (our name, our tensor)."""
    arch = cfg.MODEL.ARCH
    if file.ours:
        return {name: (name, value) for name, value in file.state.items()}
    if arch not in BLOCKS:
        raise WeightsError(
            f"{file.name}: released names of MODEL.ARCH {arch} are not known, only of {', '.join(BLOCKS)}"
        )
    try:
        return to_ours(file.state, arch)
    except ValueError as error:
        raise WeightsError(f"{file.name}: {error}; it was not written by PySlowFast or by an export") from error


def _fill_method(method: nn.Module, file: WeightsFile) -> LoadReport:
    """Fill a method. A released queue is taken to be full, since it is after the first epoch."""
    target, named = method.state_dict(), _method_tensors(file, _method_cfg(file))
    anew = _of_queues_of_other_length(target, named)
    named = {name: tensor for name, tensor in named.items() if tensor[0] not in anew}
    if file.ours:
        report = fill(method, named, file, optional=anew)
        logger.info("%s: %s", file.name, report)
        return report
    codes = named.get("queue_swav")
    # In the released code each process has a part of SwAV's queue, and the first one's is saved. Then ours starts
    # empty.
    if codes is not None and (codes[0] not in target or target[codes[0]].shape != codes[1].shape):
        del named["queue_swav"]
    report = fill(method, named, file, optional=(*_OWN_STATE, *anew))
    if is_without_numbers(method):
        return report
    if "queue_x" in report.used:
        _mark_as_full(method, "queue", target["queue.keys"])
    if "queue_swav" in report.used and target["code_queue.keys"].any(dim=1).all():
        _mark_as_full(method, "code_queue", target["code_queue.keys"])
    _restore_own_state(method, file, anew)
    logger.info("%s: %s", file.name, report)
    return report


def _of_queues_of_other_length(own: Mapping[str, Tensor], held: Mapping[str, tuple[str, Tensor]]) -> set[str]:
    """The tensors of a method's queues that differ from the file's in their number of keys alone."""
    shapes = {ours: value.shape for ours, value in held.values()}
    both = [(name, own[name].shape, shapes[name]) for name in _QUEUES if name in own and name in shapes]
    other = [
        name.removesuffix("keys") for name, ours, theirs in both if ours[0] != theirs[0] and ours[1:] == theirs[1:]
    ]
    return {name for name in own if name.startswith(tuple(other))}


def _mark_as_full(method: nn.Module, queue: str, keys: Tensor) -> None:
    """Set the number of rows of a queue that are filled to all."""
    method.load_state_dict({f"{queue}.filled": torch.tensor(len(keys))}, strict=False)


def _restore_own_state(method: nn.Module, file: WeightsFile, anew: Collection[str]) -> None:
    """Restore the tensors that an export of this package keeps in addition to those with released names.

    Args:
        method: to fill.
        file: the export.
        anew: names that stay as they are.
    """
    target, state = method.state_dict(), file.content.get(OWN, {}).get("state", {})
    fitting = {
        name: value
        for name, value in state.items()
        if name in target and name not in anew and isinstance(value, Tensor) and value.shape == target[name].shape
    }
    method.load_state_dict(fitting, strict=False)


def as_file(source: Source) -> WeightsFile:
    """The checkpoint that a source names, read if it is not yet."""
    if isinstance(source, WeightsFile):
        return source
    if isinstance(source, Mapping):
        return WeightsFile("state dict", dict(source), None, ours=False)
    return read_weights(source)


__all__ = [
    "LoadReport",
    "load_classifier",
    "load_classifier_weights",
    "load_encoder_weights",
    "load_method",
    "load_method_weights",
    "load_pretrained",
]
