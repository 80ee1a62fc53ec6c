"""The parser of one command: its summary in the overview, its help, and the function that carries it out."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeAlias

# What ArgumentParser.add_subparsers returns; argparse's own class cannot be subscripted when it runs.
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

HelpFormatter = argparse.RawDescriptionHelpFormatter


def add_parser(
    commands: Commands, name: str, summary: str, text: str, function: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """Add a command whose arguments argparse reads alone.

    Args:
        commands: where it is added.
        name: the command.
        summary: its line in the overview.
        text: its help, laid out as it is shown.
        function: takes the options and returns the exit code.
    """
    parser = commands.add_parser(name, help=summary, description=text, formatter_class=HelpFormatter)
    parser.set_defaults(function=function)
    return parser
