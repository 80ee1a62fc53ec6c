"""A program on a disk that is soon full: a real file system of some megabytes, in a mount namespace of the program."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.configured_runs import ROOT


@functools.cache
def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/tmp"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def run_on_small_disk(
    disk: Path, megabytes: int, command: Sequence[object], *, keep: Path | None = None, read_only: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a Python program with a small file system mounted on ``disk``; skips where no program may mount one.

    Args:
        disk: an empty folder.
        megabytes: of the file system.
        command: arguments of Python.
        keep: a folder that the disk's files are copied to at the end.
        read_only: nothing can be written to it.
    """
    if not _can_mount():
        pytest.skip("no file system can be mounted here without root")
    disk.mkdir(exist_ok=True)
    words = shlex.join(str(word) for word in [sys.executable, *command])
    lines = [
        f"mount -t tmpfs -o size={megabytes}m{',ro' if read_only else ''} tmpfs {shlex.quote(str(disk))} || exit 99",
        f"{words}; code=$?",
        f"cp -r {shlex.quote(str(disk))} {shlex.quote(str(keep))}" if keep else ":",
        "exit $code",
    ]
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", "\n".join(lines)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=200,
    )
