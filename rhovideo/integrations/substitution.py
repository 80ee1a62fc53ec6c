"""Replace a function of another package by ours, also in code that has imported it already.

``from package import function`` copies a reference. So a new function in the package would reach only code that is
imported later. But the body of a Python function can be replaced in place, and all references share it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

_SLOT = "_rhovideo"


def substitute(module: ModuleType, name: str, ours: Callable[..., Any]) -> None:
    """Let ``module.name(*args, **kwargs)`` return ``ours(original, *args, **kwargs)``, under every reference to it.

    A second call takes the new ``ours`` and keeps the same original.

    Args:
        module: the module of the function.
        name: its name there.
        ours: called with the original function first.

    Raises:
        TypeError: the function is built in, or a closure, so its body cannot be replaced.
    """
    restore(module, name)
    function = getattr(module, name)
    if not isinstance(function, FunctionType) or function.__code__.co_freevars:
        raise TypeError(
            f"{module.__name__}.{name} is {function!r}, no plain function: something else has replaced it; "
            "register rhovideo before that"
        )
    original = _copy(function)
    function.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    function.__code__, function.__defaults__ = _call_ours.__code__, None
    function.__kwdefaults__ = {_SLOT: (ours, original)}


def restore(module: ModuleType, name: str) -> None:
    """Give ``module.name`` its original body back; does nothing if it has that."""
    function = getattr(module, name)
    slot = (getattr(function, "__kwdefaults__", None) or {}).get(_SLOT)
    if slot is None:
        return
    _, original = slot
    del function.__signature__
    function.__code__, function.__defaults__ = original.__code__, original.__defaults__
    function.__kwdefaults__ = original.__kwdefaults__


def _call_ours(*args: Any, _rhovideo: Any, **kwargs: Any) -> Any:
    # This runs as another module's function, with that module's globals. So all that it needs comes with the call.
    ours, original = _rhovideo
    return ours(original, *args, **kwargs)


def _copy(function: FunctionType) -> FunctionType:
    copy = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    copy.__kwdefaults__, copy.__doc__, copy.__module__ = function.__kwdefaults__, function.__doc__, function.__module__
    return copy
