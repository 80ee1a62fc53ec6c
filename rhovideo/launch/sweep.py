"""``--sweep "KEY=VALUE,VALUE KEY=VALUE,VALUE"``: its grammar, and the names of its cells."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rhovideo.config.files.values import ValueProblem, from_word, interpret
from rhovideo.config.files.yaml_settings import Setting
from rhovideo.config.findings import ConfigError, Origin, Problem
from rhovideo.config.keys import nearest_key
from rhovideo.config.pyslowfast import other_keys
from rhovideo.config.schema import Key, definitions

SWEEP = Origin("--sweep")

_CLOSING = {"(": ")", "[": "]", "{": "}"}
# All cells of a study run on the same machines.
_MACHINE_KEYS = ("NUM_SHARDS", "NUM_GPUS", "NUM_CPU_PROCESSES", "SHARD_ID")
_LONGEST_NAME = 150
# Reading the configurations of as many takes minutes.
_MOST_CELLS = 10_000


def parse_sweep(text: str) -> dict[str, list[str]]:
    """The swept keys and their values, as they were written.

    Spaces separate keys and commas separate values, except within quotes or brackets.

    Raises:
        ConfigError: with all problems: keys and values that are unknown, given twice or empty.
    """
    sweep: dict[str, list[str]] = {}
    problems: list[Problem] = []
    try:
        parts = [part for part in _split(text, " \t\n") if part]
        for part in parts:
            key, equals, written = part.partition("=")
            if not equals or not key:
                wrong = f"{part!r} is not KEY=VALUE,VALUE"
                remedy = (
                    "no space after a comma or an equals sign, such as SOLVER.BASE_LR=0.1,0.2; quote spaces in values"
                )
                problems.append(Problem("", SWEEP, wrong, remedy))
            elif key in sweep:
                both = ",".join([*sweep[key], written])
                problems.append(Problem(key, SWEEP, "is given twice", f"{key}={both}"))
            else:
                sweep[key] = _split(written, ",")
    except ValueError as error:
        raise ConfigError(Problem("", SWEEP, f"{text!r}: {error}", "the missing one")) from None
    if not parts:
        problems.append(Problem("", SWEEP, "is empty", '"KEY=VALUE,VALUE KEY=VALUE,VALUE"'))
    known = definitions()
    for key, values in sweep.items():
        problems += _key_problems(key, known) or _value_problems(known[key], values)
    count = math.prod(map(len, sweep.values()))
    if count > _MOST_CELLS:
        wrong = f"has {count} cells, and a study may have {_MOST_CELLS}"
        problems.append(Problem("", SWEEP, wrong, "fewer values, in several studies"))
    if problems:
        raise ConfigError(problems)
    return {key: [_unquoted(value) for value in values] for key, values in sweep.items()}


def _split(text: str, separators: str) -> list[str]:
    """The parts between separators that stand outside of quotes and brackets."""
    parts = [""]
    expected: list[str] = []
    for letter in text:
        if expected and letter == expected[-1]:
            expected.pop()
        elif expected and expected[-1] in "'\"":
            pass
        elif letter in "'\"":
            expected.append(letter)
        elif letter in _CLOSING:
            expected.append(_CLOSING[letter])
        elif not expected and letter in separators:
            parts.append("")
            continue
        parts[-1] += letter
    if expected:
        raise ValueError(f"a closing {expected[-1]} is missing")
    return parts


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _key_problems(key: str, known: Mapping[str, Key]) -> list[Problem]:
    if key == "OUTPUT_DIR":
        return [Problem(key, SWEEP, "every cell has its own folder already", "--study FOLDER, which holds them all")]
    if key.startswith("SLURM.") or key in _MACHINE_KEYS:
        wrong = "all cells of a study run on the same machines"
        return [Problem(key, SWEEP, wrong, f"{key} VALUE without --sweep; another study for another value")]
    if key in known:
        return []
    if other_keys.is_foreign(key) and not any(name.startswith(f"{key}.") for name in known):
        return [Problem(key, SWEEP, "is PySlowFast's, and changes nothing here", "another key")]
    return [Problem(key, SWEEP, "there is no such key", nearest_key(key, known))]


def _value_problems(definition: Key, values: list[str]) -> list[Problem]:
    key = definition.name
    problems = []
    seen: list[object] = []
    for value in values:
        text = _unquoted(value)
        if not value:
            wrong = f"{key}={','.join(values)} holds an empty value"
            remedy = f"{key}={','.join(filter(None, values)) or 'VALUE,VALUE'}; an empty text is ''"
            return [Problem(key, SWEEP, wrong, remedy)]
        try:
            meant = interpret(definition, *from_word(text))
        except ValueProblem as problem:
            problems.append(Problem(key, sweep_origin(key, text), str(problem), problem.write))
            continue
        if meant in seen:
            once = ",".join(dict.fromkeys(values))
            remedy = f"{key}={once}" if once != ",".join(values) else "it once"
            problems.append(Problem(key, SWEEP, f"{text} is given twice: the same cell", remedy))
        seen.append(meant)
    return problems


def sweep_origin(key: str, value: str) -> Origin:
    """The place of a value in ``--sweep``, for messages."""
    return Origin(f"--sweep {key}={value}")


def check_overrides(sweep: dict[str, list[str]], overrides: Sequence[object]) -> None:
    """Check that no swept key has an override too.

    Raises:
        ConfigError: a key has both.
    """
    both = [key for key in sweep if key in overrides[::2]]
    if both:
        wrong = "is swept, and has one value among the overrides too"
        raise ConfigError([Problem(key, SWEEP, wrong, f"{key} in --sweep alone") for key in both])


def settings(values: dict[str, str]) -> dict[str, Setting]:
    """A cell's values as settings, each with its place in the sweep as its origin."""
    return {key: Setting(*from_word(value), sweep_origin(key, value)) for key, value in values.items()}


def cells(sweep: dict[str, list[str]]) -> Iterator[tuple[str, dict[str, str]]]:
    """Every combination, the last key changing first: a name that can be a folder's, and the value of each key."""
    short = short_keys(list(sweep))
    taken: Counter[str] = Counter()
    for combination in itertools.product(*sweep.values()):
        values = dict(zip(sweep, combination, strict=True))
        name = ",".join(f"{short[key]}={_for_folder(value)}" for key, value in values.items())[:_LONGEST_NAME]
        taken[name] += 1
        yield name if taken[name] == 1 else f"{name}~{taken[name]}", values


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """A short name for each key: its end, such as TYPE for CONTRASTIVE.TYPE, that no other key ends with."""
    keys, short = list(keys), {}
    for key in keys:
        parts = key.split(".")
        ends = [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        short[key] = next(
            (end for end in ends if not any(f".{other}".endswith(f".{end}") for other in keys if other != key)), key
        )
    return short


def _for_folder(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", value).strip("_")
