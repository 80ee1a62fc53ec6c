"""The configuration: keys and defaults, reading YAML files, checks, and what may be added to it. Imports no torch."""

from rhovideo.config.extension.registries import (
    register_backbone,
    register_dataset,
    register_logger,
    register_method,
)
from rhovideo.config.files.reading import cfg_from_released, load_cfg
from rhovideo.config.findings import ConfigError
from rhovideo.config.schema import get_cfg, register_key

__all__ = [
    "ConfigError",
    "cfg_from_released",
    "get_cfg",
    "load_cfg",
    "register_backbone",
    "register_dataset",
    "register_key",
    "register_logger",
    "register_method",
]
