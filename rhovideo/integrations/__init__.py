"""Our parts in other packages' builders: PyTorchVideo's, and PySlowFast's if it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import logging

logger = logging.getLogger(__name__)


def register() -> list[str]:
    """Put our parts into PyTorchVideo's builders and, if it is importable, into PySlowFast's.

    Returns:
        The names of the packages that have them now. If PySlowFast is installed and cannot be imported, the log has the
        reason.
    """
    from rhovideo.integrations import pytorchvideo

    pytorchvideo.register()
    found = importlib.util.find_spec("slowfast")
    # Without origin it is any folder of that name, such as a clone of PySlowFast.
    if found is None or found.origin is None:
        return ["pytorchvideo"]
    try:
        importlib.import_module("rhovideo.integrations.slowfast").register()
    except ImportError as error:
        logger.warning("%s", error)
        return ["pytorchvideo"]
    return ["pytorchvideo", "slowfast"]
