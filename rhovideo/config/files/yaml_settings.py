"""YAML files and ``KEY VALUE`` pairs as settings: each value with its spelling and the line that it was written in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rhovideo.config.files.values import UNREADABLE_VALUE, from_word
from rhovideo.config.findings import COMMAND_LINE, Origin, Problem
from rhovideo.config.keys import nearest_file
from rhovideo.config.recipes.recipe_files import find_configuration, find_recipe, nearest_recipes

BASE_KEY = "_BASE_"
_ONE_BASE = "one file or a list of files, relative to this one"
# Far more than any configuration holds.
_MOST_VALUES = 100_000


@dataclass(frozen=True)
class Setting:
    """A value as a person wrote it; ``text`` is its spelling where it is a scalar."""

    value: Any
    text: str | None
    origin: Origin


def read_file(path: str | Path, problems: list[Problem], notes: list[str]) -> dict[str, Setting]:
    """All settings of a file, or of the recipe of this name, and of those it builds on, the file's own last."""
    return _read_chain(find_configuration(path), [], problems, notes)


def _read_chain(path: Path, above: list[Path], problems: list[Problem], notes: list[str]) -> dict[str, Setting]:
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(unreadable(path, error))
        return {}
    settings = parse(text, str(path), problems, notes)
    base = settings.pop(BASE_KEY, None)
    if base is None:
        return settings
    below: dict[str, Setting] = {}
    for name in _base_names(base, problems):
        below |= _read_base(name, path, base.origin, [*above, path.resolve()], problems, notes)
    return below | settings


def _base_names(base: Setting, problems: list[Problem]) -> list[str]:
    """The files that a file builds on: none, one, or a list, of which the last one counts most."""
    if base.value is None:
        return []
    names = base.value if isinstance(base.value, list) else [base.value]
    if all(isinstance(name, str) for name in names):
        return names
    problems.append(Problem(BASE_KEY, base.origin, "is not a path", _ONE_BASE))
    return []


def _read_base(
    name: str, path: Path, origin: Origin, chain: list[Path], problems: list[Problem], notes: list[str]
) -> dict[str, Setting]:
    """The settings of a file that ``path`` builds on, or of the recipe of this name."""
    try:
        base_path = path.parent / Path(name).expanduser()
        if not base_path.is_file():
            base_path = find_recipe(name) or base_path
        endless, found = base_path.resolve() in chain, base_path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # too long, of a user who is not there, with a NUL
        problems.append(Problem(BASE_KEY, origin, f"cannot be the path of a file ({error})", _ONE_BASE))
        return {}
    if endless:
        problems.append(Problem(BASE_KEY, origin, f"{name} builds on this file itself", "another file"))
        return {}
    if not found:
        remedy = _files_near(base_path, name)
        problems.append(Problem(BASE_KEY, origin, f"there is no file {base_path}", remedy))
        return {}
    return _read_chain(base_path, chain, problems, notes)


def read_overrides(words: Sequence[object], problems: list[Problem]) -> dict[str, Setting]:
    """Settings from ``[key, value, key, value, ...]``."""
    words = list(words)
    if len(words) % 2:
        last = str(words.pop())
        remedy = last.replace("=", " ", 1) if "=" in last else f"{last} VALUE"
        problems.append(Problem(last, COMMAND_LINE, "has no value: overrides are KEY VALUE pairs", remedy))
    pairs = zip(words[::2], words[1::2], strict=True)
    return {str(key): Setting(*from_word(value), COMMAND_LINE) for key, value in pairs}


def unreadable(path: Path, error: Exception) -> Problem:
    """The problem of a file that cannot be opened, or holds no text."""
    if isinstance(error, FileNotFoundError):
        wrong = "there is no such file" + ("" if path.is_absolute() else ", and no recipe of this name")
        return Problem("", Origin(str(path)), wrong, _files_near(path, str(path)))
    reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
    return Problem("", Origin(str(path)), f"cannot be read: {reason}")


def _files_near(path: Path, name: str) -> str:
    """The file in the same folder or the recipe that was most likely meant, or what there is.

    Args:
        path: the file that is missing.
        name: as it was written, which may be a recipe's.
    """
    if meant := nearest_file(path, ".yaml"):
        return meant
    if recipes := [] if Path(name).is_absolute() else nearest_recipes(name):
        return f"{' or '.join(recipes)}, {'which is the' if len(recipes) == 1 else 'the'} nearest of the recipes"
    found = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    return f"one of {', '.join(found)}" if found else "the path of a YAML file, or a name that `rhovideo configs` lists"


def parse(text: str, file: str, problems: list[Problem], notes: list[str]) -> dict[str, Setting]:
    """The settings of one YAML text under their dotted names; of a key given twice the last one counts."""
    settings: dict[str, Setting] = {}
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if wrong := _endless(node):
            problems.append(Problem("", Origin(file, 1), wrong, "the value itself"))
        elif isinstance(node, yaml.MappingNode):
            _walk(loader, node, "", file, settings, notes)
        elif node is not None:
            problems.append(Problem("", Origin(file, 1), "is not a list of keys and values", "KEY: VALUE lines"))
    except RecursionError:
        problems.append(Problem("", Origin(file, 1), "is nested too deeply to be read", "KEY: VALUE lines"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        wrong = f"is not YAML: {getattr(error, 'problem', None) or error}"
        problems.append(
            Problem("", Origin(file, mark.line + 1 if mark else 1), wrong, "KEY: VALUE, indented by spaces")
        )
    return settings


def _endless(node: yaml.Node | None) -> str:
    """The reason why a text cannot be written out in full, such as an alias inside its own anchor; else empty."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node | None) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = -1
            # Keys and values of a mapping come in pairs.
            inner = node.value if isinstance(node, yaml.CollectionNode) else []
            parts = [part for entry in inner for part in (entry if isinstance(entry, tuple) else (entry,))]
            below = [size(part) for part in parts]
            sizes[id(node)] = -1 if -1 in below else 1 + sum(below)
        return sizes[id(node)]

    total = size(node)
    if total < 0:
        return "an alias (*name) stands inside its own anchor (&name)"
    return f"its aliases (*name) stand for {total} values" if total > _MOST_VALUES else ""


def _walk(
    loader: yaml.SafeLoader,
    node: yaml.MappingNode,
    prefix: str,
    file: str,
    settings: dict[str, Setting],
    notes: list[str],
) -> None:
    loader.flatten_mapping(node)
    for name, value in node.value:
        key = f"{prefix}{_name(loader, name)}"
        origin = Origin(file, name.start_mark.line + 1)
        if isinstance(value, yaml.MappingNode) and value.value:
            earlier = [other for other in settings if other.startswith(f"{key}.")]
            if earlier:
                notes.append(
                    f"{origin}: section {key} is given twice, the last one counts; dropped: {', '.join(earlier)}"
                )
            for other in earlier:
                del settings[other]
            _walk(loader, value, f"{key}.", file, settings, notes)
        else:
            text = value.value if isinstance(value, yaml.ScalarNode) else None
            settings.pop(key, None)
            settings[key] = Setting(_construct(loader, value), text, origin)


def _construct(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    """The node's Python value; a tag that YAML does not know (``!!python/tuple``) is passed over."""
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, element) for element in node.value]
    if isinstance(node, yaml.MappingNode):
        return {_name(loader, name): _construct(loader, value) for name, value in node.value}
    try:
        return loader.construct_object(node, deep=True)
    except UNREADABLE_VALUE:
        return node.value


def _name(loader: yaml.SafeLoader, node: yaml.Node) -> str:
    """The text of a key, which YAML lets be a list or a mapping too, as in ``OUTPUT_DIR: {{folder}}``."""
    return node.value if isinstance(node, yaml.ScalarNode) else str(_construct(loader, node))
