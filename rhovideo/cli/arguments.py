"""The parser of commands that take KEY VALUE pairs between their options."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

from rhovideo.config.findings import COMMAND_LINE, ConfigError, Problem
from rhovideo.config.recipes.recipe_files import names_configuration


class CommandParser(argparse.ArgumentParser):
    """An argparse parser that can keep KEY VALUE pairs, which may stand between options, as ``overrides``.

    Args:
        takes_overrides: put what is neither an option nor a positional argument into ``overrides``, in its order. A
            word with one dash that is no option, such as ``-1`` or ``-inf``, is then a value. Options are not to be
            abbreviated, and one that does not exist stops with the name of the nearest.
        arguments: of :class:`argparse.ArgumentParser`.
    """

    def __init__(self, *, takes_overrides: bool = False, **arguments: Any) -> None:
        super().__init__(allow_abbrev=not takes_overrides, **arguments)
        self._takes_overrides = takes_overrides
        if takes_overrides:
            # argparse takes what matches for an argument, where it is not the name of an option.
            self._negative_number_matcher = re.compile("-[^-]")

    def parse_known_args(  # type: ignore[override]  # typeshed has four overloads of it.
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse as argparse does; argparse calls this for the main command line and for that of each command.

        Args:
            args: the arguments; None takes ``sys.argv``.
            namespace: to put the options into; None makes one.

        Returns:
            The options and the arguments that are left over.

        Raises:
            ConfigError: this parser takes overrides, and an option does not exist.
        """
        if not self._takes_overrides:
            return super().parse_known_args(args, namespace)
        _refuse_unknown(args or (), self._option_string_actions)
        options, loose = super().parse_known_args(args, namespace)
        options.overrides = loose
        return options, []


def _refuse_unknown(arguments: Iterable[str], options: Iterable[str]) -> None:
    known = sorted(options)
    for argument in arguments:
        name = argument.partition("=")[0]
        if not name.startswith("--") or name in known:
            continue
        meant = difflib.get_close_matches(name.replace("_", "-"), known, n=1)
        remedy = meant[0] if meant else "--slurm-arg KEY=VALUE for an option of sbatch; --help lists the options"
        raise ConfigError(Problem(name, COMMAND_LINE, "there is no such option", remedy))


def split_configurations(arguments: Iterable[str]) -> tuple[list[str], list[str]]:
    """Sort configurations and KEY VALUE pairs apart: a YAML file or a recipe stands where a KEY would.

    Args:
        arguments: what follows ``--cfg``, and all that stands between the options.

    Returns:
        The configurations, and the KEY VALUE pairs as one list.
    """
    configurations: list[str] = []
    overrides: list[str] = []
    for argument in arguments:
        is_value = len(overrides) % 2
        (configurations if names_configuration(argument) and not is_value else overrides).append(argument)
    return configurations, overrides
