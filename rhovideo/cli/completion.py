"""The Tab key: ``rhovideo completion``, and what may stand where. Imports no torch, for every Tab waits for it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable

from rhovideo.cli.parsers import Commands, add_parser
from rhovideo.config.keys import leaves
from rhovideo.config.recipes.recipe_files import recipes
from rhovideo.config.schema import get_cfg
from rhovideo.zoo.catalogue import ENTRIES

SHELLS = ("bash", "zsh", "fish")
# argcomplete's, which the shell's function sets.
_ASKED = "_ARGCOMPLETE"

COMPLETION_HELP = """\
Print the script with which the Tab key completes commands, recipes, keys and checkpoints. Put one of these lines into
your shell's start file:

  eval "$(rhovideo completion bash)"                       ~/.bashrc
  eval "$(rhovideo completion zsh)"                        ~/.zshrc, after compinit
  rhovideo completion fish | source                        ~/.config/fish/config.fish
"""


def add_commands(commands: Commands) -> None:
    """Add the parser of ``completion``."""
    summary = "print the script for completion with the Tab key"
    parser = add_parser(commands, "completion", summary, COMPLETION_HELP, completion_command)
    parser.add_argument("shell", choices=SHELLS, help="your shell")


def completion_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo completion``."""
    from argcomplete.shell_integration import shellcode

    sys.stdout.write(shellcode(["rhovideo"], shell=options.shell))
    return 0


def complete_if_asked(parser: argparse.ArgumentParser, commands: Commands) -> None:
    """Answer the shell and end the process, where a Tab has started it; else do nothing.

    Args:
        parser: of the whole command line.
        commands: its commands.
    """
    if _ASKED not in os.environ:
        return
    import argcomplete

    for command in commands.choices.values():
        for action in command._actions:
            if action.dest in _COMPLETERS:
                setattr(action, "completer", _COMPLETERS[action.dest])  # noqa: B010 (argcomplete's own attribute)
    argcomplete.autocomplete(parser)


def _configurations(prefix: str, **_: object) -> Iterable[str]:
    """After ``--cfg``: keys where the word looks like one, else files and recipes."""
    if prefix and prefix[0].isupper():
        return _keys()
    from argcomplete.completers import FilesCompleter

    return [*_recipe_names(), *FilesCompleter(("yaml", "yml"))(prefix)]


def _recipe_names(**_: object) -> list[str]:
    return [recipe.name for recipe in recipes()]


def _keys(**_: object) -> list[str]:
    return [key for key, _ in leaves(get_cfg())]


def _checkpoints(prefix: str, **_: object) -> Iterable[str]:
    from argcomplete.completers import FilesCompleter

    return [*(entry.name for entry in ENTRIES), *FilesCompleter(("pyth", "pkl"))(prefix)]


# What may stand in place of an argument, by its name in argparse's namespace; of the others: choices, else files.
_COMPLETERS = {"cfg": _configurations, "opts": _keys, "copy": _recipe_names, "checkpoint": _checkpoints}
