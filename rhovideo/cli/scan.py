"""``rhovideo scan``: the broken videos of a list."""

from __future__ import annotations

import argparse

from rhovideo.cli.parsers import Commands, add_parser
from rhovideo.errors import JobError, as_foreseen
from rhovideo.terminal import print_line

SCAN_HELP = """\
Decode every video of a list once, list the broken ones, and count the short and the HDR ones.

  rhovideo scan data/mine/train.csv

Writes train.broken.jsonl, a list of the broken videos, and train.clean.csv, the list without them. Exit code 1 if any
is broken.
"""


def add_command(commands: Commands) -> None:
    """Add the parser of ``scan``."""
    scan = add_parser(commands, "scan", "find broken videos, count short and HDR ones", SCAN_HELP, scan_command)
    scan.add_argument("csv", metavar="CSV", help="a list of videos")
    scan.add_argument("--separator", default=" ", help="between path and label (a blank), DATA.PATH_LABEL_SEPARATOR")
    scan.add_argument("--prefix", default="", help="where relative paths start (the list's folder), DATA.PATH_PREFIX")
    scan.add_argument("--skip-rows", type=int, default=0, help="lines to leave out at the top (0), DATA.SKIP_ROWS")
    scan.add_argument("--workers", type=int, help="processes (one a core)")


def scan_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo scan``."""
    from rhovideo.data.loading.scanning import scan

    try:
        report = scan(
            options.csv,
            separator=options.separator,
            prefix=options.prefix,
            skip_rows=options.skip_rows,
            workers=options.workers,
        )
    except (OSError, ValueError, JobError) as error:
        print_line(str(as_foreseen(error) or error))
        return 2
    print(report)
    return 1 if report.broken else 0
