"""Writing a checkpoint in the released format, which PySlowFast loads and this package too."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from fvcore.common.config import CfgNode
from torch import Tensor, nn

from rhovideo.atomic_files import try_to_write, writing, written_whole
from rhovideo.config.extension.registries import METHODS
from rhovideo.errors import WeightsError, WriteError
from rhovideo.zoo.files.architecture import architecture, describe_architecture
from rhovideo.zoo.files.checkpoint_files import OWN, WeightsFile, class_names_in, read_weights
from rhovideo.zoo.pretrained import classes_of, load_classifier, load_method, load_pretrained
from rhovideo.zoo.released_format.name_mapping import BLOCKS, to_ours, to_released
from rhovideo.zoo.released_format.released_cfg import released_cfg, what_is_lost
from rhovideo.zoo.released_format.released_optimizer import released_optimizer

logger = logging.getLogger(__name__)

# PySlowFast's order of the trained parts: its head holds the predictor before the projection.
_ORDER = ("encoder.", "predictor.", "projection.", "prototypes.", "head.")
# The first loss scale of mixed precision, for a training in bfloat16, which has none.
_FRESH_SCALER = {
    "scale": 65536.0,
    "growth_factor": 2.0,
    "backoff_factor": 0.5,
    "growth_interval": 2000,
    "_growth_tracker": 0,
}


@dataclass(frozen=True)
class Exported:
    """A description of an exported file.

    Attributes:
        path: the file.
        kind: CONTRASTIVE.TYPE of a method, "classifier" or "encoder".
        architecture: MODEL.ARCH and the keys that belong to it.
        tensors: their number.
        resumable: whether the file holds the optimizer's state too.
        remarks: hints for PySlowFast, and what it will do differently.
    """

    path: Path
    kind: str
    architecture: str
    tensors: int
    resumable: bool
    remarks: tuple[str, ...]

    def __str__(self) -> str:
        optimizer = "with" if self.resumable else "without"
        text = f"{self.path}: {self.kind}, {self.architecture}, {self.tensors} tensors, {optimizer} optimizer state"
        return "\n".join([text, *self.remarks])


def export(source: str | Path, out: str | Path, encoder: str | None = None) -> Exported:
    """Write a checkpoint in the released format: ``epoch``, ``model_state``, ``optimizer_state``, ``cfg``.

    Nothing of a checkpoint of this package is lost: :func:`rhovideo.load_method` and :func:`rhovideo.load_classifier`
    read the same weights from the new file as from the old one. PyTorchVideo's and Caffe2's checkpoints are converted.

    Args:
        source: path, URL or short name of a checkpoint.
        out: the file to write, ``NAME.pyth``; its folder is made.
        encoder: "online" or "momentum": write that encoder alone, without prefix, as a classifier without its head.

    Returns:
        A description of the new file.

    Raises:
        WeightsError: the checkpoint cannot be read, is in that format already, or its architecture is not known there.
    """
    file, out = read_weights(source), Path(out).expanduser()
    if out.is_dir() or (out.exists() and out.samefile(file.name)):
        raise WeightsError(f"{out}: write the name of another file to export to, such as {Path(file.name).stem}.pyth")
    if encoder is None and not file.ours and file.cfg is not None and _is_released(file.state):
        raise WeightsError(f"{file.name}: is in the released format already; --encoder online writes its encoder alone")
    cfg = architecture(file, encoder or "online")
    if cfg.MODEL.ARCH not in BLOCKS:
        raise WeightsError(
            f"{file.name}: holds a network of MODEL.ARCH {cfg.MODEL.ARCH}, and only {', '.join(BLOCKS)} have names in "
            "the released format"
        )
    if encoder is None and file.ours and cfg.TASK == "pretrain" and not METHODS.is_builtin(cfg.CONTRASTIVE.TYPE):
        raise WeightsError(
            f"{file.name}: holds the method {cfg.CONTRASTIVE.TYPE}, which PySlowFast does not have; --encoder online "
            "writes its encoder alone"
        )
    content, kind = _content(file, cfg, encoder)
    try:
        with writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(out) as stream:
            _save(content, stream)
    except WriteError as error:
        raise WeightsError(str(error)) from error
    resumable = "optimizer_state" in content
    remarks = tuple(_remarks(file, cfg, kind, resumable))
    return Exported(out, kind, describe_architecture(cfg), len(content["model_state"]), resumable, remarks)


def _save(content: object, stream: BinaryIO) -> None:
    try:
        torch.save(content, stream)
    except RuntimeError as error:
        # torch hides the system's error of a full disk, which comes again now.
        try_to_write(stream.name)
        raise OSError(f"torch could not write it, and there is space now: {error}") from error


def _content(file: WeightsFile, cfg: CfgNode, encoder: str | None) -> tuple[dict[str, Any], str]:
    module: nn.Module
    if encoder is not None:
        module, kind = load_pretrained(file, encoder=encoder), "encoder"
    elif file.ours and cfg.TASK == "pretrain":
        module, kind = load_method(file, form=cfg.CONTRASTIVE.LOSS_FORM), cfg.CONTRASTIVE.TYPE
    elif classes_of(file, cfg):
        module, kind = load_classifier(file), "classifier"
    else:
        module, kind = load_pretrained(file), "encoder"
    state = module.state_dict()
    if kind == "encoder":
        state = {f"encoder.{name}": value for name, value in state.items()}
    ordered = {name: state[name] for name in _in_released_order(state)}
    released = to_released(ordered, cfg.MODEL.ARCH)
    content: dict[str, Any] = {"model_state": released | _unread(released)}
    content["cfg"] = released_cfg(cfg, method=kind not in ("classifier", "encoder"))
    named = {ours for ours, _ in to_ours(released, cfg.MODEL.ARCH).values()}
    content[OWN] = {"cfg": cfg.dump(), "state": {name: state[name] for name in state.keys() - named}}
    if kind == "classifier" and (names := class_names_in(file)):
        # PySlowFast takes the keys that it knows.
        content["class_names"] = names
    if kind != "encoder" and file.ours:
        content |= _training_state(file, cfg, module, ordered)
    return content, kind


def _in_released_order(names: Iterable[str]) -> list[str]:
    """Names in the order of PySlowFast's network; tensors that it does not train come last."""

    def place(name: str) -> int:
        return next((number for number, prefix in enumerate(_ORDER) if name.startswith(prefix)), len(_ORDER))

    return sorted(names, key=place)


def _unread(released: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The momentum encoder's predictor, which PySlowFast builds and never uses."""
    head = "backbone.head.predictors."
    return {
        name.replace("backbone.", "backbone_hist.", 1): value.clone()
        for name, value in released.items()
        if name.startswith(head)
    }


def _training_state(file: WeightsFile, cfg: CfgNode, module: nn.Module, ordered: Iterable[str]) -> dict[str, Any]:
    """Epoch, optimizer and loss scale. Without an optimizer there is no epoch: PySlowFast expects both or neither."""
    parameters = dict(module.named_parameters())
    order = [name for name in ordered if name in parameters and name.startswith(_ORDER)]
    optimizer = released_optimizer(file.content.get("optimizer_state", {}), cfg, module, order)
    if optimizer is None:
        return {}
    training = {"epoch": file.content.get("epoch", 0) - 1, "optimizer_state": optimizer}
    if cfg.TRAIN.MIXED_PRECISION:
        training["scaler_state"] = file.content.get("scaler_state") or dict(_FRESH_SCALER)
    return training


def _is_released(names: Iterable[str]) -> bool:
    return any("pathway0_stem." in name for name in names)


def _remarks(file: WeightsFile, cfg: CfgNode, kind: str, resumable: bool) -> Iterable[str]:
    method = kind not in ("classifier", "encoder")
    if method:
        yield "To start from its encoder in PySlowFast: TRAIN.CHECKPOINT_CLEAR_NAME_PATTERN '(\"backbone.\",)'"
    if kind == "swav" and cfg.CONTRASTIVE.SWAV_NUM_PROTOTYPES != 1000:
        yield f"PySlowFast has 1000 prototypes: it leaves these {cfg.CONTRASTIVE.SWAV_NUM_PROTOTYPES} out"
    if cfg.RESNET.DEPTH == 18 and cfg.RESNET.BASIC_EXPANSION != 4:
        yield "PySlowFast's R-18 is four times as wide (RESNET.BASIC_EXPANSION 4): it cannot load this one"
    if file.ours and kind != "encoder":
        yield from what_is_lost(cfg, method)
    if resumable and file.content.get("step"):
        epoch, step = file.content.get("epoch", 0), file.content["step"]
        yield f"It is of step {step} of epoch {epoch + 1}: PySlowFast, whose files end with an epoch, begins it again"
    if resumable:
        yield "To start at epoch 0 there: TRAIN.CHECKPOINT_EPOCH_RESET True; else its training goes on with this one's"
