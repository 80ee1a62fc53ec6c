"""A YAML text as values that know their lines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rhovideo.config.files.values import UNREADABLE_VALUE
from rhovideo.config.files.yaml_settings import Setting, unreadable
from rhovideo.config.findings import ConfigError, Origin, Problem

# Deeper than any study.
_DEEPEST = 12


@dataclass(frozen=True)
class Entry:
    """A value of a YAML text.

    Attributes:
        value: a dict of entries by their names, a list of entries, or a scalar.
        text: the scalar as it was written; None of a dict or list.
        origin: its line.
    """

    value: Any
    text: str | None
    origin: Origin

    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, dict):
            return {name: entry.plain() for name, entry in self.value.items()}
        if isinstance(self.value, list):
            return [entry.plain() for entry in self.value]
        return self.value

    def as_setting(self) -> Setting:
        """The entry as the value of a configuration key."""
        return Setting(self.plain(), self.text, self.origin)

    def problem(self, key: str, wrong: str, write: str = "") -> Problem:
        """What is wrong with it."""
        return Problem(key, self.origin, wrong, write)


def read_entries(path: Path) -> Entry:
    """The mapping that a YAML file holds.

    Raises:
        ConfigError: the file cannot be read, or holds no mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(unreadable(path, error)) from error
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if isinstance(node, yaml.MappingNode):
            return _entry(loader, node, str(path), 0)
        wrong = "is not a list of keys and values"
        line = 1
    except RecursionError:
        wrong, line = "is nested too deeply to be read", 1
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        wrong = f"is not YAML: {getattr(error, 'problem', None) or error}"
        line = mark.line + 1 if mark else 1
    raise ConfigError(Problem("", Origin(str(path), line), wrong, "KEY: VALUE lines, indented by spaces"))


def _entry(loader: yaml.SafeLoader, node: yaml.Node, file: str, depth: int) -> Entry:
    if depth > _DEEPEST:
        # An alias inside its own anchor has no end.
        raise RecursionError
    origin = Origin(file, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        return Entry(_mapping(loader, node, file, depth), None, origin)
    if isinstance(node, yaml.SequenceNode):
        return Entry([_entry(loader, each, file, depth + 1) for each in node.value], None, origin)
    try:
        value = loader.construct_object(node, deep=True)
    except UNREADABLE_VALUE:
        value = node.value
    return Entry(value, node.value, origin)


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, file: str, depth: int) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for name, value in node.value:
        label = name.value if isinstance(name, yaml.ScalarNode) else str(loader.construct_object(name, deep=True))
        origin = Origin(file, name.start_mark.line + 1)
        if label in entries:
            once = f"it once; line {entries[label].origin.line} has it too"
            raise ConfigError(Problem(label, origin, "is given twice", once))
        made = _entry(loader, value, file, depth + 1)
        entries[label] = Entry(made.value, made.text, origin)
    return entries
