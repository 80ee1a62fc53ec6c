"""Getting a network ready for a job: its device and precision, the layout of its weights, and compiling."""

from __future__ import annotations

import os
import shutil
import socket

import torch
from fvcore.common.config import CfgNode
from torch import nn

from rhovideo.engine.device_inputs import DTYPES
from rhovideo.errors import JobError
from rhovideo.models.encoder import Encoder


def place(model: nn.Module, cfg: CfgNode, device: torch.device) -> None:
    """Move ``model`` to the device, in place, as TRAIN.DTYPE, MODEL.CHANNELS_LAST and MODEL.COMPILE say.

    MODEL.CHANNELS_LAST and MODEL.COMPILE change neither names nor values in its state, so a resumed run may change
    them.

    Args:
        model: with its weights loaded.
        cfg: the job's.
        device: from :func:`rhovideo.engine.device_inputs.job_device`.

    Raises:
        JobError: MODEL.COMPILE is True, and this machine has no compiler.
    """
    model.to(device, DTYPES[cfg.TRAIN.DTYPE])
    if cfg.MODEL.CHANNELS_LAST:
        for parameter in model.parameters():
            # The weights of 3-D convolutions; no other layer has as many dimensions.
            if parameter.ndim == 5:
                parameter.data = parameter.data.to(memory_format=torch.channels_last_3d)
    if cfg.MODEL.COMPILE:
        _check_compiler(device)
        _compile_encoders(model)


def _check_compiler(device: torch.device) -> None:
    """Raise an error before the first step; torch's own would come out of the middle of its code."""
    # Where torch's C++ backend and Triton look for a compiler.
    variable, usual = ("CXX", ["g++"]) if device.type == "cpu" else ("CC", ["gcc", "clang"])
    wanted = [os.environ[variable]] if os.environ.get(variable) else usual
    if not any(shutil.which(name.split()[0]) for name in wanted):
        raise JobError(
            f"MODEL.COMPILE is True, and {socket.gethostname()} has no {' or '.join(wanted)}: install a compiler, put "
            f"the name of one into the environment variable {variable}, or set MODEL.COMPILE False"
        )


def _compile_encoders(model: nn.Module) -> None:
    for name, part in model.named_children():
        if isinstance(part, Encoder) or name in ("encoder", "momentum_encoder"):
            for module in part.modules():
                if isinstance(module, nn.Conv3d):
                    # In PyTorchVideo's shortcuts these are numpy's numbers. With them torch would compile each block
                    # separately, and only the first eight blocks.
                    module.stride = tuple(map(int, module.stride))
            part.compile()
