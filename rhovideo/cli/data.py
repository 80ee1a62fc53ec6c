"""``rhovideo data``: what is in a list, parts of it, and mixtures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rhovideo.cli.parsers import Commands, HelpFormatter, add_parser
from rhovideo.errors import JobError, as_foreseen
from rhovideo.terminal import print_line

if TYPE_CHECKING:
    from rhovideo.data.curation.source_list import ListFormat

DATA_HELP = """\
Work with lists of videos as with data. A list that is read is never changed: the result goes to --out. What is read of
the videos is kept in NAME.footage.jsonl next to the list, so an interrupted command goes on, and the next one is quick.

  rhovideo data stats data/mine/train.csv --histogram durations.png
  rhovideo data filter data/mine/train.csv --min-seconds 10 --max-seconds 16 --out data/short/train.csv
  rhovideo data subset data/mine/train.csv --number 128000 --out data/128k/train.csv
  rhovideo data merge data/k400/train.csv data/mine/train.csv --weights 3 1 --out data/both/train.csv
"""
STATS_HELP = """\
Count the videos of lists, their durations (mean, standard deviation, shortest, longest), frame rates, sizes, codecs and
classes.

  rhovideo data stats data/mine/train.csv
  rhovideo data stats data/k400/train.csv data/mine/train.csv --json stats.json --histogram durations.png
"""
FILTER_HELP = """\
Write the list of the videos with a wanted duration and size. Only what files say of themselves is read; to leave out
videos that cannot be decoded to their end, scan the list first and give the file that it writes.

  rhovideo data filter data/mine/train.csv --min-seconds 10 --max-seconds 16 --out data/short/train.csv
  rhovideo data filter data/mine/train.csv --min-side 224 --readable --out data/large/train.csv
  rhovideo data filter data/mine/train.csv --broken data/mine/train.broken.jsonl --out data/whole/train.csv
"""
SUBSET_HELP = """\
Write the list of some of the videos, drawn with a seed. A smaller subset is inside each larger one of the same seed.

  rhovideo data subset data/mine/train.csv --number 240000 --out data/240k/train.csv
  rhovideo data subset data/mine/train.csv --number 128000 --out data/128k/train.csv          inside of 240k
  rhovideo data subset data/mine/train.csv --number 128000 --balanced --seed 1 --out data/128kb/train.csv
"""
MERGE_HELP = """\
Write one list with the videos of several. With weights it is a mixture: a training takes so many of its samples from
each list, exactly, however long the lists are. An epoch has as many samples as the new list has videos.

  rhovideo data merge data/k400/train.csv data/more/train.csv --out data/both/train.csv
  rhovideo data merge data/k400/train.csv data/web/train.csv --weights 3 1 --no-labels --out data/mixed/train.csv
"""


def add_commands(commands: Commands) -> None:
    """Add the parser of ``data`` and those of its own commands."""
    parser = add_parser(commands, "data", "statistics, parts and mixtures of lists", DATA_HELP, _no_command)
    own = parser.add_subparsers(dest="data_command", required=True, metavar="stats|filter|subset|merge")

    def add(
        name: str, summary: str, text: str, function: Callable[[argparse.Namespace], str]
    ) -> argparse.ArgumentParser:
        made = own.add_parser(name, help=summary, description=text, formatter_class=HelpFormatter)
        made.set_defaults(function=lambda options: _run(function, options))
        return made

    stats = add("stats", "count videos, durations, sizes", STATS_HELP, _stats)
    stats.add_argument("lists", metavar="LIST", nargs="+", help="lists of videos")
    stats.add_argument("--json", metavar="FILE", help="write the numbers into a file")
    stats.add_argument("--histogram", metavar="PNG", help="draw the durations")
    _add_format(stats, workers=True)

    filtered = add("filter", "leave out videos by duration, size, defect", FILTER_HELP, _filter)
    filtered.add_argument("list", metavar="LIST", help="a list of videos")
    for option, kind, text in (
        ("--min-seconds", float, "shortest duration"),
        ("--max-seconds", float, "longest duration"),
        ("--min-side", int, "fewest pixels of the shorter side"),
        ("--max-side", int, "most pixels of the shorter side"),
        ("--min-fps", float, "fewest frames a second"),
    ):
        filtered.add_argument(option, metavar="N", type=kind, help=text)
    filtered.add_argument("--readable", action="store_true", help="leave out what cannot be opened")
    filtered.add_argument("--broken", metavar="JSONL", help="leave out the videos that `rhovideo scan` found broken")
    _add_output(filtered)
    _add_format(filtered, workers=True)

    subset = add("subset", "draw some of the videos", SUBSET_HELP, _subset)
    subset.add_argument("list", metavar="LIST", help="a list of videos")
    subset.add_argument("--number", metavar="N", type=int, required=True, help="of videos")
    subset.add_argument("--balanced", action="store_true", help="as many of each class, as far as there are so many")
    subset.add_argument("--seed", metavar="N", type=int, default=0, help="of the draw (0)")
    _add_output(subset)
    _add_format(subset)

    merge = add("merge", "join lists, also as a mixture with weights", MERGE_HELP, _merge)
    merge.add_argument("lists", metavar="LIST", nargs="+", help="two lists of videos or more")
    merge.add_argument("--weights", metavar="W", nargs="+", default=[], help="share of each list, in their order")
    merge.add_argument("--no-labels", action="store_true", help="leave the labels out")
    _add_output(merge)
    _add_format(merge)


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="LIST", required=True, help="the new list")
    parser.add_argument("--force", action="store_true", help="replace it if it exists")


def _add_format(parser: argparse.ArgumentParser, *, workers: bool = False) -> None:
    parser.add_argument("--separator", default=" ", help="between path and label (a blank), DATA.PATH_LABEL_SEPARATOR")
    parser.add_argument("--prefix", default="", help="where relative paths start (the list's folder), DATA.PATH_PREFIX")
    parser.add_argument("--skip-rows", type=int, default=0, help="lines to leave out at the top (0), DATA.SKIP_ROWS")
    if workers:
        parser.add_argument("--workers", type=int, help="processes (one a core)")


def _no_command(options: argparse.Namespace) -> int:
    raise AssertionError("argparse asks for one of the commands of `data`")


def _run(function: Callable[[argparse.Namespace], str], options: argparse.Namespace) -> int:
    """Print what a command has done; 2 for input that is wrong."""
    try:
        text = function(options)
    except KeyboardInterrupt:
        print_line("interrupted; what was seen of the videos is kept, and the same command goes on")
        return 130
    except (JobError, OSError, ValueError) as error:
        print_line(str(as_foreseen(error) or error))
        return 2
    # Names that are not UTF-8 can be printed so.
    print(text.encode("utf-8", "backslashreplace").decode())
    return 0


def _stats(options: argparse.Namespace) -> str:
    from rhovideo.atomic_files import write_text
    from rhovideo.data.curation.statistics import list_statistics

    found = [list_statistics(csv, _format(options), workers=options.workers) for csv in options.lists]
    if options.json:
        text = json.dumps([one.as_json() for one in found], indent=2)
        write_text(Path(options.json), text + "\n")
    if options.histogram:
        from rhovideo.pictures.histogram import draw_durations

        draw_durations({one.csv: one.seconds for one in found}, options.histogram)
    return "\n".join(map(str, found))


def _filter(options: argparse.Namespace) -> str:
    from rhovideo.data.curation.filtering import Wanted, filter_list

    names = ("min_seconds", "max_seconds", "min_side", "max_side", "min_fps", "broken", "readable")
    wanted = Wanted(**{name: getattr(options, name) for name in names})
    how, force, workers = _format(options), options.force, options.workers
    return filter_list(options.list, options.out, wanted, how, force=force, workers=workers)


def _subset(options: argparse.Namespace) -> str:
    from rhovideo.data.curation.subsets import subset_list

    draw = {"balanced": options.balanced, "seed": options.seed, "force": options.force}
    return subset_list(options.list, options.out, options.number, _format(options), **draw)


def _merge(options: argparse.Namespace) -> str:
    from rhovideo.data.curation.merging import merge_lists

    parts = {"weights": options.weights, "labels": not options.no_labels, "force": options.force}
    return merge_lists(options.lists, options.out, _format(options), **parts)


def _format(options: argparse.Namespace) -> ListFormat:
    from rhovideo.data.curation.source_list import ListFormat

    return ListFormat(options.separator, options.prefix, options.skip_rows)
