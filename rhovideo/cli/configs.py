"""``rhovideo configs``: the recipes that come with the package, and a copy of one to edit."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from rhovideo.atomic_files import write_text
from rhovideo.cli.parsers import Commands, add_parser
from rhovideo.config.recipes.recipe_copy import whole_text
from rhovideo.config.recipes.recipe_files import Recipe, find_recipe, nearest_recipes, recipes
from rhovideo.errors import JobError
from rhovideo.terminal import print_line

CONFIGS_HELP = """\
List the recipes that come with rhovideo. `rhovideo run --cfg NAME` runs one from any folder.

  rhovideo configs
  rhovideo configs moco                                    those with moco in their name
  rhovideo configs --copy pretrain/MoCo_SlowR50_8x8_paper --to my.yaml

A copy holds all settings of the recipe, those of the files that it builds on too, and its OUTPUT_DIR is named after it.
A file of yours may also build on a recipe, and write only what is different:

  _BASE_: pretrain/MoCo_SlowR50_8x8_paper.yaml
  OUTPUT_DIR: outputs/mine
"""


def add_commands(commands: Commands) -> None:
    """Add the parser of ``configs``."""
    summary = "list the recipes, or copy one to edit"
    parser = add_parser(commands, "configs", summary, CONFIGS_HELP, configs_command)
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", default="", help="part of a name, in any case (all)")
    parser.add_argument("--copy", metavar="NAME", help="write this recipe to a file of yours")
    parser.add_argument("--to", metavar="FILE", type=Path, help="with --copy: the file (NAME.yaml in this folder)")


def configs_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo configs``."""
    if options.copy:
        file = copy_recipe(options.copy, options.to)
        print(f"wrote {file}; run it with `rhovideo run --cfg {shlex.quote(str(file))}`")
        return 0
    if options.to:
        raise JobError("--to is the file of a copy: write --copy NAME too")
    shown = [recipe for recipe in recipes() if options.pattern.lower() in recipe.name.lower()]
    if not shown:
        raise JobError(f"no recipe has {options.pattern!r} in its name; `rhovideo configs` lists all")
    print(_table(shown), end="")
    print_line("run one: rhovideo run --cfg NAME [KEY VALUE ...]; edit one: rhovideo configs --copy NAME")
    return 0


def copy_recipe(name: str, to: Path | None = None) -> Path:
    """Write a recipe to a file that does not exist yet.

    Args:
        name: of the recipe, with or without ``.yaml``.
        to: the file; None: the recipe's file name, in the current folder.

    Returns:
        The file.

    Raises:
        JobError: there is no such recipe, the file exists, or it cannot be written.
    """
    recipe = find_recipe(name)
    if recipe is None:
        near = nearest_recipes(name)
        remedy = f"write {' or '.join(near)}" if near else "`rhovideo configs` lists them"
        raise JobError(f"--copy {name}: there is no recipe of this name; {remedy}")
    file = to or Path(recipe.name)
    if file.exists():
        raise JobError(f"{file} exists already: write --to and the name of another file")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, whole_text(recipe, f"outputs/{file.stem}"))
    except OSError as error:
        raise JobError(f"{file}: cannot be written ({error.strerror}); write --to and another place") from error
    return file


def _table(shown: list[Recipe]) -> str:
    """A line for each recipe, and an empty line between two folders."""
    width = max(len(recipe.name) for recipe in shown)
    lines = []
    folder = shown[0].path.parent
    for recipe in shown:
        lines += [""] if recipe.path.parent != folder else []
        folder = recipe.path.parent
        lines.append(f"{recipe.name:{width}}  {recipe.summary}")
    return "\n".join(lines) + "\n"
