"""The recipes that come with the package, found by name from any folder: ``pretrain/MoCo_SlowR50_8x8_paper``.

A wheel holds them in ``rhovideo/recipes``, where setup.py puts the files of ``configs/``; a checkout, also one that
is installed in place, has them in ``configs/`` next to the package.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[2]
# Names that begin so are parts of recipes, which others build on.
_PART = "_"
# Tables of cells, no configurations.
_STUDIES = "studies"
_MOST_NEAREST = 3


@dataclass(frozen=True)
class Recipe:
    """A configuration that comes with the package.

    Attributes:
        name: folder and file name, without ``.yaml``.
        path: the file.
        summary: the first line of the comment at its top.
    """

    name: str
    path: Path
    summary: str


def recipes_folder() -> Path:
    """The folder of all recipes."""
    packed = _PACKAGE / "recipes"
    return packed if packed.is_dir() else _PACKAGE.parent / "configs"


def recipes() -> list[Recipe]:
    """All recipes that can be run, sorted by name."""
    folder = recipes_folder()
    found = folder.glob("*/*.yaml")
    paths = sorted(path for path in found if not path.name.startswith(_PART) and path.parent.name != _STUDIES)
    return [Recipe(_name(path), path, _summary(path)) for path in paths]


def names_configuration(argument: str) -> bool:
    """True if a command-line argument means a configuration: a YAML file or a recipe. No key looks like one."""
    return argument.endswith((".yaml", ".yml")) or ("/" in argument and "=" not in argument)


def find_configuration(path: str | Path) -> Path:
    """The file that is meant: the one at this path, or the recipe of this name, with or without ``.yaml``.

    Args:
        path: as it was written, ``~`` included.

    Returns:
        The path of a file; ``path`` itself where there is neither a file nor a recipe.
    """
    try:
        expanded = Path(path).expanduser()
        if expanded.is_file():
            return expanded
    except (OSError, RuntimeError, ValueError):  # too long, of a user who does not exist, with a NUL
        return Path(path)
    return find_recipe(path) or Path(path)


def find_recipe(name: str | Path) -> Path | None:
    """The file of a recipe, or of a part of one (``pretrain/_base_``); None where there is none of this name."""
    files = (recipes_folder() / ending for ending in (name, f"{name}.yaml"))
    try:
        return next((file for file in files if is_recipe(file)), None)
    except (OSError, ValueError):  # too long, with a NUL
        return None


def is_recipe(file: str | Path) -> bool:
    """True if a file is a recipe or a part of one: an absolute path or ``..`` may lead out of the folder."""
    path = Path(file)
    return path.suffix == ".yaml" and path.is_file() and recipes_folder() in path.resolve().parents


def nearest_recipes(name: str | Path) -> list[str]:
    """The names of the recipes that were most likely meant, the nearest first; empty where none is near.

    ``MoCo_SlowR50_8x8`` and ``configs/pretrain/MoCo_SlowR50_8x8.yaml`` find ``pretrain/MoCo_SlowR50_8x8``, and ``MoCo``
    every recipe of MoCo.
    """
    wanted = Path(name).as_posix().lower().removesuffix(".yaml")
    known = {recipe.name.lower(): recipe.name for recipe in recipes()}
    same_end = [known[low] for low in known if low.endswith(f"/{wanted}") or wanted.endswith(f"/{low}")]
    holding = [known[low] for low in known if wanted in low]
    close = [known[low] for low in difflib.get_close_matches(wanted, list(known), n=_MOST_NEAREST, cutoff=0.6)]
    return list(dict.fromkeys([*same_end, *holding] or close))[:_MOST_NEAREST]


def _name(path: Path) -> str:
    return path.relative_to(recipes_folder()).with_suffix("").as_posix()


def _summary(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.readline().lstrip("#").strip()
