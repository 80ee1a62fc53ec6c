"""Commands that write a configuration and run it, ``eval`` and ``extract``: their words, and what they share."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rhovideo.atomic_files import write_text
from rhovideo.cli.run import add_launch_flags
from rhovideo.config.findings import COMMAND_LINE, ConfigError, Problem
from rhovideo.launch.plan import check_plan, make_plan, print_configurations
from rhovideo.terminal import say

_ENCODERS = ("online", "momentum")


def add_parser(
    commands: argparse._SubParsersAction, name: str, summary: str, text: str, usage: str
) -> argparse.ArgumentParser:
    """A parser of CHECKPOINT and the flags that these commands share."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=usage,
        takes_overrides=True,
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a file, an URL or a released one's short name")
    parser.add_argument("--encoder", choices=_ENCODERS, default="online", help="of MoCo and BYOL (online)")
    parser.add_argument("--print-cfg", action="store_true", help="print the configuration and stop")
    parser.add_argument("--dry-run", action="store_true", help="check, print what would run and stop")
    add_launch_flags(parser)
    return parser


def launch_written(config: Path, text: str, slurm: bool, resume: bool) -> int:
    """Write a configuration and run it, or queue it; the exit code.

    Raises:
        ConfigError, JobError: what keeps it from starting.
    """
    config.parent.mkdir(parents=True, exist_ok=True)
    write_text(config, text)
    plan = make_plan([str(config)], slurm=slurm)
    check_plan(plan)
    if slurm:
        from rhovideo.launch.slurm.launcher import submit_plan

        return submit_plan(plan, resume=resume)
    from rhovideo.launch.local.runner import run_plan

    return run_plan(plan)


def refuse_flags_as_keys(overrides: Sequence[object], flag_of: Mapping[str, str]) -> None:
    """Stop where a key is given that a flag decides.

    Raises:
        ConfigError: naming the flag of each.
    """
    wrong = "is decided by the command's own words"
    problems = [Problem(key, COMMAND_LINE, wrong, flag_of[key]) for key in map(str, overrides[::2]) if key in flag_of]
    if problems:
        raise ConfigError(problems)


def show_written(
    options: argparse.Namespace, name: str, text: str, slurm: bool, checked: str, check: bool = True
) -> int:
    """Print what would run, for --dry-run and --print-cfg; nothing is left behind.

    Args:
        options: the command's.
        name: of the configuration's file.
        text: of the configuration.
        slurm: whether it would be queued.
        checked: what the command has looked at, for the last line.
        check: whether its files are there already, to be looked at too.
    """
    with tempfile.TemporaryDirectory(prefix="rhovideo-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        plan = make_plan([str(path)], slurm=slurm)
        if slurm and not options.print_cfg:
            from rhovideo.launch.slurm.launcher import submit_plan

            return submit_plan(plan, dry_run=True)
    if options.print_cfg:
        print_configurations(plan)
        return 0
    if check:
        check_plan(plan)
    from rhovideo.cli.dry_run import check_this_machine, verdict

    gpus = check_this_machine(plan)
    print(text, end="")
    say(verdict(checked, gpus))
    return 0
