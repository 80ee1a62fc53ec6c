"""From YAML files and ``KEY VALUE`` pairs to a checked configuration."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fvcore.common.config import CfgNode

from rhovideo.config import task_defaults
from rhovideo.config.auto_values import auto_values, automatic_keys
from rhovideo.config.combinations import check
from rhovideo.config.extension.plugins import KEY, PluginError, import_from_checkpoint, import_plugins
from rhovideo.config.files.values import ValueProblem, interpret
from rhovideo.config.files.yaml_settings import Setting, parse, read_file, read_overrides, unreadable
from rhovideo.config.findings import COMMAND_LINE, ConfigError, Finding, Origin, Problem
from rhovideo.config.keys import nearest, nearest_key, set_value
from rhovideo.config.pyslowfast import other_keys, translation
from rhovideo.config.recipes.recipe_files import is_recipe
from rhovideo.config.schema import definitions, get_cfg
from rhovideo.config.slurm_options import resolve_slurm

logger = logging.getLogger(__name__)


class Fit(Protocol):
    """Fits a resolved configuration to its training list and devices, in place."""

    def __call__(
        self, cfg: CfgNode, own: Collection[str], automatic: Collection[str]
    ) -> tuple[list[str], list[Finding]]:
        """Notes of what was changed, and what is wrong; ``own`` keys stay, and ``automatic`` ones must be found."""


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


def load_cfg(path: str | Path | None, overrides: Sequence[object] = (), *, videos: int | None = None) -> CfgNode:
    """The configuration of one job: defaults, then ``_BASE_`` files, the file, and the overrides.

    Args:
        path: a YAML file, or the name of a recipe (``rhovideo configs`` lists them); None takes the defaults and the
            overrides alone.
        overrides: ``[key, value, key, value, ...]``, text as in a shell or Python values.
        videos: the number of training videos, for keys that are ``auto``.

    Returns:
        A frozen CfgNode in which TASK, CONTRASTIVE.LOSS_FORM and MODEL.FROZEN_BN are resolved
        (see :mod:`rhovideo.config.task_defaults`).

    Raises:
        ConfigError: with every problem found, each with its key, file and line, and what to write.
    """
    loaded = load(path, overrides, fitted=None if videos is None else _for_videos(videos))
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
    fitted: Fit | None = None,
) -> Loaded:
    """As :func:`load_cfg`, with the origins of the values, and without lines in the log.

    Args:
        path, overrides: as for :func:`load_cfg`.
        cluster: for a job on SLURM, the file of the user's own defaults, there or not
            (:func:`rhovideo.config.slurm_options.cluster_file`): the SLURM section is read from there too, and made to
            agree with NUM_SHARDS and NUM_GPUS.
        decided: what holds whatever the file and the overrides say, under dotted keys.
        resumed: gives the configuration that checks are to see where a resumed run keeps its first values.
        fitted: fits the resolved configuration to its list (:func:`rhovideo.checks.fitting.fit_to_list`). Without it
            no key may be ``auto``.
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
    if problem := _import_plugins(settings):
        raise ConfigError(_in_order([*problems, problem]))
    cfg = get_cfg()
    origins = {key: setting.origin for key, setting in settings.items()}
    written = {key: setting.value for key, setting in settings.items()}
    if missing := translation.missing_task(written):
        raise ConfigError(_in_order([*problems, _located(missing, origins, file)]))
    automatic = automatic_keys(settings)
    doubtful = _merge(cfg, {key: settings[key] for key in settings if key not in automatic}, problems, notes)
    task_defaults.supply_task(cfg, notes)
    slowfast = translation.is_slowfast_file(cfg)
    findings = task_defaults.resolve(cfg, origins.keys(), notes)
    findings += translation.contradictions(cfg, written)
    if slowfast:
        translation.note_epoch_reset(cfg, written, notes)
    if cluster is not None:
        findings += resolve_slurm(cfg, origins, notes, str(cluster))
    if not problems:
        own = {key for key, origin in origins.items() if not is_recipe(origin.file)}
        changes, unfitted = (fitted or _unknown_videos)(cfg, own - automatic, automatic)
        notes += changes
        findings += unfitted
    findings += check(resumed(cfg) if resumed else cfg)
    problems += [_located(finding, origins, file) for finding in findings if doubtful.isdisjoint(finding.keys)]
    if problems:
        raise ConfigError(_in_order(problems))
    cfg.freeze()
    return Loaded(cfg, origins, file, notes)


def _for_videos(videos: int) -> Fit:
    def fit(cfg: CfgNode, own: Collection[str], automatic: Collection[str]) -> tuple[list[str], list[Finding]]:
        for key, value in auto_values(cfg, videos, automatic).items():
            set_value(cfg, key, value)
        return [], []

    return fit


def _unknown_videos(cfg: CfgNode, own: Collection[str], automatic: Collection[str]) -> tuple[list[str], list[Finding]]:
    write = "a number, or load_cfg(..., videos=N) with the number of training videos"
    return [], [
        Finding((key,), "is auto, and the number of training videos is not known here", write)
        for key in sorted(automatic)
    ]


def import_plugins_of(path: str | Path, overrides: Sequence[object] = ()) -> None:
    """Import the PLUGINS of a file and its overrides, so that their names and keys are known before it is loaded.

    What is wrong with the file or with them is for :func:`load` to say.
    """
    _import_plugins(read_file(path, [], []) | read_overrides(overrides, []))


def _import_plugins(settings: Mapping[str, Setting]) -> Problem | None:
    """The problem of the first plugin that cannot be imported."""
    setting = settings.get(KEY)
    if setting is None:
        return None
    try:
        names = interpret(definitions()[KEY], setting.value, setting.text)
        beside = None if setting.origin == COMMAND_LINE else Path(setting.origin.file).expanduser().parent
        import_plugins(names, beside)
    except ValueProblem:
        return None  # _merge reports it
    except PluginError as error:
        return Problem(KEY, setting.origin, f"{error.module} {error.wrong}", error.write)
    return None


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
    settings = parse(text, "configuration in the checkpoint", problems, [])
    if problems:
        raise ConfigError(problems)
    plugins = settings[KEY].value if KEY in settings else None
    for error in import_from_checkpoint(plugins if isinstance(plugins, list) else []):
        logger.warning("a plugin of the checkpoint is missing: %s", error)
    cfg = get_cfg()
    automatic = automatic_keys(settings)
    _merge(cfg, {key: settings[key] for key in settings if key not in automatic}, [], [])
    if (
        cfg.TASK not in task_defaults.TASKS
        and not cfg.TASK.startswith("ssl_eval")
        and not translation.asks_for_boxes(cfg)
    ):
        cfg.TASK = "ssl" if cfg.MODEL.MODEL_NAME == "ContrastiveModel" else "ssl_eval"
    task_defaults.resolve(cfg, settings.keys())
    cfg.freeze()
    return cfg


def _read_cluster(path: Path, problems: list[Problem], notes: list[str]) -> dict[str, Setting]:
    """Defaults of the user, under the SLURM section's names; a file that is not there holds none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problems.append(unreadable(path, error))
        return {}
    section, known = "SLURM.", [name.partition(".")[2] for name in definitions() if name.startswith("SLURM.")]
    settings: dict[str, Setting] = {}
    for key, setting in parse(text, str(path), problems, notes).items():
        if key in known:
            settings[section + key] = setting
            continue
        meant = nearest(key.removeprefix(section), known)
        why = ": the keys of the SLURM section stand here without its name" if key.startswith("SLURM") else ""
        remedy = f"{meant}, which is the nearest name" if meant and not why else meant
        problems.append(
            Problem(key, setting.origin, f"there is no such key{why}", remedy or f"one of {', '.join(known)}")
        )
    return settings


def _arguments_of_all(levels: Iterable[dict[str, Setting]]) -> dict[str, Setting]:
    """SLURM.ARGS of the user's defaults, the file and the command line together, for sbatch's last word counts."""
    key = "SLURM.ARGS"
    given = [level[key] for level in levels if key in level and level[key].value is not None]
    if not given or not all(isinstance(setting.value, list) for setting in given):
        return {}
    return {key: Setting([entry for setting in given for entry in setting.value], None, given[-1].origin)}


def _merge(cfg: CfgNode, settings: dict[str, Setting], problems: list[Problem], notes: list[str]) -> set[str]:
    """Put the settings into ``cfg``; returns the keys whose value is in doubt, so that checks leave them alone."""
    known = definitions()
    doubtful: set[str] = set()
    dropped: list[str] = []
    for key, setting in settings.items():
        if key in known:
            try:
                set_value(cfg, key, interpret(known[key], setting.value, setting.text))
            except ValueProblem as misfit:
                problems.append(Problem(key, setting.origin, str(misfit), misfit.write))
                doubtful.add(key)
        elif other_keys.is_foreign(key) and not _is_section(key, known):
            dropped.append(key)
            problems += _foreign_problems(key, setting)
        elif problem := _misplaced(key, setting, known):
            problems.append(problem)
            doubtful.add(nearest(key, known))
    if dropped:
        notes.append(f"PySlowFast's keys that change nothing here are left out: {', '.join(sorted(dropped))}")
    return doubtful


def _foreign_problems(key: str, setting: Setting) -> list[Problem]:
    if other_keys.has_no_effect(key, setting.value):
        return []
    wrong = f"{setting.value!r} changes results in PySlowFast, and rhovideo does not have it"
    return [Problem(key, setting.origin, wrong, f"{other_keys.NO_EFFECT[key]!r}, or leave the key out")]


def _is_section(key: str, known: Iterable[str]) -> bool:
    return any(name.startswith(f"{key}.") for name in known)


def _misplaced(key: str, setting: Setting, known: Collection[str]) -> Problem | None:
    """The problem of a key that is no leaf of the schema; an empty section is none."""
    if _is_section(key, known):
        if setting.value is None or setting.value == {}:
            return None
        return Problem(key, setting.origin, "is a section, it holds keys and no value", f"{key}.KEY")
    section = key.rpartition(".")[0]
    if section in known:
        return Problem(section, setting.origin, "is a key, not a section", f"{section}: VALUE")
    return Problem(key, setting.origin, "there is no such key", nearest_key(key, known))


def _located(finding: Finding, origins: dict[str, Origin], file: str) -> Problem:
    """A finding at the first of its keys that was written, else at the file as a whole."""
    origin = next((origins[key] for key in finding.keys if key in origins), Origin(file))
    return Problem(finding.keys[0], origin, finding.wrong, finding.write, finding.severity)


def _in_order(problems: list[Problem]) -> list[Problem]:
    """Each problem once, by line within its file, the command line last."""
    files = list(dict.fromkeys(problem.origin.file for problem in problems))
    place = {file: index for index, file in enumerate(files)} | {COMMAND_LINE.file: len(files)}
    return sorted(dict.fromkeys(problems), key=lambda problem: (place[problem.origin.file], problem.origin.line))
