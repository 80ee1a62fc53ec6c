"""Unsupervised spatiotemporal representation learning: rho clips of one video are positives of each other.

The public face. Names are loaded when they are first used, so that checking a configuration does not wait for torch.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rhovideo.config import ConfigError, get_cfg, load_cfg
    from rhovideo.integrations import register
    from rhovideo.models import build_backbone, build_classifier, create_backbone
    from rhovideo.ssl.build import build_method
    from rhovideo.zoo import export, load_classifier, load_method, load_pretrained

__version__ = "0.1.0"

# fvcore scripts a function when it is imported, in every process anew, which torch warns of: no user can help.
warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.* is deprecated", category=FutureWarning)

_HOME = {
    "ConfigError": "rhovideo.config",
    "get_cfg": "rhovideo.config",
    "load_cfg": "rhovideo.config",
    "build_backbone": "rhovideo.models",
    "build_classifier": "rhovideo.models",
    "build_method": "rhovideo.ssl.build",
    "create_backbone": "rhovideo.models",
    "export": "rhovideo.zoo",
    "load_classifier": "rhovideo.zoo",
    "load_method": "rhovideo.zoo",
    "load_pretrained": "rhovideo.zoo",
    "register": "rhovideo.integrations",
}

__all__ = [
    "ConfigError",
    "build_backbone",
    "build_classifier",
    "build_method",
    "create_backbone",
    "export",
    "get_cfg",
    "load_cfg",
    "load_classifier",
    "load_method",
    "load_pretrained",
    "register",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'rhovideo' has no attribute {name!r}")
