"""The size of a job's encoder and heads, for a line of the log and for ``model_size.json`` in the run folder."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode
from torch import nn

from rhovideo import distributed
from rhovideo.atomic_files import write_text
from rhovideo.models.network_size import encoder_name, encoder_size, head_info
from rhovideo.runs.folder import SIZE_FILE

logger = logging.getLogger(__name__)


def note_sizes(cfg: CfgNode, heads: Mapping[str, nn.Module]) -> None:
    """Log the sizes of a network, and write them into the run folder, unless LOG_MODEL_INFO is off.

    Args:
        cfg: of the job.
        heads: by name; each takes embeddings [N, D].
    """
    if not cfg.LOG_MODEL_INFO:
        return
    size = encoder_size(cfg, cfg.DATA.TRAIN_CROP_SIZE)
    sizes = {name: head_info(head) for name, head in heads.items()}
    of_method = f"{cfg.CONTRASTIVE.TYPE}: " if cfg.TASK == "pretrain" else ""
    parts = "; ".join([str(size), *(f"{name} {each}" for name, each in sizes.items())])
    logger.info("%s%s: %s", of_method, encoder_name(cfg), parts)
    # A network that is built without a run has no folder.
    if distributed.is_main() and Path(cfg.OUTPUT_DIR).is_dir():
        content: dict[str, Any] = {"encoder": size._asdict()}
        content["heads"] = {name: each._asdict() for name, each in sizes.items()}
        write_text(Path(cfg.OUTPUT_DIR) / SIZE_FILE, json.dumps(content) + "\n")
