"""The command line: ``rhovideo run``, the commands that look at runs, and those about data and weights.

Torch is imported only once the words and the configurations are known to be right.
"""

from __future__ import annotations

import argparse
import difflib
import os
import signal
import sys
from collections.abc import Sequence

from rhovideo.cli import data, evaluate, extract, keys, monitor, run, weights
from rhovideo.cli.arguments import CommandParser
from rhovideo.config.findings import ConfigError
from rhovideo.errors import JobError
from rhovideo.launch.local.signals import TOLD
from rhovideo.stopping import Stopped
from rhovideo.terminal import complain, say

# What tools/run_net.py understands beside the words of `run`.
LOOK_COMMANDS = ("status", "logs", "cancel", "results")

COMMANDS = ("run", "eval", "extract", *LOOK_COMMANDS, "keys", "index", "scan", "synthetic", "weights", "export")

OVERVIEW = """\
Unsupervised learning from videos: pre-train an encoder on rho clips of each video, then measure it.

  rhovideo index /data/videos --out data/mine          list the videos of a folder
  rhovideo run --cfg configs/pretrain/MoCo_SlowR50_8x8.yaml DATA.PATH_TO_DATA_DIR data/mine
  rhovideo eval byol_slow_r50_8x8_rho4 --data data/k400 --protocol linear
  rhovideo extract byol_slow_r50_8x8_rho4 --data /data/videos --out features/mine
  rhovideo run --help                                  more on running, on clusters and on sweeps
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        words: without the program's name; None takes ``sys.argv``.

    Returns:
        The exit code: 0; 1 where something failed; 2 where the words or a configuration are wrong; 130 after Ctrl-C,
        143 after SIGTERM.
    """
    words = list(sys.argv[1:] if words is None else words)
    parser = _parser()
    try:
        if key := keys.asked_for(words):
            keys.print_keys(key)
            return 0
        if meant := _meant_command(words):
            say(f"there is no command {words[0]!r}: write rhovideo {meant}")
            return 2
        options = parser.parse_args(words)
        code = options.function(options)
        sys.stdout.flush()
        return code
    except ConfigError as error:
        complain(error)
        return 2
    except JobError as error:
        say(str(error))
        # Who only looks has named what is not there.
        return 2 if words[0] in LOOK_COMMANDS else 1
    except BrokenPipeError:
        # Nobody reads on (`| head`); so that the interpreter's own flush at its end does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Stopped as stopped:
        say(str(stopped))
        return 128 + signal.SIGTERM
    except KeyboardInterrupt as interrupt:
        if interrupt.args != (TOLD,):
            print("rhovideo: interrupted", file=sys.stderr)
        return 130


def _meant_command(words: Sequence[str]) -> str:
    """The command nearest to one that does not exist; empty where there is none near, which argparse tells."""
    near = difflib.get_close_matches(words[0], COMMANDS, n=1) if words else []
    return near[0] if near and words[0] not in COMMANDS else ""


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = CommandParser(prog="rhovideo", description=OVERVIEW, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run.add_command(commands)
    evaluate.add_command(commands)
    extract.add_command(commands)
    monitor.add_commands(commands)
    keys.add_command(commands)
    data.add_commands(commands)
    weights.add_commands(commands)
    return parser


__all__ = ["LOOK_COMMANDS", "main"]
