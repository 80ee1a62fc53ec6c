"""Descriptions of the keys for people: docs/configuration.md, and the texts of ``rhovideo keys``. Without torch.

``python -m rhovideo.config.schema.reference > docs/configuration.md`` writes the page anew.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rhovideo.config.extension.registries import Registry
from rhovideo.config.pyslowfast import other_keys
from rhovideo.config.schema import SECTIONS, definitions
from rhovideo.config.schema.definition import EXAMPLES, Key

_HEAD = """\
# Configuration

Every key of a configuration file. `rhovideo keys PATTERN` prints the same in a terminal, and
`rhovideo run --cfg FILE --print-cfg` the values that a file has with its overrides.

A file holds sections and keys; `_BASE_: other.yaml` takes all that it does not hold from another file, relative to
itself. Of a list, `_BASE_: [one.yaml, other.yaml]`, the last file counts most.
On the command line `SECTION.KEY VALUE` overrides both:

```yaml
TASK: pretrain
DATA:
  PATH_TO_DATA_DIR: data/k400
```

Names, defaults and meanings are those of [PySlowFast](pyslowfast_files.md) wherever it has the key. † marks keys that
it lacks. The last column says what PySlowFast does otherwise.

A key that may be `auto` is then found from the number of training videos and the devices, by the
[rules of the small recipes](recipes.md).

Methods, encoders, data sets and keys of your own: see [Add your own method, encoder or data set](extending.md).

<!-- Made by `python -m rhovideo.config.schema.reference`. Edit rhovideo/config/schema instead. -->
"""


def page() -> str:
    """The page of all keys of rhovideo, in Markdown."""
    return "\n".join([_HEAD, *(_section(name) for name in SECTIONS)])


def _section(name: str) -> str:
    keys, about = SECTIONS[name]
    lines = [f"## {name or 'The job'}\n", f"{about}\n"]
    released = any(_released(key) for key in keys)
    columns = ["key", "default", "meaning", "values", *(["in PySlowFast"] if released else [])]
    lines += [_row(columns), _row(["---"] * len(columns))]
    for key in keys:
        mark = " †" if key.ours else ""
        cells = [f"`{key.name}`{mark}", f"`{shown(key.default)}`", key.help, values(key, code="`")]
        lines.append(_row([*cells, *([_released(key)] if released else [])]))
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def shown(value: Any) -> str:
    """A value as a file holds it."""
    if value is None:
        return "empty"
    if isinstance(value, str):
        return value if value.strip() else f'"{value}"'
    return repr(list(value) if isinstance(value, tuple) else value)


def values(key: Key, code: str = "") -> str:
    """The values that a key may have, as text.

    Args:
        key: its definition.
        code: what stands before and after each choice.
    """
    if key.fixed:
        return f"{code}{shown(key.default)}{code} alone"
    if isinstance(key.choices, Mapping):
        return ", ".join(f"{code}{name}{code} ({meaning})" for name, meaning in key.choices.items())
    if key.choices:
        more = ", or one of your own (PLUGINS)" if isinstance(key.choices, Registry) else ""
        return ", ".join(f"{code}{choice}{code}" for choice in key.choices) + more
    kind = EXAMPLES[key.kind].partition(",")[0]
    auto = f", or {code}auto{code}" if key.auto else ""
    return (f"{kind}, {key.range}" if key.range else kind) + auto


def _released(key: Key) -> str:
    """The difference in PySlowFast's meaning of a key."""
    read_as = [f"{theirs} is read as {ours}." for theirs, ours in key.read_as.items()]
    return " ".join([key.released, *read_as]).strip()


def matching(pattern: str) -> list[Key]:
    """The keys whose name holds a text, or fits a pattern with ``*`` and ``?``; of a whole name, that key alone.

    Args:
        pattern: in capitals or not; empty: all keys.
    """
    known = definitions()
    wanted = pattern.upper()
    if wanted in known:
        return [known[wanted]]
    if not any(sign in wanted for sign in "*?["):
        wanted = f"*{wanted}*"
    return [key for name, key in known.items() if fnmatch.fnmatchcase(name, wanted)]


def in_short(key: Key) -> str:
    """Name, default, values and meaning of a key, in two lines."""
    return f"{key.name}  {shown(key.default)}  ({values(key)})\n    {key.help}"


def in_full(key: Key) -> str:
    """All that is known of a key."""
    return "\n".join([in_short(key), *(f"    {line}" for line in _details(key))])


def _details(key: Key) -> Iterator[str]:
    if _released(key):
        yield f"In PySlowFast: {_released(key)}"
    if key.ours:
        yield "PySlowFast has no such key."
    if key.flag:
        yield f"On the command line: {key.flag} {key.metavar}"
    if key.sbatch:
        yield f"An option of sbatch: --{key.sbatch}"


def of_pyslowfast(name: str) -> str:
    """The effect here of a key that only PySlowFast has; empty if it has no such key."""
    if name in other_keys.NO_EFFECT:
        only = shown(other_keys.NO_EFFECT[name])
        return f"{name}\n    A key of PySlowFast's that rhovideo does not have. A file may hold it with {only} alone."
    if name in other_keys.DROPPED:
        return f"{name}\n    A key of PySlowFast's that changes nothing here. A file may hold it."
    return ""


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(page())
