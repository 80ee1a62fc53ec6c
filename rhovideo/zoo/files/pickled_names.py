"""Names of classes and functions in a pickle, found without building anything from it.

torch refuses a checkpoint that names others than its own, by an error of the same class as for a damaged file; by the
names a person learns which of the two it is.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

# Modules of what a checkpoint of tensors, numbers and containers is made of.
_OF_CHECKPOINTS = frozenset(
    (
        *("torch", "torch._utils", "torch._tensor", "torch.storage", "torch.serialization", "torch.nn.parameter"),
        *("numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.dtypes", "collections", "_codecs"),
    )
)
_CONTAINERS = ("set", "frozenset", "bytearray", "complex", "slice", "range")
# torch's format of before 2020 is several pickles one after the other, then the tensors' bytes.
_MOST_PICKLES = 5
# A pickle of names and shapes is far smaller; what comes after it are the tensors.
_MOST_BYTES = 2**26


def names_foreign_objects(path: Path) -> bool:
    """True if a file holds a pickle that names a class or function which is no part of a checkpoint of tensors.

    Args:
        path: a file of ``torch.save`` or of ``pickle.dump``; of any other file it is False.
    """
    try:
        return any(not _is_of_checkpoints(module, name) for module, name in _names(_pickle_of(path)))
    except (OSError, ValueError, LookupError, zipfile.BadZipFile):
        return False


def _is_of_checkpoints(module: str, name: str) -> bool:
    return module in _OF_CHECKPOINTS or (module in ("builtins", "__builtin__") and name in _CONTAINERS)


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
