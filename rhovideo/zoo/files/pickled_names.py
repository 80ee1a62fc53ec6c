"""Names of classes and functions in a pickle, found without building anything from it.

torch refuses a checkpoint that names others than its own and those that it was told of, by an error of the same class
as for a damaged file. By the names a person learns which of the two it is, and what is refused.
"""

from __future__ import annotations

import _compat_pickle
import contextlib
import pickle
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import _weights_only_unpickler

from rhovideo.zoo.files.harmless_types import HARMLESS

# torch's format of before 2020 is several pickles one after the other, then the tensors' bytes.
_MOST_PICKLES = 5
_OLD_FORMAT = pickle.dumps(torch.serialization.MAGIC_NUMBER, 2)
# A pickle of names and shapes is far smaller; what comes after it are the tensors.
_MOST_BYTES = 2**26
# Errors of whatever is no pickle.
_UNREADABLE = (OSError, ValueError, LookupError, zipfile.BadZipFile)


def refused_names(path: Path) -> list[str]:
    """The classes and functions that a file's pickle names and that are no part of a checkpoint, each once.

    Args:
        path: a file of ``torch.save`` or of ``pickle.dump``; of any other file the list is empty.
    """
    # torch has no public list of what it lets a pickle name.
    harmless = {*HARMLESS, *_weights_only_unpickler._get_allowed_globals()}
    found: dict[str, None] = {}
    with contextlib.suppress(*_UNREADABLE):
        for name in _full_names(_pickle_of(path)):
            found[name] = None
    return [name for name in found if name not in harmless]


def is_whole_pickle(path: Path, start: bytes) -> bool:
    """True if a file is a pickle from its beginning to its end, but not one that torch reads.

    Args:
        path: of the file.
        start: its first bytes.
    """
    try:
        data = _pickle_of(path)
        of_torch = data[1:2] == b"\2" if zipfile.is_zipfile(path) else start.startswith(_OLD_FORMAT)
        if of_torch or data[:1] != pickle.PROTO:
            return False
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(data))
    except _UNREADABLE:
        return False


def _full_names(data: bytes) -> Iterator[str]:
    """The names as Python 3 has them."""
    for module, name in _names(data):
        module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
        yield f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}"


def _pickle_of(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    with zipfile.ZipFile(path) as archive:
        name = next((name for name in archive.namelist() if Path(name).name == "data.pkl"), None)
        return archive.read(name) if name is not None else b""


def _names(data: bytes) -> Iterator[tuple[str, str]]:
    """Module and name of everything that the pickles at the beginning of ``data`` refer to."""
    for _ in range(_MOST_PICKLES):
        # The last two texts are what STACK_GLOBAL takes; a text that is met again comes from the memo.
        texts, end = ["", ""], 0
        memo: dict[object, str] = {}
        for opcode, argument, place in pickletools.genops(data):
            end = (place or 0) + 1
            if opcode.name in ("GLOBAL", "INST"):
                module, _, name = str(argument).partition(" ")
                yield module, name
            elif opcode.name == "STACK_GLOBAL":
                yield texts[-2], texts[-1]
            elif opcode.name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
                memo[len(memo) if argument is None else argument] = texts[-1]
            elif opcode.name in ("BINGET", "LONG_BINGET"):
                texts.append(memo.get(argument, ""))
            elif isinstance(argument, str):
                texts.append(argument)
        data = data[end:]
