"""The size of a job's encoder and heads, for a line of the log and for ``model_size.json`` in the run folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode
from torch import nn

from rhovideo import distributed
from rhovideo.atomic_files import write_text
from rhovideo.config.keys import leaves
from rhovideo.models.network_size import ModelInfo, encoder_name, head_info, model_info
from rhovideo.runs.folder import SIZE_FILE

logger = logging.getLogger(__name__)

# The sections that shape an encoder, beside MODEL.ARCH.
_SHAPING = ("RESNET", "SLOWFAST", "X3D", "MVIT")
# Counting takes as long as a tiny job, and jobs of one process have few encoders.
_known: dict[Hashable, ModelInfo] = {}


def note_sizes(cfg: CfgNode, encoder: nn.Module, heads: Mapping[str, nn.Module]) -> None:
    """Log the sizes of a network, and write them into the run folder, unless LOG_MODEL_INFO is off.

    Args:
        cfg: of the job.
        encoder: takes clips [N, 3, T, H, W].
        heads: by name; each takes embeddings [N, D].
    """
    if not cfg.LOG_MODEL_INFO:
        return
    size = _encoder_size(cfg, encoder)
    sizes = {name: head_info(head) for name, head in heads.items()}
    of_method = f"{cfg.CONTRASTIVE.TYPE}: " if cfg.TASK == "pretrain" else ""
    parts = "; ".join([str(size), *(f"{name} {each}" for name, each in sizes.items())])
    logger.info("%s%s: %s", of_method, encoder_name(cfg), parts)
    # A network that is built without a run has no folder.
    if distributed.is_main() and Path(cfg.OUTPUT_DIR).is_dir():
        content: dict[str, Any] = {"encoder": size._asdict()}
        content["heads"] = {name: each._asdict() for name, each in sizes.items()}
        write_text(Path(cfg.OUTPUT_DIR) / SIZE_FILE, json.dumps(content) + "\n")


def _encoder_size(cfg: CfgNode, encoder: nn.Module) -> ModelInfo:
    frames, crop = cfg.DATA.NUM_FRAMES, cfg.DATA.TRAIN_CROP_SIZE
    shape = tuple((key, repr(value)) for section in _SHAPING for key, value in leaves(cfg[section]))
    parameters = sum(each.numel() for each in encoder.parameters())
    known = cfg.MODEL.ARCH, shape, frames, crop, parameters
    if known not in _known:
        _known[known] = model_info(encoder, frames, crop)
    return _known[known]
