"""``rhovideo keys``: the keys of the configuration, each with its default, meaning and what it may hold."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from rhovideo.config.extension.plugins import PluginError, import_plugins
from rhovideo.config.findings import COMMAND_LINE, ConfigError, Problem
from rhovideo.config.keys import nearest_key
from rhovideo.config.schema import definitions
from rhovideo.config.schema.reference import in_full, in_short, matching, of_pyslowfast
from rhovideo.terminal import print_line

HELP = """\
Print the keys of the configuration: default, values and meaning of each.

examples:
  All of a section, or all that are about something:
    rhovideo keys SOLVER.
    rhovideo keys queue
    rhovideo keys "DATA.*CROP*"

  Everything that is known of one key; the second line does the same:
    rhovideo keys TEST.BATCH_SIZE
    rhovideo run --help TEST.BATCH_SIZE

  Those of a module of yours, which PLUGINS names:
    rhovideo keys VICREG. --plugins vicreg
"""


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``keys``."""
    parser = commands.add_parser(
        "keys",
        help="print the keys of the configuration",
        description=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "pattern", metavar="PATTERN", nargs="?", default="", help="part of a name, or a pattern with * and ?"
    )
    parser.add_argument("--plugins", metavar="MODULE", nargs="+", default=[], help="modules to import first")
    parser.set_defaults(function=_keys)


def _keys(options: argparse.Namespace) -> int:
    try:
        import_plugins(options.plugins, Path.cwd())
    except PluginError as error:
        raise ConfigError(Problem(error.key, COMMAND_LINE, f"{error.module} {error.wrong}", error.write)) from error
    if not matching(options.pattern) and not of_pyslowfast(options.pattern.upper()):
        remedy = nearest_key(options.pattern, definitions())
        own = "" if options.plugins else "; keys of a module of yours are listed with --plugins MODULE"
        print_line(f"no key has {options.pattern} in its name: write {remedy}{own}")
        return 2
    print_keys(options.pattern)
    return 0


def print_keys(pattern: str) -> None:
    """Print the keys that a pattern fits; of one alone, everything.

    Raises:
        ConfigError: it fits none; the message names the nearest.
    """
    found = matching(pattern)
    if not found:
        theirs = of_pyslowfast(pattern.upper())
        if not theirs:
            raise ConfigError(
                Problem(pattern, COMMAND_LINE, "there is no such key", nearest_key(pattern, definitions()))
            )
        print(theirs)
    elif len(found) == 1:
        print(in_full(found[0]))
    else:
        print("\n".join(in_short(key) for key in found))


def asked_for(words: Sequence[str]) -> str:
    """The key that ``--help KEY`` asks for; empty where the help of a command is wanted."""
    for flag, word in pairwise(words):
        if flag in ("-h", "--help") and word.partition(".")[0].isupper():
            return word
    return ""
