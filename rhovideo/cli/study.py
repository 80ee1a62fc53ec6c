"""``rhovideo study``: the tables of the paper, or of one's own, with all their trainings and measurements."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rhovideo.checks.files import check_folder_name, check_output_folder
from rhovideo.cli.parsers import Commands
from rhovideo.cli.run import add_launch_flags, flags_as_overrides
from rhovideo.config.findings import COMMAND_LINE, ConfigError, Origin, Problem
from rhovideo.terminal import print_line

if TYPE_CHECKING:
    from rhovideo.studies.jobs import Request

STUDY_HELP = """\
Run a study: a table whose cells are trainings with their measurements. The paper's tables come with the package.

  rhovideo study table2 --data K400=data/k400 UCF101=data/ucf101
  rhovideo study --list                                        all studies, and the data sets that each needs

NAME is a study that --list shows (table2, figure3; table4 is table4a to table4c; all), or a YAML file of your own: copy
one with `rhovideo study table2 --print > mine.yaml`. docs/studies.md explains the file.
--data gives the folder of each data set's lists, as `rhovideo index` writes them. Cells whose data set is not given are
left out, and named.

A training that several tables have is done once, if they have the same --out. The same command goes on where it
stopped, and starts no finished job again.

examples:
  rhovideo study table2 --data K400=data/k400 UCF101=data/ucf101 --seeds 1 2 3 --dry-run
  rhovideo study table2 --data K400=data/k400 UCF101=data/ucf101 --only 2/BYOL '*/MoCo/K'
  rhovideo study table2 table3 --data K400=data/k400 --launcher slurm --gpus-per-node 8 --nodes 8 --max-jobs 4
  rhovideo study table2 --miniature                            generated videos and tiny networks: does all of it run?
  rhovideo results outputs/study

--only takes cells by ROW/COLUMN/MEASURE, with * for any.
"""

STUDY_USAGE = """rhovideo study NAME [NAME ...] --data NAME=FOLDER [...] [--out FOLDER] [--seeds N ...]
       [--only CELL ...] [--miniature] [--cost] [--dry-run] [--launcher slurm [SLURM FLAGS]] [--opts KEY VALUE ...]"""

OUT = "outputs/study"
MINIATURE_OUT = "outputs/study_miniature"


def add_command(commands: Commands) -> None:
    """Add the parser of ``study``."""
    parser = commands.add_parser(
        "study",
        help="run the paper's tables, or your own",
        description=STUDY_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=STUDY_USAGE,
        takes_overrides=True,
    )
    add = parser.add_argument
    add("studies", metavar="NAME", nargs="*", help="studies, or YAML files")
    add("--list", action="store_true", help="show all studies and stop")
    add("--print", action="store_true", dest="print_file", help="print the study's file and stop")
    add("--data", metavar="NAME=FOLDER", nargs="+", action="extend", default=[], help="folder of a data set's lists")
    add("--out", metavar="FOLDER", help=f"where all runs go ({OUT}; of a miniature {MINIATURE_OUT})")
    add("--seeds", metavar="N", nargs="+", type=int, default=[1], help="RNG_SEED of each repetition (1)")
    add("--only", metavar="CELL", nargs="+", action="extend", default=[], help="ROW/COLUMN/MEASURE, with * for any")
    add("--miniature", action="store_true", help="generated data and tiny networks; no number means anything")
    add("--workers", metavar="N", type=int, default=1, help="jobs at a time on this machine (1)")
    add("--cost", action="store_true", help="measure a few steps, print the cost of all of it, and stop")
    add("--dry-run", action="store_true", help="check, print the jobs and stop")
    add("--opts", metavar="KEY VALUE", nargs="+", action="extend", default=[], help="overrides for all jobs")
    add_launch_flags(parser)
    parser.set_defaults(function=study_command)


def study_command(options: argparse.Namespace) -> int:
    """Make the jobs of the studies and run them, queue them, or show them; the exit code."""
    from rhovideo.studies.entries import read_study_text
    from rhovideo.studies.listing import as_lines
    from rhovideo.studies.study_file import find_studies

    if options.list:
        print(as_lines(), end="")
        return 0
    names, overrides = _split(options.studies + options.overrides, options.opts)
    if not names:
        print_line("no study. Write its name; `rhovideo study --list` shows them, --help explains")
        return 2
    paths = find_studies(names)
    if options.print_file:
        for path in paths:
            print(read_study_text(path), end="")
        return 0
    return _run(options, paths, overrides)


def _run(options: argparse.Namespace, paths: Sequence[Path], overrides: list[str]) -> int:
    from rhovideo.launch.local.runner import run_plan
    from rhovideo.launch.slurm.launcher import submit_plan
    from rhovideo.runs.lock import held_to_submit
    from rhovideo.studies.jobs import make_study
    from rhovideo.studies.listing import show_plan
    from rhovideo.studies.record_merge import check_same_study, keep_record
    from rhovideo.studies.study_reader import read_study_file

    slurm = options.launcher == "slurm"
    studies = [read_study_file(path) for path in paths]
    _check(options)
    request = _request(options, [name for study in studies for name in study.data], overrides)
    plan, record = make_study(studies, request)
    show_plan(plan, record)
    if not plan.cells and not any(table.lists for table in record.tables):
        needed = dict.fromkeys(name for study in studies for name in study.data)
        print_line(f"nothing to run. Write --data {' '.join(f'{name}=FOLDER' for name in needed)}")
        return 2
    if options.cost:
        from rhovideo.studies.cost import print_cost

        print_cost(plan, record)
        return 0
    check_same_study(request.out, record)
    if options.dry_run:
        from rhovideo.cli.dry_run import check_plan

        check_plan(plan, "slurm" if slurm else "local", resume=options.resume)
        return 0
    if not plan.cells:
        with held_to_submit(request.out):
            keep_record(request.out, record)
        print_line(f"nothing to run. Its tables: rhovideo results {shlex.quote(str(request.out))}")
        return 0
    plan = replace(plan, keep=partial(keep_record, request.out, record))
    return submit_plan(plan, resume=options.resume) if slurm else run_plan(plan, options.workers)


def _check(options: argparse.Namespace) -> None:
    problems = []
    if options.out is not None and (wrong := check_folder_name(options.out)):
        problems.append(Problem("", Origin("--out"), wrong, "--out outputs/NAME"))
    elif options.out is not None:
        found = check_output_folder(Path(options.out))
        problems += [Problem("", Origin("--out"), each.wrong, each.write) for each in found]
    for seed in dict.fromkeys(seed for seed in options.seeds if options.seeds.count(seed) > 1):
        problems.append(Problem("", Origin("--seeds"), f"{seed} is given twice", "each seed once"))
    if options.workers < 1:
        problems.append(Problem("", Origin("--workers"), f"is {options.workers}", "1 or more"))
    if options.miniature and options.launcher == "slurm":
        wrong = "is for this machine: its jobs take seconds, and a queue takes longer"
        problems.append(Problem("", Origin("--miniature"), wrong, "it without --launcher slurm"))
    if options.miniature and options.data:
        wrong = "is given too, and a miniature makes its own videos"
        problems.append(Problem("", Origin("--data"), wrong, "one of the two"))
    if problems:
        raise ConfigError(problems)


def _request(options: argparse.Namespace, names: Sequence[str], overrides: list[str]) -> Request:
    """The request, whose miniature data are written."""
    from rhovideo.studies.data_sets import DataSets, read_data_words
    from rhovideo.studies.jobs import Request

    words: list[object] = [*overrides, *flags_as_overrides(options, overrides)]
    out = Path(options.out or (MINIATURE_OUT if options.miniature else OUT))
    common = {"seeds": options.seeds, "overrides": words, "only": options.only, "slurm": options.launcher == "slurm"}
    if not options.miniature:
        given = read_data_words(options.data)
        for name in sorted(given.keys() - set(names)):
            print_line(f"--data {name}: not used; these studies use {', '.join(dict.fromkeys(names))}")
        return Request(out, DataSets(given, out / "lists"), **common)
    from rhovideo.studies import miniature

    folders = miniature.write_data(out / "data", names)
    data = DataSets(folders, out / "lists", miniature.VIDEO_SHARE)
    return Request(out, data, shrink=miniature.shrink, **common)


def _split(words: Sequence[str], opts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Sort names of studies and KEY VALUE pairs apart: a name has no capitals, and a file ends with .yaml."""
    names: list[str] = []
    overrides: list[str] = []
    for word in words:
        is_name = re.fullmatch(r"[a-z][a-z0-9_-]*", word) or word.endswith((".yaml", ".yml"))
        (overrides if len(overrides) % 2 or not is_name else names).append(word)
    if overrides and "=" in overrides[0]:
        wrong = "stands where a key of the configuration would"
        raise ConfigError(Problem(overrides[0], COMMAND_LINE, wrong, f"--data {overrides[0]}"))
    return names, [*overrides, *opts]
