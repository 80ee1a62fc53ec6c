"""The parts that ``eval`` and ``extract`` share: both write a configuration, and run it."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rhovideo.atomic_files import write_text, writing
from rhovideo.cli.dry_run import show_generated
from rhovideo.cli.parsers import Commands
from rhovideo.cli.run import add_launch_flags
from rhovideo.config.findings import COMMAND_LINE, ConfigError, Problem
from rhovideo.launch.before_start import Place
from rhovideo.launch.local.runner import run_plan
from rhovideo.launch.plan import Cell, Plan, make_plan, print_configurations
from rhovideo.launch.slurm.launcher import submit_plan

_ENCODERS = ("online", "momentum")


def add_parser(commands: Commands, name: str, summary: str, text: str, usage: str) -> argparse.ArgumentParser:
    """A parser of CHECKPOINT and the flags that these commands share."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=usage,
        takes_overrides=True,
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a file, a URL or a released one's short name")
    parser.add_argument("--encoder", choices=_ENCODERS, default="online", help="which encoder of MoCo or BYOL (online)")
    parser.add_argument("--print-cfg", action="store_true", help="print the configuration and stop")
    parser.add_argument("--dry-run", action="store_true", help="check, print what would run and stop")
    add_launch_flags(parser)
    return parser


def launch_written(config: Path, text: str, slurm: bool, resume: bool) -> int:
    """Write a configuration and run it, or queue it; the exit code.

    Raises:
        ConfigError, JobError: what keeps it from starting.
    """
    with writing(config):
        config.parent.mkdir(parents=True, exist_ok=True)
    write_text(config, text)
    plan = make_plan([str(config)], slurm=slurm)
    return submit_plan(plan, resume=resume) if slurm else run_plan(plan)


def launch_cells(out: Path, cells: Mapping[str, tuple[Path, str]], slurm: bool, resume: bool) -> int:
    """Write several configurations and run them one after the other, or queue them together; the exit code.

    Args:
        out: the folder of all, a study.
        cells: by name, the file of a configuration in ``out``, and its text.
        slurm: whether SLURM runs them.
        resume: on SLURM, whether to go on in run folders that hold a run already.

    Raises:
        ConfigError, JobError: what keeps them from starting.
    """
    made = []
    for name, (config, text) in cells.items():
        with writing(config):
            config.parent.mkdir(parents=True, exist_ok=True)
        write_text(config, text)
        made.append(Cell(name, {}, make_plan([str(config)], slurm=slurm).jobs))
    plan = Plan(made, out)
    return submit_plan(plan, resume=resume) if slurm else run_plan(plan)


def refuse_flags_as_keys(overrides: Sequence[object], flag_of: Mapping[str, str]) -> None:
    """Refuse keys that a flag decides.

    Raises:
        ConfigError: naming the flag of each.
    """
    wrong = "is decided by an argument of this command"
    problems = [Problem(key, COMMAND_LINE, wrong, flag_of[key]) for key in map(str, overrides[::2]) if key in flag_of]
    if problems:
        raise ConfigError(problems)


def show_written(
    options: argparse.Namespace, name: str, text: str, checked: Sequence[str], without: Collection[str] = ()
) -> int:
    """Print what would run, for --dry-run and --print-cfg; nothing is left behind. Returns the exit code.

    Args:
        options: the command's.
        name: of the configuration's file.
        text: of the configuration.
        checked: what the command has checked by itself, for the last line.
        without: names of checks to leave out, of files that the command writes when it starts.
    """
    slurm = options.launcher == "slurm"
    with tempfile.TemporaryDirectory(prefix="rhovideo-") as folder:
        path = Path(folder) / name
        path.write_text(text, encoding="utf-8")
        plan = make_plan([str(path)], slurm=slurm)
    if options.print_cfg:
        print_configurations(plan)
    else:
        place: Place = "slurm" if slurm else "local"
        show_generated(plan, text, place, resume=options.resume, checked=checked, without=without)
    return 0
