"""The dotted names of all keys, and the one that was meant by a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fvcore.common.config import CfgNode


def leaves(cfg: CfgNode, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key with its value, as ``("SOLVER.BASE_LR", 0.1)``."""
    for name, value in cfg.items():
        if isinstance(value, CfgNode):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def get_value(cfg: CfgNode, key: str) -> Any:
    """The value of a dotted key."""
    for name in key.split("."):
        cfg = cfg[name]
    return cfg


def set_value(cfg: CfgNode, key: str, value: Any) -> None:
    """Set a dotted key that exists."""
    *sections, name = key.split(".")
    for section in sections:
        cfg = cfg[section]
    cfg[name] = value


def nearest_file(path: Path, ending: str) -> str:
    """The path of the file with this ending, in the same folder, that was most likely meant, or an empty string."""
    beside = [file.name for file in path.parent.glob(f"*{ending}")] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1, cutoff=0.75)
    return str(path.parent / close[0]) if close else ""


def nearest(key: str, known: Iterable[str]) -> str:
    """The known name that was most likely meant, or an empty string.

    The same last word under another section comes first, then a likely slip of the pen.
    """
    known = list(known)
    wanted = key.upper()
    last = wanted.rpartition(".")[2]
    for name in known:
        if name.upper() == wanted:
            return name
    same_word = [name for name in known if name.rpartition(".")[2] == last]
    if len(same_word) == 1:
        return same_word[0]
    close = difflib.get_close_matches(wanted, same_word or known, n=1, cutoff=0.0 if same_word else 0.75)
    if close:
        return close[0]
    words = {name.rpartition(".")[2]: name for name in known}
    close = difflib.get_close_matches(last, list(words), n=1, cutoff=0.8)
    return words[close[0]] if close else ""


def nearest_key(key: str, known: Iterable[str]) -> str:
    """The remedy for a key that does not exist."""
    meant = nearest(key, known)
    return f"{meant}, which is the nearest name" if meant else "a name that `rhovideo keys` lists"
