"""Environment variables that name folders for caches and temporary files, of torch, Triton, CUDA and others."""

from __future__ import annotations

import re

_NAMES = re.compile(r"\w*CACHE(DIR|_\w+)?|TMPDIR|HF_HOME|TORCH_HOME|MPLCONFIGDIR|XDG_RUNTIME_DIR")


def names_a_cache(variable: str) -> bool:
    """True if an environment variable of this name holds such a folder."""
    return _NAMES.fullmatch(variable) is not None
