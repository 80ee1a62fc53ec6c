"""Our parts inside other people's builders: PyTorchVideo's, and PySlowFast's where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
import logging

logger = logging.getLogger(__name__)


def register() -> list[str]:
    """Put our parts into PyTorchVideo's builders and, if it is importable, into PySlowFast's.

    Returns:
        The names of the packages that have them now. A PySlowFast that is there but cannot be imported is told of in
        the log, with what it lacks.
    """
    from rhovideo.integrations import pytorchvideo

    pytorchvideo.register()
    found = importlib.util.find_spec("slowfast")
    if found is None or found.origin is None:  # without origin: any folder of that name, such as the clone itself
        return ["pytorchvideo"]
    try:
        importlib.import_module("rhovideo.integrations.slowfast").register()
    except ImportError as error:
        logger.warning("%s", error)
        return ["pytorchvideo"]
    return ["pytorchvideo", "slowfast"]
