"""The command line, a module for each command or kind of command.

This module imports almost nothing, so that the first words come at once also where importing the commands takes long.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from rhovideo.terminal import print_line, start_beats, stop_beats

# `logs -f` waits for what others write; the shell waits for `completion`.
_WITHOUT_BEATS = ("logs", "completion")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; None takes ``sys.argv``.

    Returns:
        The exit code: 0; 1 where something failed; 2 where the arguments or a configuration are wrong; 130 after
        Ctrl-C, 143 after SIGTERM.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and not arguments[0].startswith("-") and arguments[0] not in _WITHOUT_BEATS:
        start_beats(f"{arguments[0]}: starting")
    try:
        try:
            from rhovideo.cli.command_line import run_command_line
        except KeyboardInterrupt:
            # Ctrl-C while the commands are imported.
            print_line("interrupted")
            return 128 + signal.SIGINT
        return run_command_line(arguments)
    finally:
        stop_beats()
