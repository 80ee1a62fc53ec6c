"""The configuration: keys and defaults, reading YAML files, and checks. Imports no torch."""

from rhovideo.config.findings import ConfigError
from rhovideo.config.reading import cfg_from_released, load_cfg
from rhovideo.config.schema import get_cfg

__all__ = ["ConfigError", "cfg_from_released", "get_cfg", "load_cfg"]
