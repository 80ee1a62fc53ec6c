"""A YAML text as values that know their lines, and that are taken out of it by the types that are wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rhovideo.config.files.values import UNREADABLE_VALUE
from rhovideo.config.files.yaml_settings import Setting, unreadable
from rhovideo.config.findings import ConfigError, Origin, Problem
from rhovideo.config.keys import nearest

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


class EntryReader:
    """Takes values of the wanted types out of entries.

    Attributes:
        problems: what is wrong with those that were taken; more may be added.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def check_names(self, entries: Mapping[str, Entry], known: Sequence[str]) -> None:
        """Add a problem for each entry that is not one of the known ones."""
        for name, entry in entries.items():
            if name not in known:
                remedy = nearest(name, known) or f"one of {', '.join(known)}"
                self.problems.append(entry.problem(name, "there is no such part of a study", remedy))

    def mapping(self, entry: Entry | None, key: str) -> dict[str, Entry]:
        """The entries of a mapping by their names; none of a missing one."""
        if entry is None or entry.value is None:
            return {}
        if isinstance(entry.value, dict):
            return entry.value
        self.problems.append(entry.problem(key, f"is {entry.plain()!r}", f"{key.split()[-1]}: {{NAME: VALUE}}"))
        return {}

    def elements(self, entry: Entry | None, key: str, example: str = "[ONE, OTHER]") -> list[Entry]:
        """The elements of a list; none of a missing one."""
        if entry is None or entry.value is None:
            return []
        if isinstance(entry.value, list):
            return entry.value
        self.problems.append(entry.problem(key, f"is {entry.plain()!r}", example))
        return []

    def texts(self, entry: Entry, key: str) -> list[str]:
        """A list's scalars as they were written."""
        return [str(each.text or "") for each in self.elements(entry, key)]

    def text(self, entries: Mapping[str, Entry], name: str) -> str:
        """A scalar as it was written; empty where there is none."""
        if name not in entries:
            return ""
        entry = entries[name]
        if entry.text is None:
            self.problems.append(entry.problem(name, f"is {entry.plain()!r}", f"{name}: TEXT"))
        return entry.text or ""

    def number(self, entries: Mapping[str, Entry], name: str, key: str, least: int, otherwise: int) -> int:
        """A whole number; ``otherwise`` where there is none."""
        if name not in entries:
            return otherwise
        if is_whole(entries[name].value, least):
            return int(entries[name].value)
        wrong = f"{name} is {entries[name].plain()!r}, and a whole number from {least} is wanted"
        self.problems.append(entries[name].problem(key, wrong, f"{name}: {max(least, otherwise)}"))
        return otherwise

    def truth(self, entries: Mapping[str, Entry], name: str, key: str) -> bool:
        """True or False; False where there is none."""
        value = entries[name].value if name in entries else False
        if not isinstance(value, bool):
            wrong = f"{name} is {entries[name].plain()!r}"
            self.problems.append(entries[name].problem(key, wrong, f"{name}: True, or {name}: False"))
        return value is True

    def choice(self, entry: Entry | None, key: str, known: Sequence[str]) -> str:
        """The choice, or the first one where none is made."""
        if entry is None:
            return known[0]
        if entry.text not in known:
            self.problems.append(entry.problem(key, f"is {entry.plain()!r}", f"one of {', '.join(known)}"))
            return known[0]
        return str(entry.text)

    def choices(self, entry: Entry | None, key: str, known: Collection[str]) -> list[str]:
        """Some of the known words; none of a missing list."""
        if entry is None:
            return []
        chosen = self.texts(entry, key)
        for word in chosen:
            if word not in known:
                self.problems.append(entry.problem(key, f"there is no {word!r}", f"some of {', '.join(known)}"))
        return [word for word in chosen if word in known]


def is_whole(value: object, least: int) -> bool:
    """True for a whole number from ``least``; YAML's True is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def read_study_text(path: Path) -> str:
    """The text of a study's file.

    Raises:
        ConfigError: the file cannot be read, or is none: a pipe would be waited for.
    """
    try:
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "a pipe or device"
            raise ConfigError(Problem("", Origin(str(path)), f"is {what}, and no file", "the path of a YAML file"))
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(unreadable(path, error)) from error


def read_entries(path: Path) -> Entry:
    """The mapping that a YAML file holds.

    Raises:
        ConfigError: the file cannot be read, or holds no mapping.
    """
    text = read_study_text(path)
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
