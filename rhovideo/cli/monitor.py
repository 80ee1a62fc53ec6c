"""The commands that look after runs, whichever launcher started them: ``status``, ``logs``, ``cancel``, ``results``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rhovideo.atomic_files import write_text
from rhovideo.cli.parsers import Commands, add_parser
from rhovideo.errors import JobError
from rhovideo.monitor.tables import FORMATS
from rhovideo.terminal import print_line

# These commands only look after runs; tools/run_net.py takes them too.
NAMES = ("status", "logs", "cancel", "results")

STATUS_HELP = """\
Show how the jobs of a run or a study are doing: state, epoch, last loss and accuracy.

  rhovideo status outputs/MoCo_SlowR50_8x8
  rhovideo status studies/rho                          every job of every cell
  rhovideo status outputs/eval                         every evaluation there
  rhovideo status studies/rho --json                   for scripts

RUN is an OUTPUT_DIR, of a job on SLURM or of a run in a terminal; STUDY is the folder given as --study.
States: waiting, running, requeued, finished, stopped, failed, cancelled, not started, and ended without a word: the
process is gone and has written neither a result nor an error, as after `kill -9` or a power cut.
"""

LOGS_HELP = """\
Print what rank 0 of a run has written in its newest job.

  rhovideo logs outputs/MoCo_SlowR50_8x8 --lines 50
  rhovideo logs outputs/MoCo_SlowR50_8x8 -f            go on until the job is over, also over a requeue
  rhovideo logs outputs/MoCo_SlowR50_8x8 --rank 3 --stderr
"""

CANCEL_HELP = """\
Cancel all jobs of a run or a study that wait or run on SLURM, and wait until they are gone.

  rhovideo cancel outputs/MoCo_SlowR50_8x8
  rhovideo cancel studies/rho

Checkpoints stay: the same command with --resume goes on from them.
Exit codes: 0 no job is left in the queue, 1 one is, 2 they could not be cancelled.
"""

RESULTS_HELP = """\
Print a study's numbers: a row for each cell, and the paper's figures where it has them for the same settings.

  rhovideo results studies/rho
  rhovideo results studies/rho --format markdown
  rhovideo results studies/rho --out rho.csv           the format follows the file's name
  rhovideo results outputs/K400_linear_SlowR50_8x8     one run, and those that its encoder comes from
  rhovideo results outputs/eval                        every finished evaluation there

Of the folder of `rhovideo study`, the tables as the paper has them, its numbers in brackets beside yours:

  rhovideo results studies/paper --table table2
  rhovideo results studies/paper --out tables.tex      for a paper that has \\usepackage{booktabs}
  rhovideo results studies/paper --out numbers.csv     a line for each run, for pandas
  rhovideo results studies/paper --table table2 --plot table2.pdf
  rhovideo results studies/paper --out page.html       all tables with their figures and costs, on one page

A figure and a page need pip install 'rhovideo[report]'.
"""

_FORMATS = (*FORMATS, "latex")
_PAGE = (".html", ".htm")
_ENDINGS = {".csv": "csv", ".md": "markdown", ".markdown": "markdown", ".tex": "latex"}


def add_commands(commands: Commands) -> None:
    """Add the parsers of these commands."""
    status = add_parser(commands, "status", "show how jobs are doing", STATUS_HELP, status_command)
    status.add_argument("path", metavar="RUN_OR_STUDY", help="a run folder (OUTPUT_DIR) or a study")
    status.add_argument("--json", action="store_true", help="everything that is known, for scripts")

    logs = add_parser(commands, "logs", "print what a run has written", LOGS_HELP, logs_command)
    logs.add_argument("path", metavar="RUN", help="a run folder (OUTPUT_DIR)")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what is being written")
    logs.add_argument("--rank", type=int, default=0, metavar="K", help="the process whose log is printed (0)")
    logs.add_argument("--lines", type=_count, metavar="N", help="only the last N lines (all)")
    logs.add_argument("--stderr", action="store_true", help="what went to stderr: warnings of SLURM, tracebacks")

    cancel = add_parser(commands, "cancel", "cancel jobs on SLURM", CANCEL_HELP, cancel_command)
    cancel.add_argument("path", metavar="RUN_OR_STUDY", help="a run folder (OUTPUT_DIR) or a study")

    results = add_parser(commands, "results", "print a table of results", RESULTS_HELP, results_command)
    results.add_argument("path", metavar="STUDY", help="a study, or a run folder")
    results.add_argument("--format", choices=_FORMATS, help="(text, or as FILE's name says)")
    results.add_argument("--out", metavar="FILE", type=Path, help="write the table to this file")
    results.add_argument("--table", metavar="NAME", help="only this table of a study that has several")
    results.add_argument("--plot", metavar="FILE", type=Path, help="draw a study's table: .png, .pdf or .svg")


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def status_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo status``."""
    from rhovideo.monitor.status import status, table

    report = status(options.path)
    print(report.as_json() if options.json else table(report).render("text").rstrip("\n"))
    if report.trouble:
        print_line(f"SLURM was not asked, so the states are those of the folders: {report.trouble}")
    return 0


def logs_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo logs``."""
    from rhovideo.monitor.logs import follow, show, single_run

    run = single_run(options.path)
    choice = {"rank": options.rank, "lines": options.lines, "stderr": options.stderr}
    if not options.follow:
        show(run, sys.stdout.buffer, **choice)
        return 0
    try:
        follow(run, sys.stdout.buffer, print_line, **choice)
    except KeyboardInterrupt:
        return 130
    return 0


def cancel_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo cancel``."""
    from rhovideo.monitor.cancel import cancel

    return 0 if cancel(options.path, print_line) else 1


def results_command(options: argparse.Namespace) -> int:
    """Run ``rhovideo results``."""
    from rhovideo.studies.record import has_tables

    if not has_tables(options.path):
        for name in ("table", "plot"):
            if getattr(options, name) is not None:
                raise JobError(f"--{name}: {options.path} is no folder of `rhovideo study`: leave --{name} out")
        return _write(_table_of_runs(options.path, _form(options)), options.out)
    return _study_results(options)


def _study_results(options: argparse.Namespace) -> int:
    """Write a study's tables, and draw them where that is wanted."""
    from rhovideo.report.study.study_plots import ENDINGS
    from rhovideo.studies.numbers.study_results import read_study_results

    if options.out is not None and options.out.suffix.lower() in ENDINGS:
        raise JobError(f"--out {options.out} is a picture, and --out writes tables: write --plot {options.out}")
    results = read_study_results(options.path, options.table)
    if options.plot is not None:
        from rhovideo.report.study.study_plots import write_plots

        for path in write_plots(results, options.plot):
            print_line(f"wrote {path}")
        if options.out is None and options.format is None:
            return 0
    if options.out is not None and options.out.suffix.lower() in _PAGE:
        from rhovideo.report.study.study_page import write_study_page

        print(write_study_page(results, options.out))
        return 0
    return _write(results.render(_form(options)), options.out)


def _table_of_runs(path: str, form: str) -> str:
    """The table of other folders: runs, sweeps, evaluations."""
    from rhovideo.monitor.results import results

    table = results(path, precise=form == "csv")
    if form != "latex":
        return table.render(form)
    from rhovideo.studies.numbers.formats import as_latex
    from rhovideo.studies.numbers.layout import Grid, Head

    return as_latex(Grid("", "", [Head("", name) for name in table.columns], table.rows, table.notes))


def _form(options: argparse.Namespace) -> str:
    """The format that is wanted, or that the file's name says."""
    return options.format or (_ENDINGS.get(options.out.suffix.lower(), "text") if options.out else "text")


def _write(text: str, out: Path | None) -> int:
    if out is None:
        sys.stdout.write(text)
        return 0
    try:
        write_text(out, text)
    except OSError as error:
        raise JobError(f"--out {out}: cannot be written ({error.strerror})") from error
    return 0
