"""What a checkpoint may hold beside tensors, text and numbers, and how it is built without running code of the file.

A pickle names the functions that build its content. Here each name stands for a function of this module or for a type
that runs nothing, and every other name is refused. NumPy's own functions are not called: they believe what the file
says of an array's memory, and a false word there could run code.
"""

from __future__ import annotations

import argparse
import datetime
import pickle
import re
import types
from collections import OrderedDict
from collections.abc import Callable
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

_KIND = re.compile(r"[?biufcSUOMm]\d*")
_WITHOUT = (None, None, None)


class ForeignObjectError(pickle.UnpicklingError):
    """A pickle names a class or a function that is not to be built from it."""


class ElementType:
    """NumPy's type of elements, as a pickle describes it: first its code, then its byte order."""

    __slots__ = ("type",)

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        if not isinstance(code, str) or not _KIND.fullmatch(code):
            raise ForeignObjectError(f"NumPy values of type {code}, such as records")
        self.type: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if tuple(state[2:5]) != _WITHOUT:
            raise ForeignObjectError("NumPy records")
        if self.type.kind in "Mm" and len(state) > 8:
            unit, count, *_ = state[8][1]
            self.type = np.dtype(f"{self.type.kind}8[{int(count)}{unit.decode('ascii')}]")
        order: Any = _text(state[1])
        self.type = self.type.newbyteorder(order)


class Array:
    """NumPy's array, as a pickle describes it; :meth:`made` makes it."""

    __slots__ = ("_described",)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, element, in_fortran_order, values = state
        self._described = shape, element, in_fortran_order, values

    def made(self) -> np.ndarray[Any, Any]:
        """The array."""
        shape, element, in_fortran_order, values = self._described
        return _elements(element, values).reshape(shape, order="F" if in_fortran_order else "C")


def _elements(element: object, values: object) -> np.ndarray[Any, Any]:
    """The elements of an array in a row, copied from bytes, or of objects from their list."""
    if not isinstance(element, ElementType):
        raise ForeignObjectError("a NumPy array of an unknown type")
    if element.type.kind != "O":
        return np.frombuffer(_bytes(values), element.type).copy() if values else np.empty(0, element.type)
    if type(values) is not list:
        raise ForeignObjectError("a NumPy array of objects that are not listed")
    made = np.empty(len(values), object)
    for place, value in enumerate(values):
        made[place] = plain(value)
    return made


def _bytes(values: object) -> bytes:
    if isinstance(values, str):  # of Python 2
        return values.encode("latin1")
    if not isinstance(values, (bytes, bytearray)):
        raise ForeignObjectError("a NumPy array whose values are no bytes")
    return bytes(values)


def _text(value: str | bytes) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value


def _element_type(code: object, align: object = False, copy: object = True) -> ElementType:
    return ElementType(_text(code) if isinstance(code, bytes) else code)


def _array(kind: object, shape: object, code: object) -> Array:
    return Array()


def _ndarray() -> None:
    raise ForeignObjectError("a NumPy array that is built in another way than by NumPy's pickles")


def _number(element: object, value: object = b"") -> Any:
    """A single NumPy value."""
    found = _elements(element, value)
    if found.dtype.kind == "O" or len(found) != 1:
        raise ForeignObjectError("a NumPy value that is not one number or text")
    return found[0]


# What a defaultdict may give for a key that it lacks.
_FACTORIES: tuple[type, ...] = (list, dict, set, tuple, int, float, str, bool)


def _default_dict(factory: object = None, *items: object) -> dict[Any, Any]:
    """A plain dictionary: what it would give for other keys is of no use in a file that is read."""
    allowed = factory is None or factory in (*_FACTORIES, OrderedDict)
    if items or not allowed:
        raise ForeignObjectError(f"a collections.defaultdict of {factory}")
    return {}


def _no_bytes() -> bytes:
    return b""


def _as_list(items: object = (), length: object = None) -> list[Any]:
    """A collections.deque as a plain list, which is all that torch lets a pickle fill."""
    if items != ():
        raise ForeignObjectError("a collections.deque that is built in another way than by Python's pickles")
    return []


def _posix_path(*parts: str) -> PurePosixPath:
    return PurePosixPath(*parts)


def _windows_path(*parts: str) -> PureWindowsPath:
    return PureWindowsPath(*parts)


def _numpy() -> dict[str, Any]:
    """NumPy's names, of its versions 1 and 2."""
    numbers = (np.number, np.bool_)
    types_ = {f"numpy.{name}": kind for name, kind in vars(np).items() if _is_class_of(kind, numbers)}
    functions: dict[str, Callable[..., Any]] = {"_reconstruct": _array, "scalar": _number}
    of_core = {
        f"numpy.{core}.multiarray.{name}": made for core in ("core", "_core") for name, made in functions.items()
    }
    return {**types_, **of_core, "numpy.dtype": _element_type, "numpy.ndarray": _ndarray}


def _is_class_of(kind: object, bases: tuple[type, ...]) -> bool:
    return isinstance(kind, type) and issubclass(kind, bases)


def _paths() -> dict[str, Any]:
    made: dict[str, Callable[..., Any]] = {
        **dict.fromkeys(("PosixPath", "PurePosixPath", "Path", "PurePath"), _posix_path),
        **dict.fromkeys(("WindowsPath", "PureWindowsPath"), _windows_path),
    }
    return {f"{module}.{name}": path for module in ("pathlib", "pathlib._local") for name, path in made.items()}


HARMLESS: dict[str, Any] = {
    **_numpy(),
    **_paths(),
    **{f"builtins.{kind.__name__}": kind for kind in (*_FACTORIES, frozenset, slice)},
    "builtins.bytes": _no_bytes,
    "collections.defaultdict": _default_dict,
    "collections.deque": _as_list,
    "argparse.Namespace": argparse.Namespace,
    "types.SimpleNamespace": types.SimpleNamespace,
    **{f"datetime.{kind.__name__}": kind for kind in (datetime.datetime, datetime.date, datetime.timedelta)},
}
"""What stands for each name that a pickle may use, beside torch's own."""

# torch lets a pickle set the state of objects of these types, and of those in HARMLESS. No pickle gets them by a name.
_STATEFUL = {f"rhovideo's own {kind.__name__}": kind for kind in (ElementType, Array)}

FOR_TORCH: list[Any] = [(made, name) for name, made in (HARMLESS | _STATEFUL).items()]
"""The same for ``torch.serialization.safe_globals``."""


def plain(content: Any, _known: dict[int, Any] | None = None) -> Any:
    """The content of a file, with the arrays and NumPy types that it describes made.

    Args:
        content: from an unpickler with the names of :data:`HARMLESS`; lists and dictionaries are changed in place.
    """
    known = {} if _known is None else _known
    if id(content) in known:
        return known[id(content)][1]
    made = content
    if isinstance(content, Array):
        made = content.made()
    elif isinstance(content, ElementType):
        made = content.type
    # The content is kept too, so that no other object gets its id.
    known[id(content)] = content, made
    if isinstance(content, dict):
        for key, value in content.items():
            content[key] = plain(value, known)
    elif isinstance(content, (argparse.Namespace, types.SimpleNamespace)):
        plain(vars(content), known)
    elif isinstance(content, list):
        content[:] = [plain(value, known) for value in content]
    elif type(content) in (tuple, set, frozenset):
        made = type(content)(plain(value, known) for value in content)
        known[id(content)] = content, made
    return made
