"""The hash of a file's whole content. Imports nothing but the standard library."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path


def file_sha256(path: str | Path) -> str:
    """The SHA-256 of a file's whole content, in hexadecimal digits.

    Raises:
        OSError: it cannot be read, or is a pipe or a device: that would be waited for, or has no end.
    """
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "is a pipe or device, and no file", str(path))
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(2**22):
            digest.update(piece)
    return digest.hexdigest()
