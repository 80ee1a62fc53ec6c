"""The recipe that a run came from, as far as its configuration shows: the one with the fewest other keys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from rhovideo.config.comparison import FILES, MACHINE, differences
from rhovideo.config.files.reading import load_cfg
from rhovideo.config.findings import ConfigError
from rhovideo.config.recipes.recipe_files import recipes
from rhovideo.errors import JobError
from rhovideo.report.run_record import RunRecord
from rhovideo.report.sections.wording import count
from rhovideo.runs.inputs import TRAINING_LIST

# A command with more changed keys is shorter with the run's own file.
MOST_OVERRIDES = 12


def nearest_recipe(run: RunRecord) -> tuple[str, Mapping[str, Any], list[str]] | None:
    """The recipe of the same task with the fewest other keys: its name, its values, and those keys.

    None where the run's configuration is not known.
    """
    if not run.cfg:
        return None
    besides = (*MACHINE, *FILES, "RNG_SEED")
    of_task = [(name, cfg) for name, cfg in _recipes(_training_videos(run)) if cfg.get("TASK") == run.task]
    fits = [(name, cfg, differences(cfg, run.cfg, besides)) for name, cfg in of_task]
    return min(fits, key=lambda each: len(each[2]), default=None)


def recipe_or_name(run: RunRecord) -> str:
    """The name of the nearest recipe, or the run's where more than a few keys differ from it."""
    nearest = nearest_recipe(run)
    return nearest[0] if nearest and len(nearest[2]) <= MOST_OVERRIDES else run.name


def recipe_text(run: RunRecord) -> str:
    """The name of the nearest recipe, and how many keys differ."""
    nearest = nearest_recipe(run)
    if nearest is None:
        return "–"
    changed = nearest[2]
    return f"{nearest[0]}, {count(len(changed), 'key')} changed" if changed else nearest[0]


@cache
def _recipes(videos: int | None) -> list[tuple[str, Mapping[str, Any]]]:
    """The recipes and their values; those with ``auto`` only where the number of training videos is known."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for recipe in recipes():
        try:
            found.append((recipe.name, load_cfg(recipe.path, videos=videos)))
        except (ConfigError, JobError):
            continue
    return found


def _training_videos(run: RunRecord) -> int | None:
    for item in run.inputs.get("inputs") or []:
        if isinstance(item, dict) and item.get("role") == TRAINING_LIST and isinstance(item.get("rows"), int):
            return int(item["rows"]) or None
    return None
