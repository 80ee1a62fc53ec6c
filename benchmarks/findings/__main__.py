"""How much does each method learn from rho clips of a video? The study of docs/findings.md, in pieces.

python -m benchmarks.findings --out outputs/findings --minutes 110    run cells that have no row, until the time is up
python -m benchmarks.findings --kind shapes --method simclr byol      some of the cells
python -m benchmarks.findings --equal compute                         as many clips in all for each rho
python -m benchmarks.findings --table                                 the tables, from the rows alone
python -m benchmarks.findings --plot findings.png                     a picture of them

A cell is a kind of videos, a method, a rho, a seed, and equal epochs or compute. Its row is written to
benchmarks/findings.jsonl as soon as it is measured, so the study can be stopped at any time, with Ctrl-C too: the same
command goes on. A cell is run again where its recipe or its videos have changed. Two studies may run side by side and
share the file, if they have different cells and different folders.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.findings.cells import ALL_KINDS, EQUALS, KINDS, METHODS, RECIPE, RHOS, SEEDS, VIDEOS, cells_in_order
from benchmarks.findings.rows import read_rows
from rhovideo.config import ConfigError
from rhovideo.errors import JobError, SettingError
from rhovideo.stopping import Stopped

_RESULTS = Path(__file__).parent.with_name("findings.jsonl")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the study, or show what it has found.

    Returns:
        The exit code: 0; 1 where a cell failed or the rows cannot be used; 2 for a wrong argument; 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    if "{method}" not in options.recipe:
        return _refuse(f"--recipe is {options.recipe}: write the method's place, such as {RECIPE}", 2)
    if options.epochs and options.results == _RESULTS:
        return _refuse("--epochs: rows of short runs would replace the study's: write --results FILE.jsonl too", 2)
    try:
        if options.table or options.plot:
            return _show(options)
        return _run(options)
    except (ConfigError, SettingError) as error:
        return _refuse(str(error), 2)
    except JobError as error:
        return _refuse(str(error), 1)
    except (KeyboardInterrupt, Stopped):
        return _refuse("stopped; the cell that was running has no row, and the same command goes on", 130)


def _run(options: argparse.Namespace) -> int:
    # These wait for torch.
    from benchmarks.findings.measure import plan_of
    from benchmarks.findings.study import run_study

    cells = cells_in_order(
        options.recipe,
        options.videos,
        kinds=options.kind,
        methods=options.method,
        rhos=options.rho,
        seeds=options.seed,
        equals=options.equal or EQUALS[:1],
    )
    plans = [plan_of(cell, options.out, options.linear_recipe, options.epochs, options.processes) for cell in cells]
    outcome = run_study(plans, options.results, options.minutes)
    counts = f"{outcome.run} run, {outcome.copied} copied, {outcome.there} were there"
    print(f"{len(plans)} cells: {counts}, {outcome.failed} failed, {outcome.left} left. Rows: {options.results}")
    return 1 if outcome.failed else 0


def _show(options: argparse.Namespace) -> int:
    rows = read_rows(options.results)
    if options.table:
        from benchmarks.findings.tables import tables

        print(tables(rows, options.recipe, options.videos), end="")
    if options.plot:
        from benchmarks.findings.plot import draw

        draw(rows, options.recipe, options.videos, options.plot)
        print(f"Written: {options.plot}", file=sys.stderr)
    return 0


def _refuse(text: str, code: int) -> int:
    print(f"findings: {text}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.findings", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=Path, default=Path("outputs/findings"), help="folder for videos and runs (outputs/findings)")
    add("--results", type=Path, default=_RESULTS, help="file of the rows (benchmarks/findings.jsonl)")
    add("--minutes", type=float, help="start no cell that would not fit into so many")
    add("--kind", nargs="+", choices=ALL_KINDS, default=KINDS, help="of videos (all but mixed)")
    add("--method", nargs="+", choices=tuple(METHODS), default=tuple(METHODS), help="(all)")
    add("--rho", nargs="+", type=_positive, default=RHOS, metavar="N", help="clips of a video (1 2 4)")
    add("--seed", nargs="+", type=int, default=SEEDS, metavar="N", help="(1 2 3)")
    add(
        "--equal",
        nargs="+",
        choices=EQUALS,
        help="epochs: the recipe's for each rho; compute: as many clips in all as rho 2 has (epochs)",
    )
    add("--recipe", default=RECIPE, help=f"of the pre-training, with {{method}} ({RECIPE})")
    add("--linear-recipe", metavar="RECIPE", help="of the classifier (--recipe with linear as its method)")
    add("--videos", type=_positive, default=VIDEOS, metavar="N", help=f"training videos of a set ({VIDEOS})")
    add("--epochs", type=_positive, metavar="N", help="of pre-training, in the place of the recipe's")
    add(
        "--processes",
        type=_positive,
        metavar="N",
        help="of each run: 1 where two studies share two cores (the recipe's)",
    )
    add("--table", action="store_true", help="print the tables, and run nothing")
    add("--plot", type=Path, metavar="FILE.png", help="draw the tables, and run nothing")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is too small: write 1 or more")
    return value


if __name__ == "__main__":
    sys.exit(main())
