"""``rhovideo report``: one page about a run, a study or an evaluation."""

from __future__ import annotations

import argparse
from pathlib import Path

from rhovideo.cli.parsers import Commands, add_parser
from rhovideo.errors import JobError
from rhovideo.terminal import print_line

FORMATS = ("html", "md", "png")

REPORT_HELP = """\
Turn a run, a study, an evaluation or a folder of runs into one page: a summary in words, what was run and what it cost,
curves, the augmented clips, nearest neighbours, an embedding map, the accuracy on each class, mistakes, warnings, and
the commands to reproduce it. The page is one file that needs no network.

Features are computed with the last checkpoint, for at most 1,000 sampled videos, where a run has left none; without a
GPU that may take minutes. Needs pip install 'rhovideo[report]'.

examples:
  rhovideo report outputs/demo                         every run of the demo
  rhovideo report outputs/MoCo_SlowR50_8x8             outputs/MoCo_SlowR50_8x8/report.html
  rhovideo report studies/rho --out rho.html           the cells of a study
  rhovideo report studies/paper                        the tables of `rhovideo study`, with their figures
  rhovideo report outputs/eval/mine --format md        Markdown, with pictures in a folder next to it
  rhovideo report studies/rho --format png             the figures alone, in studies/rho/report_figures
"""


def add_commands(commands: Commands) -> None:
    """Add the parser of ``report``."""
    parser = add_parser(commands, "report", "turn runs into a page to look at", REPORT_HELP, report_command)
    parser.add_argument("path", metavar="RUN_OR_STUDY", help="a run, a study, an evaluation, or a folder of runs")
    parser.add_argument("--out", metavar="FILE", type=Path, help="file to write (report.html in that folder)")
    parser.add_argument(
        "--format", choices=FORMATS, help="html, md, or png for the figures alone (html, or as FILE's name says)"
    )
    parser.add_argument("--no-features", action="store_true", help="compute nothing: show what the runs have left")


def report_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo report``."""
    from rhovideo.studies.record import has_tables

    ending = options.out.suffix.lower().removeprefix(".") if options.out else ""
    form = options.format or {"md": "md", "markdown": "md"}.get(ending, "html")
    print_line(f"reading {options.path}")
    if has_tables(options.path):
        return _report_study(options.path, options.out, form)
    from rhovideo.report.page import write_report

    print(write_report(options.path, options.out, form, features=not options.no_features))
    return 0


def _report_study(path: str, out: Path | None, form: str) -> int:
    """Write the page of a study with tables, which is HTML alone."""
    from rhovideo.report.study.study_page import write_study_page
    from rhovideo.studies.numbers.study_results import read_study_results

    if form != "html":
        instead = "--out FILE.md" if form == "md" else "--plot FILE.png"
        raise JobError(f"--format {form}: the page of a study is HTML: write rhovideo results {path} {instead}")
    print(write_study_page(read_study_results(path), out or Path(path) / "report.html"))
    return 0
