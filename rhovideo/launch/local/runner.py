"""The local launcher: cells and their jobs one after the other, on this machine. Imports torch once a job starts."""

from __future__ import annotations

import os
import shlex
import sys
import traceback

from rhovideo.config.findings import ConfigError
from rhovideo.config.keys import get_value
from rhovideo.errors import JobError, as_write_error
from rhovideo.launch import RankFailed
from rhovideo.launch.before_start import Start, check_before_start
from rhovideo.launch.chains import checkpoint_source, with_checkpoint
from rhovideo.launch.plan import Cell, Plan, write_study_record
from rhovideo.runs.lock import held_to_submit
from rhovideo.stopping import Stopped
from rhovideo.terminal import print_line, start_beats, stop_beats


def run_plan(plan: Plan) -> int:
    """Check everything, then run every job. A failure ends its cell; the other cells are still run.

    Args:
        plan: cells and their chains.

    Returns:
        The exit code: 0, 1 where a job failed, 2 where the one chain of a plan could not go on for its configuration.

    Raises:
        ConfigError: with every problem found; nothing has run.
    """
    check_before_start(Start(plan, "local"))
    if plan.study and os.environ.get("RANK", "0") == "0":
        with held_to_submit(plan.study):
            write_study_record(plan)
    codes: list[int] = []
    failures: list[str] = []
    for number, cell in enumerate(plan.cells):
        if len(plan.cells) > 1:
            print_line(f"cell {number + 1} of {len(plan.cells)}: {cell.name}")
        code, failure = _run_cell(cell)
        codes.append(code)
        failures += [f"{cell.name}: {failure}" if cell.name else failure] if failure else []
        if failure and _is_one_of_torchruns():
            # The other ranks wait for this one, and torchrun notices only when it ends.
            break
    _sum_up(plan, failures)
    return codes[0] if len(plan.cells) == 1 else int(any(codes))


def _is_one_of_torchruns() -> bool:
    from rhovideo.checks.machine import under_torchrun

    return under_torchrun()


def _run_cell(cell: Cell) -> tuple[int, str]:
    """Run a chain; an exit code, and what failed."""
    for number, job in enumerate(cell.jobs):
        code = _run_job(cell, number)
        if code:
            left = [later.file for later in cell.jobs[number + 1 :]]
            return code, f"{job.file} failed" + (f"; not run: {', '.join(left)}" if left else "")
    return 0, ""


def _run_job(cell: Cell, number: int) -> int:
    """Run a job of a chain; an exit code. What went wrong is printed."""
    if len(cell.jobs) > 1:
        print_line(f"job {number + 1} of {len(cell.jobs)}: {cell.jobs[number].file}")
    start_beats("starting the job")
    try:
        from rhovideo.engine.run import run
        from rhovideo.launch.local.processes import launch

        source = checkpoint_source(cell.jobs, number)
        cfg = with_checkpoint(cell.jobs[number].cfg, source)
        if source:
            print_line(f"{cell.jobs[number].file}: {source[0]} is {get_value(cfg, source[0])}")
        launch(run, cfg)
    except Stopped:
        # A person who stops one job does not want the next one either.
        raise
    except ConfigError as error:
        print_line(error.report())
        return 2
    except RankFailed as failure:
        print(failure, file=sys.stderr, flush=True)
        return 1
    except JobError as error:
        print_line(str(error))
        return 1
    except Exception as error:
        if (foreseen := as_write_error(error)) is not None:
            print_line(str(foreseen))
        else:
            traceback.print_exc()
        return 1
    finally:
        stop_beats()
    return 0


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
