"""Errors that carry more than their text."""

from __future__ import annotations

import errno
import os
import pickle
import resource
import subprocess
import sys

import pytest

from rhovideo.data.lists.csv_parsing import ManifestError
from rhovideo.errors import JobError, SettingError, WriteError, as_foreseen


@pytest.mark.parametrize(
    ("error", "keys"),
    [
        (JobError("no list"), ()),
        (JobError("no list", keys=("OUTPUT_DIR",)), ("OUTPUT_DIR",)),
        (ManifestError("no list", keys=("DATA.PATH_LABEL_SEPARATOR",)), ("DATA.PATH_LABEL_SEPARATOR",)),
        (SettingError("no list", "DATA.NUM_FRAMES", "MVIT.PATCH_STRIDE"), ("DATA.NUM_FRAMES", "MVIT.PATCH_STRIDE")),
    ],
)
def test_keys_of_an_error_arrive_from_another_process(error, keys):
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived), arrived.keys) == (type(error), "no list", keys)


def test_too_many_open_files_are_told_with_the_limit_and_what_to_do():
    error = OSError(errno.EMFILE, "Too many open files")
    said = str(as_foreseen(error))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert said.startswith(f"too many open files (limit {limit}): ")
    assert said.endswith("set DATA_LOADER.NUM_WORKERS lower")
    wrapped = RuntimeError("the workers cannot be started")
    wrapped.__cause__ = error
    assert str(as_foreseen(wrapped)) == said
    assert as_foreseen(RuntimeError("something else")) is None
    assert isinstance(as_foreseen(OSError(errno.ENOSPC, "full", "a.csv")), WriteError)
    assert as_foreseen(told := JobError("told")) is told


def test_a_cache_folder_that_cannot_be_used_is_named_with_its_variable(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/proc/nothing")
    with pytest.raises(OSError, match="nothing") as caught:
        os.makedirs("/proc/nothing/fxgraph")
    said = str(as_foreseen(caught.value))
    assert said.startswith("TORCHINDUCTOR_CACHE_DIR is /proc/nothing, which cannot be used (No such file or directory)")
    assert said.endswith("name another folder, or unset it")
    assert as_foreseen(FileNotFoundError(errno.ENOENT, "No such file or directory", "/proc/nothings")) is None


@pytest.mark.parametrize("raised", ["os.open(os.devnull, os.O_RDONLY)", "raise RuntimeError('received 0 items')"])
def test_a_process_without_files_to_open_ends_in_words(raised):
    code = f"""
import os, resource
from rhovideo.cli import command_line
_, highest = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, highest))
def run(*_):
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    command_line.held = held
    {raised}
command_line._run_command = run
raise SystemExit(command_line.run_command_line(["status"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 1
    assert "too many open files (limit 64): run `ulimit -n " in done.stderr
    assert "or set DATA_LOADER.NUM_WORKERS lower" in done.stderr
    assert "Traceback" not in done.stderr
