"""The local launcher: cells and their jobs one after the other, on this machine."""

from __future__ import annotations

import os
import shlex
import sys
import traceback

from rhovideo.checks.machine import check_machine, under_torchrun
from rhovideo.config.findings import ConfigError
from rhovideo.config.keys import get_value
from rhovideo.engine.run import run
from rhovideo.errors import JobError
from rhovideo.launch import RankFailed
from rhovideo.launch.chains import checkpoint_source, with_checkpoint
from rhovideo.launch.local.processes import launch
from rhovideo.launch.plan import Cell, Plan, write_study_record
from rhovideo.launch.slurm.preflight import check_not_queued
from rhovideo.runs.lock import held_to_submit
from rhovideo.stopping import Stopped
from rhovideo.terminal import complain, say


def run_plan(plan: Plan) -> int:
    """Run every job. After a failure the later jobs of its cell are not run; the other cells are.

    Args:
        plan: checked by :func:`rhovideo.launch.plan.check_plan`.

    Returns:
        The exit code: 0, 1 where a job failed, 2 where the one chain of a plan could not go on for its configuration.

    Raises:
        ConfigError: this machine does not have what is asked for, or a run folder belongs to a job in SLURM's queue;
            nothing has run.
    """
    problems = [job.problem(finding) for job in plan.jobs for finding in check_machine(job.cfg)]
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    if os.environ.get("RANK", "0") == "0":
        _take_folders(plan)
    codes: list[int] = []
    failures: list[str] = []
    for number, cell in enumerate(plan.cells):
        if len(plan.cells) > 1:
            say(f"cell {number + 1} of {len(plan.cells)}: {cell.name}")
        code, failure = _run_cell(cell)
        codes.append(code)
        failures += [f"{cell.name}: {failure}" if cell.name else failure] if failure else []
        if failure and under_torchrun():
            # The other ranks wait for this one, and only its end tells torchrun.
            break
    _sum_up(plan, failures)
    return codes[0] if len(plan.cells) == 1 else int(any(codes))


def _take_folders(plan: Plan) -> None:
    """Refuse run folders that queued jobs will come back to; while those wait, nothing holds the folders."""
    problems, doubts = check_not_queued(plan.jobs)
    if problems:
        raise ConfigError(problems)
    for doubt in doubts:
        say(doubt)
    if plan.study:
        with held_to_submit(plan.study):
            write_study_record(plan)


def _run_cell(cell: Cell) -> tuple[int, str]:
    """An exit code, and what failed."""
    for number, job in enumerate(cell.jobs):
        code = _run_job(cell, number)
        if code:
            left = [later.file for later in cell.jobs[number + 1 :]]
            return code, f"{job.file} failed" + (f"; not run: {', '.join(left)}" if left else "")
    return 0, ""


def _run_job(cell: Cell, number: int) -> int:
    """An exit code; what went wrong is printed."""
    if len(cell.jobs) > 1:
        say(f"job {number + 1} of {len(cell.jobs)}: {cell.jobs[number].file}")
    try:
        source = checkpoint_source(cell.jobs, number)
        cfg = with_checkpoint(cell.jobs[number].cfg, source)
        if source:
            say(f"{cell.jobs[number].file}: {source[0]} is {get_value(cfg, source[0])}")
        launch(run, cfg)
    except Stopped:
        # Whoever asked for it does not want the next job either.
        raise
    except ConfigError as error:
        complain(error)
        return 2
    except RankFailed as failure:
        print(failure, file=sys.stderr, flush=True)
        return 1
    except JobError as error:
        say(str(error))
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _sum_up(plan: Plan, failures: list[str]) -> None:
    if len(plan.cells) == 1:
        for failure in failures:
            say(failure)
        return
    count = len(plan.cells)
    if failures:
        say(f"{len(failures)} of {count} cells failed:\n  " + "\n  ".join(failures))
    else:
        say(f"all {count} cells are done; their table: rhovideo results {shlex.quote(str(plan.study))}")
