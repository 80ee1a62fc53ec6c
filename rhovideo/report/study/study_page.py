"""The page of a study: all tables with their figures, what they have cost, and each run with its number."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from rhovideo.atomic_files import write_text
from rhovideo.errors import JobError
from rhovideo.report.blocks import Answer, Page, Plot, Plots, Rows, Section
from rhovideo.report.drawing import Palette, require_libraries
from rhovideo.report.markup import as_html
from rhovideo.report.sections.wording import count
from rhovideo.report.study.study_plots import draw_table
from rhovideo.runs.folder import CONFIG_FILE, RESULTS_FILE
from rhovideo.runs.records import FAILED
from rhovideo.studies.numbers.cell_numbers import CellNumber, RunNumber
from rhovideo.studies.numbers.layout import Grid, warnings
from rhovideo.studies.numbers.run_hours import as_hours, hours_in_words
from rhovideo.studies.numbers.study_results import StudyResults
from rhovideo.studies.record import TableRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Points of top-1 or mAP within which a number is as the paper's.
_NEAR = 1.0
# More stand closer together.
_MANY_COLUMNS = 6
# More runs make a page long.
_MOST_RUNS = 400


def write_study_page(results: StudyResults, out: str | Path) -> Path:
    """Write the page.

    Args:
        results: of the study.
        out: the HTML file.

    Returns:
        The file.

    Raises:
        JobError: a library is missing, or the file cannot be written.
    """
    require_libraries()
    path = Path(out)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, as_html(make_study_page(results, path.parent)))
    except OSError as error:
        raise JobError(f"--out {path}: cannot be written ({error.strerror or error})") from error
    return path


def make_study_page(results: StudyResults, place: Path) -> Page:
    """Gather the page's parts.

    Args:
        results: of the study.
        place: the folder of the page, from which its links lead to the run folders.
    """
    cells = _distinct(results)
    answers = [_progress(cells), _comparison(results, cells), _cost(results)]
    tables = zip(results.record.tables, results.grids, strict=True)
    sections = [_table_section(results, table, grid) for table, grid in tables]
    runs = _runs_section(results, place)
    name = results.folder.absolute().name
    several = count(len(results.record.tables), "table")
    seeds = ", ".join(map(str, results.record.seeds))
    facts = [("tables", str(len(sections))), ("seeds", seeds), ("cost", hours_in_words(results.hours.total) or "–")]
    return Page(f"Study {name}", f"{several} of {results.folder}", answers, [*sections, *runs], facts, _remark(results))


def _remark(results: StudyResults) -> str:
    trouble = f" SLURM was not asked: {results.numbers.trouble}" if results.numbers.trouble else ""
    return " ".join(warnings(results.record)) + trouble


def _distinct(results: StudyResults) -> dict[str, CellNumber]:
    """The cells of all tables by their names; one that two tables share, of the same runs, stands once."""
    seen: set[tuple[str, ...]] = set()
    found = {}
    for table, cells in results.numbers.tables.items():
        for cell in cells:
            runs = tuple(run for folders in cell.record.runs for run in folders)
            if not runs or runs not in seen:
                seen.add(runs)
                found[f"{table} {cell.name}"] = cell
    return found


def _progress(cells: dict[str, CellNumber]) -> Answer:
    """How many of the numbers are there."""
    wanted = [cell for cell in cells.values() if not cell.record.left_out]
    whole = [cell for cell in wanted if cell.values and not cell.is_partial]
    question = "Is it done?"
    left_out = len(cells) - len(wanted)
    out = f" {count(left_out, 'cell')} of the tables {'is' if left_out == 1 else 'are'} left out." if left_out else ""
    failed = [name for name, cell in cells.items() if cell.state == FAILED]
    if failed:
        shown = ", ".join(failed[:4]) + (f" and {len(failed) - 4} more" if len(failed) > 4 else "")
        verdict = f"{len(whole)} of {count(len(wanted), 'number')}; {len(failed)} failed"
        return Answer(question, verdict, f"Failed: {shown}. The log of each says why: rhovideo status.{out}", "bad")
    if wanted and len(whole) == len(wanted):
        return Answer(question, "Yes", f"All {count(len(wanted), 'number')} are there.{out}", "good")
    partial = sum(cell.is_partial for cell in wanted)
    seeds = f" Of {partial} more, some of the seeds are there." if partial else ""
    return Answer(
        question, f"{len(whole)} of {count(len(wanted), 'number')}", f"The others are not done yet.{seeds}{out}"
    )


def _comparison(results: StudyResults, cells: dict[str, CellNumber]) -> Answer:
    """How far the numbers are from the paper's."""
    question = "Does it agree with the paper?"
    if found := warnings(results.record):
        return Answer(question, "Not comparable", found[0], "unknown")
    differences = {
        name: cell.mean - cell.record.stated.value
        for name, cell in cells.items()
        if cell.mean is not None and cell.record.stated is not None
    }
    if not differences:
        return Answer(question, "Not known", "No number is there yet that the paper states, too.", "unknown")
    near = sum(abs(value) <= _NEAR for value in differences.values())
    mean = statistics.fmean(map(abs, differences.values()))
    worst = max(differences, key=lambda name: abs(differences[name]))
    reason = f"On average they are {mean:.1f} points apart; the farthest is {worst}, {differences[worst]:+.1f}."
    verdict = f"{near} of {count(len(differences), 'number')} within {_NEAR:g} point"
    return Answer(question, verdict, reason, "good" if near == len(differences) else "neutral")


def _cost(results: StudyResults) -> Answer:
    total = hours_in_words(results.hours.total)
    if not total:
        return Answer("What did it cost?", "Not known", "No run has recorded its time yet.", "unknown")
    shared = results.hours.shared
    once = f", of which {shared} in several tables; each is counted once" if shared else ""
    return Answer("What did it cost?", total, f"Of {count(len(results.hours.runs), 'run')}{once}.")


def _table_section(results: StudyResults, table: TableRecord, grid: Grid) -> Section:
    """A table with its figure, its notes and its cost."""
    section = Section(table.name, grid.caption)
    columns = [head.name for head in grid.heads]
    dense = len(columns) > _MANY_COLUMNS
    rows = [[_in_cell(value, dense) for value in row] for row in grid.rows]
    groups = grid.groups if grid.has_groups else ()
    cost = hours_in_words(results.hours.tables[table.name])
    notes = [*grid.notes, *([f"Cost: {cost}"] if cost else [])]
    caption = " ".join(f"{note.rstrip('.')}." for note in notes)
    section.blocks.append(Rows(columns, rows, range(1, len(columns)), caption, groups=groups, dense=dense))
    alt = f"{grid.caption}: the numbers of the table as a figure"
    wide = len(table.measures) > 1 or table.name in results.durations
    section.blocks.append(Plots([Plot(f"{table.name}-figure", _drawing(results, table), alt, wide=wide)]))
    return section


def _in_cell(text: str, dense: bool) -> str:
    """A number and its deviation in one line; where many columns stand, the brackets below them."""
    whole = (text or "–").replace(" ± ", "\u00a0±\u00a0")
    return whole.replace(" (", "\n(") if dense else whole


def _drawing(results: StudyResults, table: TableRecord) -> Callable[[Palette], Figure]:
    return lambda palette: draw_table(results, table, palette)


def _runs_section(results: StudyResults, place: Path) -> list[Section]:
    """Each run that has a number or should have one, with a link to its files."""
    found = list(_runs(results))
    if not found:
        return []
    shown = found[:_MOST_RUNS]
    rows, links = [], {}
    for at, (cell, seed, run) in enumerate(shown):
        time = results.hours.runs.get(run.folder)
        hours = as_hours(time.gpu + time.cpu) if time else "–"
        value = "–" if run.value is None else f"{run.value:.2f}"
        rows.append([cell.name, str(seed), run.split or "–", value, run.state, hours, run.folder])
        if link := _link(results.folder / run.folder, place):
            links[at, 6] = link
    more = f" {len(found) - len(shown)} more are in --format csv." if len(found) > len(shown) else ""
    columns = ["cell", "seed", "split", "%", "state", "hours", "run folder"]
    caption = f"A link leads to the run's results.json, or to its configuration as long as there is none.{more}"
    return [Section("runs", "Runs", [Rows(columns, rows, (1, 2, 3, 5), caption, links=links)])]


def _runs(results: StudyResults) -> Iterator[tuple[CellNumber, int, RunNumber]]:
    """Each run folder once, though several tables may have it."""
    seen: set[str] = set()
    for cells in results.numbers.tables.values():
        for cell in cells:
            for seed in cell.seeds:
                for run in seed.runs:
                    if run.folder not in seen:
                        seen.add(run.folder)
                        yield cell, seed.seed, run


def _link(run: Path, place: Path) -> str:
    """The way from the page to the run's numbers; empty where it has not begun."""
    for name in (RESULTS_FILE, CONFIG_FILE):
        if (run / name).is_file():
            return quote(Path(os.path.relpath(run / name, place)).as_posix())
    return ""
