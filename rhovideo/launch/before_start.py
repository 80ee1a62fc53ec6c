"""All checks before the jobs of a plan start, in one table: a dry run, a start on this machine and SLURM share it.

The keys of a configuration are checked while it is read (:mod:`rhovideo.config.combinations`); what depends on files,
on the machine or on SLURM is checked here, once for all jobs, since a later job of a chain may start days after the
first. A new check is a line in :data:`CHECKS`. Importing this module imports neither torch nor NumPy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from fvcore.common.config import CfgNode

from rhovideo.checks.finished_runs import refuse, standing
from rhovideo.config.findings import Finding, Origin, Problem
from rhovideo.errors import JobError
from rhovideo.launch.chains import (
    NoCheckpoint,
    check_chain,
    check_output_folders,
    checkpoint_source,
    with_checkpoint,
)
from rhovideo.launch.finished_jobs import check_earlier_weights, with_weights
from rhovideo.launch.plan import Plan, ProblemTally
from rhovideo.launch.slurm import preflight
from rhovideo.launch.slurm.login_environment import copies_by_srun
from rhovideo.runs.first_launch import as_resumed, check_first_weights, check_resume
from rhovideo.terminal import print_line, stage

Place = Literal["local", "slurm"]
Need = Literal["nothing", "torch", "SLURM"]
# A problem with the name of the cell that has it; the name is empty for a problem of the whole plan.
Found = Iterator[tuple[str, Problem]]


@dataclass
class Start:
    """The start of a plan, by which its checks find what they need.

    Attributes:
        plan: the jobs.
        place: who starts them: this machine or SLURM.
        resume: on SLURM, whether to go on in run folders that hold a run already.
    """

    plan: Plan
    place: Place
    resume: bool = False

    @cached_property
    def partitions(self) -> list[str] | str:
        """The partitions of the cluster, or why SLURM cannot be asked."""
        return preflight.ask_for_partitions()

    @cached_property
    def _no_torch(self) -> str:
        try:
            import torch  # noqa: F401
        except (ImportError, OSError) as error:  # OSError: a library that it needs is missing
            return f"torch cannot be imported: {error}"
        return ""

    def why_without(self, need: Need) -> str:
        """The reason why something that a check needs is not here; empty if it is."""
        if need == "SLURM":
            return self.partitions if isinstance(self.partitions, str) else ""
        return self._no_torch if need == "torch" else ""


@dataclass(frozen=True)
class Check:
    """A line of the table.

    Attributes:
        name: what is checked, for the last line of a dry run; several checks may share it.
        find: finds the problems of a start, errors and warnings.
        places: the starts that the check is for.
        needs: what the check cannot do without.
    """

    name: str
    find: Callable[[Start], Found]
    places: tuple[Place, ...] = ("local", "slurm")
    needs: Need = "nothing"


@dataclass
class Checked:
    """The checks that ran, and those that could not.

    Attributes:
        done: names of checks.
        left_out: names of the checks that could not be done here, by the reason.
    """

    done: list[str] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def summary(self, place: Place, also: Iterable[str] = ()) -> str:
        """The last line of a dry run.

        Args:
            place: who would start the jobs.
            also: what the command has checked by itself.
        """
        done = dict.fromkeys(["keys", *also, *self.done])
        never = ["what the videos hold", *(["the nodes"] if place == "slurm" else []), "the memory that it takes"]
        here = [f"{_list(dict.fromkeys(names))} ({reason})" for reason, names in self.left_out.items()]
        end = "nothing was queued" if place == "slurm" else "nothing was started"
        return f"checked: {_list(done)}; not checked: {', '.join([*never, *here])}; {end}"


def _list(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def check_before_start(start: Start, *, dry_run: bool = False, without: Collection[str] = ()) -> Checked:
    """Do all checks of a start, and print the warnings.

    Args:
        start: what is to be started, and where.
        dry_run: whether to pass over checks whose needs are not met here. A real start refuses then.
        without: names of checks to leave out.

    Returns:
        What was checked, for the last line of a dry run.

    Raises:
        ConfigError: with the errors. Checks that take longer are only done where the quick ones have found none.
    """
    checked = Checked()
    for group in CHECKS:
        mine = [check for check in group if start.place in check.places and check.name not in without]
        if sys.stderr.isatty() and any(check.needs == "torch" for check in mine):
            print_line("checking the rest ...")
        tally = ProblemTally(len(start.plan.cells))
        for check in mine:
            # Importing torch takes some seconds, and on a shared file system many.
            if check.needs == "torch" and "torch" not in sys.modules:
                stage("importing torch")
            else:
                stage(f"checking {check.name}")
            reason = start.why_without(check.needs)
            if reason and dry_run:
                checked.left_out.setdefault(reason, []).append(check.name)
            elif reason:
                tally.add("", [Problem("", Origin(check.needs), reason)])
            else:
                stage(f"checking {check.name}")
                checked.done.append(check.name)
                for cell, problem in check.find(start):
                    tally.add(cell, [problem])
        tally.print_warnings()
        tally.raise_errors()
    return checked


def _of_each_job(start: Start, check: Callable[[CfgNode], Iterable[Finding]]) -> Found:
    for cell in start.plan.cells:
        for job in cell.jobs:
            try:
                findings = list(check(job.cfg))
            except JobError as error:
                if not error.keys:
                    raise
                findings = [Finding(error.keys, str(error))]
            for finding in findings:
                yield cell.name, job.problem(finding)


def _of_plan(problems: Iterable[Problem]) -> Found:
    return (("", problem) for problem in problems)


def _files(start: Start) -> Found:
    return ((cell.name, problem) for cell in start.plan.cells for problem in check_chain(cell.jobs))


def _finished_runs(start: Start) -> Found:
    for cell in start.plan.cells:
        for number, job in enumerate(cell.jobs):
            try:
                cfg = with_checkpoint(job.cfg, checkpoint_source(cell.jobs, number))
                stands = standing(cfg)
                findings = refuse(cfg, stands) or check_first_weights(cfg)
                if start.place == "slurm":
                    # On this machine the run itself says it.
                    findings += [Finding(("OUTPUT_DIR",), note, severity="warning") for note in stands.notes]
            except NoCheckpoint:
                continue  # the job before it is yet to run
            except JobError as error:
                findings = [Finding(error.keys or ("OUTPUT_DIR",), str(error))]
            for finding in findings:
                yield cell.name, job.problem(finding)


def _earlier_weights(start: Start) -> Found:
    return ((cell.name, problem) for cell in start.plan.cells for problem in check_earlier_weights(cell.jobs))


def _copies(start: Start) -> Found:
    copies = copies_by_srun(os.environ)
    if copies > 1 and os.environ.get("SLURM_PROCID", "0") != "0":
        # The first copy speaks for all.
        raise SystemExit(2)
    if copies > 1:
        wrong = f"srun has started {copies} copies of this command, and all of them would do the same runs"
        remedy = (
            "the command without srun, or with `srun -n 1`: it starts its processes itself (NUM_GPUS, "
            "NUM_CPU_PROCESSES), and with --launcher slurm those of several machines. Where each copy has runs of its "
            "own, write `env -u SLURM_STEP_NUM_TASKS` before the command"
        )
        yield "", Problem("", Origin("srun"), wrong, remedy)


def _queued_here(start: Start) -> Found:
    # Once a job: torchrun starts this on every rank.
    first = os.environ.get("RANK", "0") == "0"
    return _of_plan(preflight.check_not_queued(start.plan.jobs) if first else [])


def _run_folders(start: Start) -> Found:
    asks = not start.why_without("SLURM")
    return _of_plan(preflight.check_run_folders(start.plan.jobs, resume=start.resume, ask=asks))


def _partitions(start: Start) -> Found:
    known = start.partitions
    return _of_plan([] if isinstance(known, str) else preflight.check_partitions(start.plan.jobs, known))


def _processes_on_slurm(start: Start) -> Found:
    return _of_each_job(start, lambda cfg: check_resume(cfg, cfg.SLURM.NODES * cfg.SLURM.TASKS_PER_NODE))


def _lists(start: Start) -> Found:
    from rhovideo.checks.lists.job_lists import ListCheck

    return _of_each_job(start, ListCheck())


def _class_names(start: Start) -> Found:
    from rhovideo.checks.lists.class_agreement import check_class_names

    for cell in start.plan.cells:
        for number, job in enumerate(cell.jobs):
            _, folder = checkpoint_source(cell.jobs, number) or ("", None)
            earlier = [one.cfg for one in cell.jobs[:number] if Path(one.cfg.OUTPUT_DIR) == folder]
            trained_by = earlier[-1] if earlier else None
            for finding in check_class_names(job.cfg, trained_by):
                yield cell.name, job.problem(finding)


def _network(start: Start) -> Found:
    from rhovideo.checks.network import NetworkCheck

    return _of_each_job(start, NetworkCheck())


def _batch_statistics(start: Start) -> Found:
    from rhovideo.checks.batch_statistics import check_batch_statistics
    from rhovideo.checks.machine import processes_here

    def check(cfg: CfgNode) -> list[Finding]:
        processes = cfg.SLURM.TASKS_PER_NODE if start.place == "slurm" else processes_here(cfg)
        return check_batch_statistics(as_resumed(cfg), processes)

    return _of_each_job(start, check)


def _weights(start: Start) -> Found:
    from rhovideo.checks.weights import WeightsCheck

    check = WeightsCheck()
    for cell in start.plan.cells:
        for number, job in enumerate(cell.jobs):
            cfg = with_weights(cell.jobs, number)
            for finding in check(cfg) if cfg is not None else ():
                yield cell.name, job.problem(finding)


def _machine(start: Start) -> Found:
    from rhovideo.checks.machine import check_machine

    return _of_each_job(start, check_machine)


# A group is done where the one before has found no error, since it needs what that one has looked for, or takes longer.
CHECKS: tuple[tuple[Check, ...], ...] = (
    (Check("run folders", _copies),),
    (
        Check("partitions", _partitions, ("slurm",), "SLURM"),
        Check("run folders", lambda start: _of_plan(check_output_folders(start.plan.jobs))),
        Check("run folders", _queued_here, ("local",)),
        Check("run folders", _run_folders, ("slurm",)),
        Check("run folders", lambda start: _of_plan(preflight.check_shared_folders(start.plan.jobs)), ("slurm",)),
        Check("run folders", _processes_on_slurm, ("slurm",)),
        Check("run folders", _earlier_weights),
        Check("run folders", _finished_runs),
        Check("files", _files),
    ),
    (Check("lists", _lists), Check("lists", _class_names)),
    (
        Check("the network", _network, needs="torch"),
        Check("this machine", _machine, ("local",), "torch"),
    ),
    (Check("the network", _batch_statistics, needs="torch"), Check("the checkpoints", _weights, needs="torch")),
    (Check("sbatch's own test", lambda start: _of_plan(preflight.check_with_sbatch(start.plan)), ("slurm",), "SLURM"),),
)
