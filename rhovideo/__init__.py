"""Self-supervised learning of video encoders: ρ clips of one video are positives of each other.

These are the public names. Each is imported when it is first used, so checking a configuration does not wait for torch.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

from rhovideo.lazy_names import lazy_names

if TYPE_CHECKING:
    from rhovideo import metrics as metrics
    from rhovideo.config import (
        ConfigError,
        get_cfg,
        load_cfg,
        register_backbone,
        register_dataset,
        register_key,
        register_logger,
        register_method,
    )
    from rhovideo.data import build_loader
    from rhovideo.integrations import register
    from rhovideo.models import build_backbone, build_classifier, build_detector, create_backbone
    from rhovideo.ssl import build_method
    from rhovideo.zoo import export, load_classifier, load_detector, load_method, load_pretrained

__version__ = "0.1.0"

if sys.platform == "win32":
    # File locks, signals and the processes that decode are POSIX's.
    raise ImportError("rhovideo runs on Linux and macOS; on Windows install it in WSL")

# fvcore scripts a function when it is imported, in each new process. torch warns of that, and no user can change it.
warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.* is deprecated", category=FutureWarning)

__all__ = [
    "ConfigError",
    "build_backbone",
    "build_classifier",
    "build_detector",
    "build_loader",
    "build_method",
    "create_backbone",
    "export",
    "get_cfg",
    "load_cfg",
    "load_classifier",
    "load_detector",
    "load_method",
    "load_pretrained",
    "register",
    "register_backbone",
    "register_dataset",
    "register_key",
    "register_logger",
    "register_method",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ConfigError": "rhovideo.config",
        "build_backbone": "rhovideo.models",
        "build_classifier": "rhovideo.models",
        "build_detector": "rhovideo.models",
        "build_loader": "rhovideo.data",
        "build_method": "rhovideo.ssl",
        "create_backbone": "rhovideo.models",
        "export": "rhovideo.zoo",
        "get_cfg": "rhovideo.config",
        "load_cfg": "rhovideo.config",
        "load_classifier": "rhovideo.zoo",
        "load_detector": "rhovideo.zoo",
        "load_method": "rhovideo.zoo",
        "load_pretrained": "rhovideo.zoo",
        "metrics": "rhovideo.metrics",
        "register": "rhovideo.integrations",
        "register_backbone": "rhovideo.config",
        "register_dataset": "rhovideo.config",
        "register_key": "rhovideo.config",
        "register_logger": "rhovideo.config",
        "register_method": "rhovideo.config",
    },
)
