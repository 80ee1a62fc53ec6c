"""The parser of all commands, and what becomes of their errors.

Torch is imported only once the arguments and the configurations are known to be right.
"""

from __future__ import annotations

import argparse
import difflib
import os
import signal
import sys
from importlib import metadata

import rhovideo
from rhovideo.cli import (
    clips,
    completion,
    configs,
    data,
    demo,
    evaluate,
    extract,
    index,
    keys,
    monitor,
    probe,
    report,
    run,
    scan,
    study,
    synthetic,
    weights,
)
from rhovideo.cli.arguments import CommandParser
from rhovideo.cli.overview import overview
from rhovideo.cli.parsers import Commands, HelpFormatter
from rhovideo.config.findings import ConfigError
from rhovideo.errors import JobError, as_foreseen
from rhovideo.launch.local.signals import REPORTED
from rhovideo.stopping import Stopped
from rhovideo.terminal import print_line, stage


def run_command_line(arguments: list[str]) -> int:
    """Run the command that the arguments name; the exit code, as of :func:`rhovideo.cli.main`.

    Args:
        arguments: without the program's name.
    """
    parser, commands = _parser()
    completion.complete_if_asked(parser, commands)
    if not arguments:
        print(parser.format_help(), end="")
        return 0
    try:
        code = _run_command(parser, commands, arguments)
        sys.stdout.flush()
        return code
    except ConfigError as error:
        print_line(error.report())
        return 2
    except JobError as error:
        print_line(str(error))
        # Where a command only reads, what is wrong is the path that was given.
        return 2 if arguments[0] in monitor.NAMES or arguments[0] == "configs" else 1
    except BrokenPipeError:
        # The reader has left (`| head`); so that the interpreter's own flush at its end does not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, RuntimeError) as error:
        foreseen = as_foreseen(error)
        if foreseen is None:
            raise
        print_line(str(foreseen))
        return 1
    except Stopped as stopped:
        print_line(str(stopped))
        return 128 + signal.SIGTERM
    except KeyboardInterrupt as interrupt:
        if interrupt.args != (REPORTED,):
            print("rhovideo: interrupted", file=sys.stderr)
        return 130


def _run_command(parser: argparse.ArgumentParser, commands: Commands, arguments: list[str]) -> int:
    """Run the command that the first argument names; its exit code."""
    if key := keys.asked_for(arguments):
        keys.print_keys(key)
        return 0
    name = arguments[0]
    if name == "help":
        asked = [word for word in arguments[1:2] if word in commands.choices]
        arguments = [*asked, "--help"]
        name = arguments[0]
    if not name.startswith("-") and name not in commands.choices:
        print_line(f"there is no command {name!r}: {_remedy(name, commands)}")
        return 2
    options = parser.parse_args(arguments)
    stage(f"{name}: reading its files")
    code: int = options.function(options)
    return code


# What other programs call our commands.
_OTHER_NAMES = {
    **dict.fromkeys(("train", "pretrain", "start", "launch", "fit", "sweep"), "run --cfg CONFIG"),
    **dict.fromkeys(("linear", "finetune", "knn"), "eval CHECKPOINT --data DIR --protocol {name}"),
    "logistic": "eval CHECKPOINT --data DIR --protocol fast",
    **dict.fromkeys(
        ("test", "evaluate", "evaluation", "validate", "val", "score"),
        "eval CHECKPOINT --data DIR --protocol PROTOCOL",
    ),
    **dict.fromkeys(
        ("features", "feature", "embed", "embeddings", "encode"), "extract CHECKPOINT --data DIR --out DIR"
    ),
    **dict.fromkeys(("list", "lists", "prepare"), "index FOLDER --out DIR"),
    **dict.fromkeys(("stats", "filter", "subset", "merge", "mix"), "data stats|filter|subset|merge LIST"),
    **dict.fromkeys(("recipes", "models", "zoo", "checkpoints"), "configs, or rhovideo weights"),
    **dict.fromkeys(("stop", "kill", "scancel"), "cancel RUN"),
    **dict.fromkeys(("log", "tail"), "logs RUN"),
    **dict.fromkeys(("jobs", "queue", "ps", "state"), "status RUN"),
    **dict.fromkeys(("check", "verify"), "scan CSV, or rhovideo run --cfg CONFIG --dry-run"),
    "version": "--version",
    "download": "weights",
}


def _remedy(name: str, commands: Commands) -> str:
    plain = name.lower().replace("_", "-").replace("-", "")
    # A command that is one letter away is meant rather than another program's name for one.
    near = difflib.get_close_matches(plain, commands.choices, n=1, cutoff=0.8)
    meant = difflib.get_close_matches(plain, _OTHER_NAMES, n=1, cutoff=0.8)
    if meant and (plain in _OTHER_NAMES or not near):
        return f"write rhovideo {_OTHER_NAMES[meant[0]].format(name=meant[0])}; `rhovideo` lists all commands"
    near = near or difflib.get_close_matches(name, commands.choices, n=1)
    return f"write rhovideo {near[0]}" if near else "`rhovideo` lists them"


def _parser() -> tuple[argparse.ArgumentParser, Commands]:
    parser = _Parser(prog="rhovideo", formatter_class=HelpFormatter)
    parser.add_argument("--version", action=_Version, nargs=0)
    each: type[argparse.ArgumentParser] = CommandParser
    commands: Commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=each)
    parser.commands = commands
    run.add_command(commands)
    evaluate.add_command(commands)
    study.add_command(commands)
    extract.add_command(commands)
    clips.add_command(commands)
    probe.add_command(commands)
    keys.add_command(commands)
    index.add_command(commands)
    scan.add_command(commands)
    synthetic.add_command(commands)
    for module in (configs, data, demo, monitor, report, weights, completion):
        module.add_commands(commands)
    return parser, commands


class _Parser(argparse.ArgumentParser):
    """The whole command line's, whose help is the overview."""

    commands: Commands

    def format_help(self) -> str:
        return overview({choice.dest: choice.help or "" for choice in self.commands._choices_actions})


class _Version(argparse.Action):
    """Prints the versions that a report of a failure needs, torch's without importing it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        python = ".".join(map(str, sys.version_info[:3]))
        try:
            torch = f"torch {metadata.version('torch')}"
        except metadata.PackageNotFoundError:
            torch = "no torch"
        print(f"rhovideo {rhovideo.__version__} (Python {python}, {torch})")
        parser.exit()
