"""``rhovideo demo``: the paper in miniature, on two cores and without any download of data."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from rhovideo.cli.parsers import Commands, add_parser
from rhovideo.errors import JobError, SettingError
from rhovideo.terminal import print_line

METHODS = ("simclr", "moco", "byol", "swav")
KINDS = ("shapes", "physics", "footage", "mixed")

DEMO_HELP = """\
See the whole of the paper in miniature: pre-train on rho clips of each video, then measure the encoder. Takes 4 to 8
minutes on two cores.

Writes a set of synthetic videos, pre-trains a tiny encoder on it without labels (recipe demo/METHOD), and trains the
same linear classifier (recipe demo/linear) on the learned encoder and on a random one. Prints one table. OUT holds

  results.json   linear_top1 and random_init_top1 in percent, seconds; a list "rows" where several were asked for;
                 colour_histogram_top1 and frame_average_top1: what needs no network, in percent
  demo.png       augmented clips, a group of rows for each video, and the curve of the loss
  report.html    a page about all of it, where pip install 'rhovideo[report]' was done
  */             the log, the resolved configuration and the checkpoints of every run

examples:
  rhovideo demo
  rhovideo demo --method moco --rho 3
  rhovideo demo --kind physics                     other videos; rhovideo synthetic --help tells about the kinds
  rhovideo demo --seed 1 2 3                       three seeds: how much is luck?
  rhovideo demo --study --out outputs/study        rho 1 against rho 2 for each of the methods: 8 pre-trainings
  rhovideo demo --epochs 2 --videos 32             a quick check that all works
"""


def add_commands(commands: Commands) -> None:
    """Add the parser of ``demo``."""
    parser = add_parser(commands, "demo", "see the paper in miniature, on synthetic videos", DEMO_HELP, demo_command)
    add = partial(parser.add_argument, metavar="N", type=int)
    add("--out", metavar="OUT", type=Path, default=Path("outputs/demo"), help="folder to write to (outputs/demo)")
    add(
        "--kind",
        metavar="KIND",
        type=str,
        choices=KINDS,
        default=KINDS[0],
        help="of videos: shapes, physics, footage or mixed (shapes)",
    )
    add(
        "--method",
        metavar="METHOD",
        type=str,
        choices=METHODS,
        default=METHODS[0],
        help="simclr, moco, byol or swav (simclr)",
    )
    add("--rho", default=2, help="clips of a video that are positives of each other; 1: two views of one clip (2)")
    add("--seed", nargs="+", default=[1], help="of weights, clips and augmentation; several give a row each (1)")
    add("--epochs", help="of pre-training, instead of the recipe's")
    add("--videos", default=256, help="training videos; half as many are for validation (256)")
    parser.add_argument("--study", action="store_true", help="every method, with rho 1 and with rho 2")


def demo_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo demo``."""
    from rhovideo.demo.experiment import Experiment, run_experiment
    from rhovideo.launch import RankFailed

    experiment = Experiment(
        out=options.out,
        kind=options.kind,
        methods=METHODS if options.study else (options.method,),
        rhos=(1, 2) if options.study else (options.rho,),
        seeds=options.seed,
        videos=options.videos,
        epochs=options.epochs,
    )
    try:
        run_experiment(experiment)
    except SettingError as error:
        print_line(str(error))
        return 2
    except RankFailed as error:
        print_line(str(error))
        return 1
    except KeyboardInterrupt:
        print_line("the demo was interrupted; the same command begins again from the start")
        return 130
    _write_report(options.out)
    return 0


def _write_report(out: Path) -> None:
    """Write the page of the demo's runs and name it; a missing library or an unreadable file is only a line."""
    from rhovideo.report.page import write_report

    try:
        print(f"The page of these runs: {write_report(out)}")
    except JobError as error:
        print_line(f"no page of these runs: {error}")
