"""From YAML files and ``KEY VALUE`` pairs to a checked configuration."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from fvcore.common.config import CfgNode

from rhovideo.config import pyslowfast, pyslowfast_keys, task_defaults
from rhovideo.config.combinations import check
from rhovideo.config.findings import COMMAND_LINE, ConfigError, Finding, Origin, Problem
from rhovideo.config.keys import leaves, nearest, nearest_file, set_value
from rhovideo.config.schema import get_cfg
from rhovideo.config.slurm_options import resolve_slurm
from rhovideo.config.values import ValueProblem, from_word, interpret

BASE_KEY = "_BASE_"
# Far more than any configuration holds.
_MOST_VALUES = 100_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Setting:
    """A value as somebody wrote it; ``text`` is its spelling where it is a scalar."""

    value: Any
    text: str | None
    origin: Origin


@dataclass
class Loaded:
    """A configuration and where its values come from.

    Attributes:
        cfg: merged, resolved, checked and frozen.
        origins: the origin of every key that was written somewhere.
        file: the file as it was named, for what was written nowhere.
        notes: what was dropped or decided on the way, for the log.
    """

    cfg: CfgNode
    origins: dict[str, Origin]
    file: str
    notes: list[str] = field(default_factory=list)

    def problem(self, finding: Finding) -> Problem:
        """The finding of a later check, with its place in the file."""
        return _located(finding, self.origins, self.file)


def load_cfg(path: str | Path | None, overrides: Sequence[object] = ()) -> CfgNode:
    """The configuration of one job: defaults, then ``_BASE_`` files, the file, and the overrides.

    Args:
        path: a YAML file; None takes the defaults and the overrides alone.
        overrides: ``[key, value, key, value, ...]``, text as in a shell or Python values.

    Returns:
        A frozen CfgNode in which TASK, CONTRASTIVE.LOSS_FORM and MODEL.FROZEN_BN are resolved
        (see :mod:`rhovideo.config.task_defaults`).

    Raises:
        ConfigError: with every problem found, each with its key, file and line, and what to write.
    """
    loaded = load(path, overrides)
    for note in loaded.notes:
        logger.warning(note)
    return loaded.cfg


def load(
    path: str | Path | None,
    overrides: Sequence[object] = (),
    *,
    cluster: str | Path | None = None,
    decided: Mapping[str, Setting] | None = None,
    resumed: Callable[[CfgNode], CfgNode] | None = None,
) -> Loaded:
    """As :func:`load_cfg`, with the origins of the values, and without a word in the log.

    Args:
        path, overrides: as for :func:`load_cfg`.
        cluster: for a job on SLURM, the file of the user's own defaults, there or not
            (:func:`rhovideo.config.slurm_options.cluster_file`): the SLURM section is read from there too, and made to
            agree with NUM_SHARDS and NUM_GPUS.
        decided: what holds whatever the file and the overrides say, under dotted keys.
        resumed: gives the configuration that checks are to see where a run goes on with values of its own.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    file = str(path) if path else "defaults"
    settings = read_file(path, problems, notes) if path else {}
    if problems and not settings:
        raise ConfigError(problems)
    words = read_overrides(overrides, problems)
    if cluster is not None:
        levels = (_read_cluster(Path(cluster), problems, notes), settings, words)
        settings = levels[0] | settings
        words |= _arguments_of_all(levels)
    settings |= words | dict(decided or {})
    cfg = get_cfg()
    origins = {key: setting.origin for key, setting in settings.items()}
    written = {key: setting.value for key, setting in settings.items()}
    if missing := pyslowfast.missing_task(written):
        raise ConfigError(_in_order([*problems, _located(missing, origins, file)]))
    doubtful = _merge(cfg, settings, problems, notes)
    slowfast = task_defaults.is_slowfast_task(cfg.TASK)
    findings = task_defaults.resolve(cfg, origins.keys(), notes)
    findings += pyslowfast.contradictions(cfg, written)
    if slowfast:
        pyslowfast.note_epoch_reset(cfg, written, notes)
    if cluster is not None:
        findings += resolve_slurm(cfg, origins, notes, str(cluster))
    findings += check(resumed(cfg) if resumed else cfg)
    problems += [_located(finding, origins, file) for finding in findings if doubtful.isdisjoint(finding.keys)]
    if problems:
        raise ConfigError(_in_order(problems))
    cfg.freeze()
    return Loaded(cfg, origins, file, notes)


def cfg_from_released(text: str) -> CfgNode:
    """The configuration stored as YAML text in a released checkpoint, or in one of ours.

    Read tolerantly: keys that this package does not have and values that it cannot read are left out, and
    combinations are not checked, since the file is a record of what was run.

    Args:
        text: the checkpoint's ``cfg`` entry.

    Returns:
        A frozen CfgNode, resolved as by :func:`load_cfg`. An empty TASK is inferred from the model.

    Raises:
        ConfigError: the text is not YAML.
    """
    problems: list[Problem] = []
    settings = _parse(text, "configuration in the checkpoint", problems, [])
    if problems:
        raise ConfigError(problems)
    cfg = get_cfg()
    _merge(cfg, settings, [], [])
    if cfg.TASK not in task_defaults.TASKS and not cfg.TASK.startswith("ssl_eval"):
        cfg.TASK = "ssl" if cfg.MODEL.MODEL_NAME == "ContrastiveModel" else "ssl_eval"
    task_defaults.resolve(cfg, settings.keys())
    cfg.freeze()
    return cfg


def read_file(path: str | Path, problems: list[Problem], notes: list[str]) -> dict[str, Setting]:
    """All settings of a file and of those it builds on, the file's own last."""
    return _read_chain(Path(path), [], problems, notes)


def _read_chain(path: Path, above: list[Path], problems: list[Problem], notes: list[str]) -> dict[str, Setting]:
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problems.append(_unreadable(path, error))
        return {}
    settings = _parse(text, str(path), problems, notes)
    base = settings.pop(BASE_KEY, None)
    if base is None or base.value is None:
        return settings
    if not isinstance(base.value, str):
        problems.append(Problem(BASE_KEY, base.origin, "is not a path", "one file, relative to this one"))
        return settings
    chain = [*above, path.resolve()]
    try:
        base_path = path.parent / Path(base.value).expanduser()
        endless, found = base_path.resolve() in chain, base_path.is_file()
    except (OSError, RuntimeError, ValueError) as error:  # too long, of a user who is not there, with a NUL
        remedy = "one file, relative to this one"
        problems.append(Problem(BASE_KEY, base.origin, f"cannot be the path of a file ({error})", remedy))
        return settings
    if endless:
        problems.append(Problem(BASE_KEY, base.origin, f"{base.value} builds on this file itself", "another file"))
        return settings
    if not found:
        problems.append(Problem(BASE_KEY, base.origin, f"there is no file {base_path}", _files_near(base_path)))
        return settings
    return _read_chain(base_path, chain, problems, notes) | settings


def _read_cluster(path: Path, problems: list[Problem], notes: list[str]) -> dict[str, Setting]:
    """The user's own defaults, under the SLURM section's names; a file that is not there holds none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problems.append(_unreadable(path, error))
        return {}
    known = dict(leaves(get_cfg().SLURM))
    settings: dict[str, Setting] = {}
    for key, setting in _parse(text, str(path), problems, notes).items():
        if key in known:
            settings[f"SLURM.{key}"] = setting
            continue
        meant = nearest(key.removeprefix("SLURM."), known)
        section = ": the keys of the SLURM section stand here without its name" if key.startswith("SLURM") else ""
        remedy = f"{meant}, which is the nearest name" if meant and not section else meant
        problems.append(
            Problem(key, setting.origin, f"there is no such key{section}", remedy or f"one of {', '.join(known)}")
        )
    return settings


def _arguments_of_all(levels: Iterable[dict[str, Setting]]) -> dict[str, Setting]:
    """SLURM.ARGS of the user's defaults, the file and the command line together, for sbatch's last word counts."""
    key = "SLURM.ARGS"
    given = [level[key] for level in levels if key in level and level[key].value is not None]
    if not given or not all(isinstance(setting.value, list) for setting in given):
        return {}
    return {key: Setting([entry for setting in given for entry in setting.value], None, given[-1].origin)}


def _unreadable(path: Path, error: Exception) -> Problem:
    if isinstance(error, FileNotFoundError):
        return Problem("", Origin(str(path)), "there is no such file", _files_near(path))
    reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
    return Problem("", Origin(str(path)), f"cannot be read: {reason}")


def _files_near(path: Path) -> str:
    """The likely file in the same folder, or what is there."""
    found = sorted(p.name for p in path.parent.glob("*.yaml")) if path.parent.is_dir() else []
    meant = nearest_file(path, ".yaml")
    return meant or (f"one of {', '.join(found)}" if found else "the path of a YAML file")


def _parse(text: str, file: str, problems: list[Problem], notes: list[str]) -> dict[str, Setting]:
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
    """What keeps a text from being written out in full: aliases without an end, or aliases of aliases of ..."""
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
    return f"its aliases (*name) amount to {total} values" if total > _MOST_VALUES else ""


def _walk(loader, node: yaml.MappingNode, prefix: str, file: str, settings: dict[str, Setting], notes: list) -> None:
    loader.flatten_mapping(node)
    for name, value in node.value:
        key = f"{prefix}{name.value}"
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


def _construct(loader, node: yaml.Node) -> Any:
    """The node's Python value; a tag that YAML does not know (``!!python/tuple``) is passed over."""
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, element) for element in node.value]
    if isinstance(node, yaml.MappingNode):
        return {name.value: _construct(loader, value) for name, value in node.value}
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError):
        return node.value


def read_overrides(words: Sequence[object], problems: list[Problem]) -> dict[str, Setting]:
    """Settings from ``[key, value, key, value, ...]``."""
    words = list(words)
    if len(words) % 2:
        last = str(words.pop())
        remedy = last.replace("=", " ", 1) if "=" in last else f"{last} VALUE"
        problems.append(Problem(last, COMMAND_LINE, "has no value: overrides are KEY VALUE pairs", remedy))
    pairs = zip(words[::2], words[1::2], strict=True)
    return {str(key): Setting(*from_word(value), COMMAND_LINE) for key, value in pairs}


def _merge(cfg: CfgNode, settings: dict[str, Setting], problems: list[Problem], notes: list[str]) -> set[str]:
    """Put the settings into ``cfg``; returns the keys whose value is in doubt, so that checks leave them alone."""
    defaults = dict(leaves(cfg))
    doubtful: set[str] = set()
    dropped: list[str] = []
    for key, setting in settings.items():
        if key in defaults:
            try:
                set_value(cfg, key, interpret(key, defaults[key], setting.value, setting.text))
            except ValueProblem as problem:
                problems.append(Problem(key, setting.origin, str(problem), problem.write))
                doubtful.add(key)
        elif pyslowfast_keys.is_foreign(key) and not _is_section(key, defaults):
            dropped.append(key)
            problems += _foreign_problems(key, setting)
        elif problem := _misplaced(key, setting, defaults):
            problems.append(problem)
            doubtful.add(nearest(key, defaults))
    if dropped:
        notes.append(f"PySlowFast's keys that change nothing here are left out: {', '.join(sorted(dropped))}")
    return doubtful


def _foreign_problems(key: str, setting: Setting) -> list[Problem]:
    if pyslowfast_keys.has_no_effect(key, setting.value):
        return []
    wrong = f"{setting.value!r} changes results in PySlowFast, and rhovideo does not have it"
    return [Problem(key, setting.origin, wrong, f"{pyslowfast_keys.NO_EFFECT[key]!r}, or leave the key out")]


def _is_section(key: str, defaults: Iterable[str]) -> bool:
    return any(name.startswith(f"{key}.") for name in defaults)


def _misplaced(key: str, setting: Setting, defaults: Iterable[str]) -> Problem | None:
    """The problem of a key that is no leaf of the schema; an empty section is none."""
    if _is_section(key, defaults):
        if setting.value is None or setting.value == {}:
            return None
        return Problem(key, setting.origin, "is a section, it holds keys and no value of its own", f"{key}.KEY")
    section = key.rpartition(".")[0]
    if section in defaults:
        return Problem(section, setting.origin, "is a key, not a section", f"{section}: VALUE")
    meant = nearest(key, defaults)
    remedy = f"{meant}, which is the nearest name" if meant else "a name from rhovideo/config/schema.py"
    return Problem(key, setting.origin, "there is no such key", remedy)


def _located(finding: Finding, origins: dict[str, Origin], file: str) -> Problem:
    """A finding at the first of its keys that was written, else at the file as a whole."""
    origin = next((origins[key] for key in finding.keys if key in origins), Origin(file))
    return Problem(finding.keys[0], origin, finding.wrong, finding.write)


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Each problem once, by line within its file, the command line last."""
    files = list(dict.fromkeys(problem.origin.file for problem in problems))
    place = {file: index for index, file in enumerate(files)} | {COMMAND_LINE.file: len(files)}
    return sorted(dict.fromkeys(problems), key=lambda problem: (place[problem.origin.file], problem.origin.line))
