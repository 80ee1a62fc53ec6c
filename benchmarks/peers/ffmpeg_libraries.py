"""torchcodec brings no FFmpeg: where the machine has none, it is given the one in PyAV's wheel, the same as ours.

Both then decode with the same libraries, so what differs is what is done around them. As a program it prints the folder
for LD_LIBRARY_PATH, which the tests of the torchcodec backend are run with.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import re
import sys
from pathlib import Path

from benchmarks.inputs import cache_folder

_MARK = "RHOVIDEO_BENCH_FFMPEG"
_WANTED = ("avutil", "avcodec", "avformat", "avfilter", "avdevice", "swscale", "swresample")


def provide_ffmpeg() -> None:
    """Start this program again with PyAV's FFmpeg in reach of torchcodec, where it is needed and was not done yet."""
    if _MARK in os.environ or importlib.util.find_spec("torchcodec") is None or ctypes.util.find_library("avcodec"):
        return
    folder = folder_of_names()
    if folder is None:
        return
    paths = [str(folder), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    environment = {**os.environ, _MARK: "1", "LD_LIBRARY_PATH": os.pathsep.join(paths)}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def folder_of_names() -> Path | None:
    """A folder in which the wheel's libraries have the names that torchcodec looks for; None if it has none.

    Links that are right are left alone, for another program may be loading through them.
    """
    import av

    libraries = Path(av.__file__).parent.parent / "av.libs"
    folder = cache_folder() / "ffmpeg"
    folder.mkdir(exist_ok=True)
    found = False
    for library in libraries.glob("lib*.so.*"):
        # libavcodec-5e6b81c2.so.62.28.102 is libavcodec.so.62
        match = re.fullmatch(r"lib(\w+)-[0-9a-f]+\.so\.(\d+)[.\d]*", library.name)
        if match and match[1] in _WANTED:
            found = True
            name = folder / f"lib{match[1]}.so.{match[2]}"
            if not (name.is_symlink() and name.readlink() == library):
                new = folder / f".{name.name}.{os.getpid()}"
                new.unlink(missing_ok=True)
                new.symlink_to(library)
                new.replace(name)
    return folder if found else None


if __name__ == "__main__":
    print(folder_of_names() or "")
