"""The local launcher: cells and their jobs on this machine, one after the other or in several warm processes."""

from __future__ import annotations

import os
import shlex
import sys

from rhovideo.launch.before_start import Start, check_before_start
from rhovideo.launch.local.chain_run import ChainEnd, JobFailure, job_names, run_chain
from rhovideo.launch.plan import Cell, Plan, write_study_record
from rhovideo.runs.lock import held_to_submit
from rhovideo.terminal import print_line


def run_plan(plan: Plan, workers: int = 1) -> int:
    """Check everything, then run every job. After a failure only those jobs are left out that need its weights.

    Args:
        plan: cells and their chains.
        workers: with 1 the jobs run in this process, one after the other. With more, so many processes import
            everything once and take the cells from one queue; then each job is one process.

    Returns:
        The exit code: 0, 1 where a job failed, 2 where the first failure of the one chain of a plan was that of its
        configuration.

    Raises:
        ConfigError: with every problem found; nothing has run. Also where a job cannot run in a worker.
        SystemExit, KeyboardInterrupt: SIGTERM or Ctrl-C came, and the jobs that ran have saved.
    """
    check_before_start(Start(plan, "local"))
    if workers > 1:
        from rhovideo.launch.local.pool_checks import check_workers

        check_workers(plan, workers)
    if plan.study and os.environ.get("RANK", "0") == "0":
        with held_to_submit(plan.study):
            write_study_record(plan)
    if workers > 1:
        from rhovideo.launch.local.pool import run_in_workers

        ends = run_in_workers(plan.cells, workers)
    else:
        ends = _one_after_the_other(plan)
    failures = [_named(plan.cells[number], summary) for number, (_, summary) in sorted(ends.items()) if summary]
    _sum_up(plan, failures)
    codes = [code for code, _ in ends.values()]
    return codes[0] if len(plan.cells) == 1 else int(any(codes))


def _one_after_the_other(plan: Plan) -> dict[int, tuple[int, str]]:
    """Run all cells in this process; exit code and summary of failures of each, by its number."""
    several, ends = len(plan.cells) > 1, {}
    for number, cell in enumerate(plan.cells):
        if several:
            print_line(f"cell {number + 1} of {len(plan.cells)}: {cell.name}")
        names = job_names(cell.jobs)

        def starts(place: int, before: ChainEnd, names: list[str] = names) -> None:
            if len(names) > 1:
                print_line(f"job {place + 1} of {len(names)}: {names[place]}")

        in_torchrun = _is_one_of_torchruns()
        # The other ranks wait for this one, and torchrun notices only when it ends.
        end = run_chain(cell.jobs, starts=starts, fails=_show, to_the_end=not in_torchrun)
        ends[number] = end.code, end.summary(cell.jobs)
        if end.failures and in_torchrun:
            break
    return ends


def _show(place: int, failure: JobFailure) -> None:
    if failure.raw:
        print(failure.text, file=sys.stderr, flush=True)
    else:
        print_line(failure.text)


def _is_one_of_torchruns() -> bool:
    from rhovideo.checks.machine import under_torchrun

    return under_torchrun()


def _named(cell: Cell, failure: str) -> str:
    return f"{cell.name}: {failure}" if cell.name else failure


def _sum_up(plan: Plan, failures: list[str]) -> None:
    if len(plan.cells) == 1:
        for failure in failures:
            print_line(failure)
        return
    count = len(plan.cells)
    if failures:
        print_line(f"{len(failures)} of {count} cells failed:\n  " + "\n  ".join(failures))
    else:
        print_line(f"all {count} cells are done; their table: rhovideo results {shlex.quote(str(plan.study))}")
