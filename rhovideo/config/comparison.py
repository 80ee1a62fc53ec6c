"""Comparison of two configurations by the keys that their results depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rhovideo.config.schema import get_cfg
from rhovideo.config.task_defaults import TRAINS

# Keys, and sections where they end with a point, on which no result depends: where a job runs, and what it leaves.
MACHINE = (
    # Plugins register names; those that are used are in the keys that hold them.
    "PLUGINS",
    *("NUM_GPUS", "NUM_CPU_PROCESSES", "NUM_SHARDS", "SHARD_ID", "DIST_BACKEND", "DIST_TIMEOUT_MINUTES", "SLURM."),
    *("OUTPUT_DIR", "LOG_PERIOD", "LOG_MODEL_INFO", "LOG_DIAGNOSTICS", "TENSORBOARD.", "LOGGERS."),
    *("DATA_LOADER.", "DATA.MANIFEST_CACHE"),
    *("MODEL.ACT_CHECKPOINT", "MODEL.CHANNELS_LAST", "MODEL.COMPILE", "CONTRASTIVE.KEYS_AT_ONCE"),
    *("TEST.BATCH_SIZE", "TEST.SAVE_RESULTS_PATH", "TRAIN.AUTO_RESUME"),
    *("TRAIN.CHECKPOINT_PERIOD", "TRAIN.CHECKPOINT_MINUTES", "TRAIN.CHECKPOINT_KEEP", "TRAIN.EVAL_PERIOD"),
)
# The places of the videos and of the weights.
FILES = (
    *("DATA.PATH_TO_DATA_DIR", "TRAIN.CHECKPOINT_FILE_PATH", "TEST.CHECKPOINT_FILE_PATH"),
    "DATA.MAX_BAD_VIDEO_SHARE",
)
# The share of a step that is computed at once, on which the statistics of batch norm depend where they are not frozen.
_SHARES = ("TRAIN.BATCH_SIZE", "TRAIN.ACCUMULATE_STEPS")


def keys_without_effect(cfg: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that the result does not depend on. The batch is one of them: :func:`global_batch` is to be compared.

    Args:
        cfg: a whole configuration, nested.
    """
    frozen = cfg["TASK"] not in TRAINS or cfg["MODEL"]["FROZEN_BN"]
    return MACHINE + (_SHARES if frozen else ())


def global_batch(cfg: Mapping[str, Any]) -> int | None:
    """The videos of a step over all machines; None where nothing is trained."""
    return cfg["TRAIN"]["BATCH_SIZE"] * cfg["NUM_SHARDS"] if cfg["TASK"] in TRAINS else None


def differences(one: Mapping[str, Any], other: Mapping[str, Any], besides: Sequence[str]) -> list[str]:
    """The keys in which two configurations differ, without those of ``besides``.

    Args:
        one, other: whole configurations, nested. A key that only one of them knows has its default in the other, which
            an earlier version wrote.
        besides: keys, and sections that end with a point.
    """
    first, second = _with_the_same_keys(one, other)
    return [
        key
        for key in dict.fromkeys([*first, *second])
        if first.get(key) != second.get(key) and not is_among(key, besides)
    ]


def differing_values(
    one: Mapping[str, Any], other: Mapping[str, Any], besides: Sequence[str]
) -> dict[str, tuple[Any, Any]]:
    """The keys that both configurations have with different values, and the two values.

    A key that one of them lacks and that has no default is left out: it is of a plugin, or gone.

    Args:
        one, other: as of :func:`differences`.
        besides: keys, and sections that end with a point.
    """
    first, second = _with_the_same_keys(one, other)
    return {
        key: (first[key], second[key])
        for key in first
        if key in second and first[key] != second[key] and not is_among(key, besides)
    }


def in_words(values: Mapping[str, tuple[Any, Any]]) -> list[str]:
    """Each key of :func:`differing_values` in words, with both values."""
    return [f"{key} was {was!r} and is {now!r} now" for key, (was, now) in values.items()]


def settings_with_effect(cfg: Mapping[str, Any], besides: Sequence[str] = ()) -> dict[str, Any]:
    """The settings that differ from the defaults and that the result depends on, under dotted keys.

    Args:
        cfg: a whole configuration, nested.
        besides: other keys to leave out, and sections that end with a point.
    """
    left_out = (*keys_without_effect(cfg), *besides)
    defaults = _flat(get_cfg())
    flat = _flat(cfg)
    # A key of a plugin that was not imported here has no default.
    return {
        key: value
        for key, value in flat.items()
        if (key not in defaults or value != defaults[key]) and not is_among(key, left_out)
    }


def _with_the_same_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both configurations with dotted keys; a key that only one of them knows has its default in the other."""
    first, second, defaults = _flat(one), _flat(other), _flat(get_cfg())
    # A default of None is filled in when a configuration is loaded, so it is no value to compare with.
    usual = {key: defaults[key] for key in [*first, *second] if defaults.get(key) is not None}
    return {**usual, **first}, {**usual, **second}


def is_among(key: str, names: Sequence[str]) -> bool:
    """True if a key is one of the names, or in a section of them, whose names end with a point."""
    return any(key.startswith(name) if name.endswith(".") else key == name for name in names)


def _flat(cfg: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in cfg.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = list(value) if isinstance(value, tuple) else value
    return flat
