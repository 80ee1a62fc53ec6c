"""The study itself: which cells are run, in what time, and what is said meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.findings.measure import Plan, knows_random, measure
from benchmarks.findings.rows import Rows, read_rows, store_row
from rhovideo.errors import JobError
from rhovideo.launch import RankFailed


@dataclass
class Outcome:
    """How many cells were there, copied, run, failed, and are left."""

    there: int = 0
    copied: int = 0
    run: int = 0
    failed: int = 0
    left: int = 0


def run_study(
    plans: Sequence[Plan],
    results: Path,
    minutes: float | None = None,
    *,
    measure: Callable[[Plan, Rows], dict[str, Any]] = measure,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Run the cells that have no row, in their order, and store each row at once.

    Args:
        plans: of the cells.
        results: file of the rows.
        minutes: no cell is started that would not fit into what is left of them; None: all are started.
        measure: runs a cell and gives its row.
        clock: gives the seconds.

    Returns:
        The numbers of cells.

    Raises:
        JobError: the file of rows is damaged or cannot be written.
    """
    began, outcome = clock(), Outcome()
    _say_what_is_to_be_done(plans, read_rows(results))
    for number, plan in enumerate(plans, 1):
        place = f"[{number}/{len(plans)}] {plan.cell}"
        # Another study may have added rows meanwhile.
        rows = read_rows(results)
        old = rows.get(plan.cell)
        if _is_of(old, plan):
            outcome.there += 1
            continue
        if twin := _same_run(plan, rows):
            store_row(results, {**twin, **plan.cell.as_row()})
            outcome.copied += 1
            print(f"{place}: is the same run as with equal {twin['equal']}, its row is copied", flush=True)
            continue
        passed, expected = clock() - began, expected_seconds(plan, rows)
        if minutes is not None and passed + (expected or 0) > 60 * minutes:
            outcome.left = _without_row(plans[number - 1 :], rows)
            took = f"takes about {_minutes(expected)}" if expected else "has no estimate"
            left = f"{_minutes(max(0, 60 * minutes - passed))} of {minutes:g} are left"
            print(f"{place}: {took} and {left}, so the study stops here. The same command goes on.", flush=True)
            break
        because = ", again, for its recipe or its videos have changed" if old else ""
        print(f"\n{place}: starts{because}{f', about {_minutes(expected)}' if expected else ''}", flush=True)
        try:
            row = measure(plan, rows)
        except (JobError, RankFailed) as error:
            outcome.failed += 1
            print(f"{place}: failed, and gets no row: {error}", flush=True)
            continue
        store_row(results, row)
        outcome.run += 1
        gain = row["linear_top1"] - row["random_init_top1"]
        numbers = f"linear {row['linear_top1']:.1f} %, gain {gain:+.1f} over a random encoder"
        print(f"{place}: {numbers}, {_minutes(row['seconds'])}", flush=True)
    return outcome


def expected_seconds(plan: Plan, rows: Rows) -> float | None:
    """About how long a cell takes, by the slowest row of the same recipes; None where there is none.

    Rows of the same method count where there are any. The time grows with the clips, and is never taken to shrink.
    """
    cell = plan.cell
    of_recipe = [row for known, row in rows.items() if (known.recipe, known.videos) == (cell.recipe, cell.videos)]
    alike = [row for row in of_recipe if row["method"] == cell.method] or of_recipe
    if not alike:
        return None

    def seconds(row: dict[str, Any]) -> float:
        return row["seconds"] * max(1.0, plan.clips / max(1, row["clips"]))

    random = 0.0 if knows_random(plan, rows) else max(row["linear_seconds"] for row in alike)
    return max(map(seconds, alike)) + random


def _is_of(row: dict[str, Any] | None, plan: Plan) -> bool:
    return row is not None and row["fingerprint"] == plan.fingerprint


def _same_run(plan: Plan, rows: Rows) -> dict[str, Any] | None:
    """The row of the same run under another name: with rho 1 or 2, equal compute is equal epochs."""
    for row in rows.values():
        if _is_of(row, plan) and row["seed"] == plan.cell.seed:
            return row
    return None


def _without_row(plans: Sequence[Plan], rows: Rows) -> int:
    return sum(not _is_of(rows.get(plan.cell), plan) for plan in plans)


def _say_what_is_to_be_done(plans: Sequence[Plan], rows: Rows) -> None:
    missing = [plan for plan in plans if not _is_of(rows.get(plan.cell), plan)]
    expected = [expected_seconds(plan, rows) for plan in missing if not _same_run(plan, rows)]
    about = f", about {sum(filter(None, expected)) / 3600:.1f} hours" if expected and all(expected) else ""
    print(f"{len(plans)} cells: {len(plans) - len(missing)} have a row, {len(missing)} have none{about}", flush=True)


def _minutes(seconds: float | None) -> str:
    return f"{(seconds or 0) / 60:.1f} minutes"
