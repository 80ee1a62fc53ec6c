"""Checks that SLURM and the file system of a cluster have to be asked for. Without torch: a second or two.

They are lines of the table in :mod:`rhovideo.launch.before_start`.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rhovideo.config.files.reading import Loaded
from rhovideo.config.findings import Finding, Origin, Problem
from rhovideo.errors import JobError
from rhovideo.launch.plan import Plan
from rhovideo.launch.run_state import ask_slurm, judge
from rhovideo.launch.slurm import job_queue
from rhovideo.launch.slurm.job_queue import QueueState, SlurmError
from rhovideo.launch.slurm.login_environment import is_node_local
from rhovideo.launch.slurm.refusals import refusal
from rhovideo.launch.slurm.stages import Stage, stages_of
from rhovideo.runs import records
from rhovideo.runs.folder import RESULTS_FILE, list_checkpoints
from rhovideo.runs.lock import is_held

_SLURM = Origin("SLURM")
_PROGRAMS = ("sbatch", "srun", "sinfo", "squeue")
_PARTITIONS_SHOWN = 12
_SBATCH_SECONDS = 120


def ask_for_partitions() -> list[str] | str:
    """The names of all partitions, or why SLURM cannot be asked from this machine."""
    missing = [program for program in _PROGRAMS if not shutil.which(program)]
    if missing:
        return (
            f"there is no {' and no '.join(missing)} on the PATH of this machine, so it cannot queue jobs: log in to a "
            "login node of the cluster, load its SLURM module, or run here with --launcher local"
        )
    try:
        return list(job_queue.partitions())
    except SlurmError as error:
        return str(error)


def check_partitions(jobs: Sequence[Loaded], known: Sequence[str]) -> Iterator[Problem]:
    """Find partitions that the cluster does not have.

    Args:
        jobs: all jobs of all cells, loaded for SLURM.
        known: the cluster's partitions.
    """
    for job in jobs:
        # As sbatch: several may be named, the first to start the job wins.
        wanted = job.cfg.SLURM.PARTITION.split(",") if job.cfg.SLURM.PARTITION else []
        unknown = [name for name in wanted if name not in known]
        if unknown:
            nearest = {name: _nearest_partition(name, known) for name in unknown}
            there = ", ".join(known[:_PARTITIONS_SHOWN]) + (", ..." if len(known) > _PARTITIONS_SHOWN else "")
            wrong = f"this cluster has no partition {' and no '.join(map(repr, unknown))}; it has {there or 'none'}"
            meant = ",".join(dict.fromkeys(nearest.get(name, name) for name in wanted)) if all(nearest.values()) else ""
            yield job.problem(Finding(("SLURM.PARTITION",), wrong, meant or "one of these (`sinfo -s` shows them)"))


def _nearest_partition(name: str, known: Sequence[str]) -> str:
    by_lower = {other.lower(): other for other in reversed(known)}
    close = difflib.get_close_matches(name.strip().lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else ""


def check_run_folders(jobs: Sequence[Loaded], *, resume: bool, ask: bool = True) -> list[Problem]:
    """Find run folders that belong to another run, or that cannot be written to. Nothing is left in them.

    Another submission may change the answer at any moment, so it is asked again once the folders are held.

    Args:
        jobs: all jobs.
        resume: whether to go on in run folders that hold a run already.
        ask: whether SLURM can be asked about jobs that were submitted into these folders before.
    """
    found = [_submitted(job) for job in jobs]
    states: dict[str, QueueState] = {}
    problems = []
    if ask:
        try:
            states = job_queue.live_state([record.job_id for record in found if isinstance(record, records.Job)])
        except SlurmError as error:
            problems.append(Problem("", _SLURM, str(error)))
    for job, record in zip(jobs, found, strict=True):
        if isinstance(record, Finding):
            finding: Finding | None = record
        else:
            finding = _check_run_folder(Path(job.cfg.OUTPUT_DIR), record, states, resume)
        problems += [job.problem(finding)] if finding else []
    return _together(problems)


def _together(problems: Sequence[Problem]) -> list[Problem]:
    """One problem for all folders with the same remedy, such as those of a study."""
    alike: dict[tuple[str, Origin, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.key, problem.origin, problem.write), []).append(problem)
    return [
        replace(first, wrong=f"{first.wrong}; the same holds for {more} more" if more else first.wrong)
        for first, more in ((group[0], len(set(group)) - 1) for group in alike.values())
    ]


def check_not_queued(jobs: Sequence[Loaded]) -> list[Problem]:
    """Find run folders of jobs on this machine that wait in SLURM's queue, or run there.

    Returns:
        An error for each folder; a warning for each that SLURM could not be asked about.
    """
    found = [(job, _submitted(job)) for job in jobs]
    answer = ask_slurm([record for _, record in found if isinstance(record, records.Job)])
    problems = []
    for job, record in found:
        folder = Path(job.cfg.OUTPUT_DIR)
        if record is None:
            continue
        finding = record if isinstance(record, Finding) else _in_queue(folder, record, answer.found)
        if finding:
            problems.append(job.problem(finding))
        elif isinstance(record, records.Job) and answer.trouble and not judge(folder, record, answer).over:
            wrong = f"{folder}: whether job {record.job_id} still waits for it is not known: {answer.trouble}"
            problems.append(job.problem(Finding(("OUTPUT_DIR",), wrong, severity="warning")))
    return problems


def check_shared_folders(jobs: Sequence[Loaded]) -> list[Problem]:
    """Warn of run folders that the nodes are not likely to share: one warning for all."""
    first: dict[str, Loaded] = {}
    for job in jobs:
        if is_node_local(job.cfg.OUTPUT_DIR):
            first.setdefault(job.cfg.OUTPUT_DIR, job)
    if not first:
        return []
    folder, job = next(iter(first.items()))
    which = folder + (f" (and {len(first) - 1} more)" if len(first) > 1 else "")
    wrong = (
        f"{which} lies in a folder that, as a rule, each machine has for itself. Where the nodes do not share it, a "
        "job finds neither its code nor its checkpoints"
    )
    return [job.problem(Finding(("OUTPUT_DIR",), wrong, "a folder on the shared file system", "warning"))]


def stages_here(plan: Plan) -> list[Stage]:
    """The stages of the next submission of a plan, in arrays that this cluster takes."""
    return stages_of(plan, job_queue.largest_array() if len(plan.cells) > 1 else None)


def check_with_sbatch(plan: Plan) -> Iterator[Problem]:
    """Ask sbatch what it would refuse: an account, a limit, more nodes than there are. It queues nothing."""
    for stage in stages_here(plan):
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
            file.write(stage.script(stage.code_folder))
            file.flush()
            try:
                done = job_queue.ask(["sbatch", "--test-only", file.name], _SBATCH_SECONDS, stage.requested)
            except SlurmError as error:
                yield Problem("", _SLURM, str(error))
                continue
        if done.returncode:
            yield Problem("", Origin("sbatch --test-only"), *refusal(stage, done.stderr))


def _submitted(job: Loaded) -> records.Job | Finding | None:
    """The record in the job's run folder; a finding where it cannot be read."""
    folder = Path(job.cfg.OUTPUT_DIR)
    try:
        return records.read_job(folder) if (folder / records.JOB_FILE).exists() else None
    except JobError as error:
        return Finding(("OUTPUT_DIR",), str(error))
    except OSError:
        return None  # a folder that cannot be entered, which is a problem where writing is tried


def _check_run_folder(
    folder: Path, record: records.Job | None, states: Mapping[str, QueueState], resume: bool
) -> Finding | None:
    key = ("OUTPUT_DIR",)
    queued = _in_queue(folder, record, states) if record else None
    if queued:
        return queued
    try:
        if is_held(folder):
            wrong = f"a job is running in {folder} at this moment, started without the queue"
            return Finding(key, wrong, "another folder, or wait for its end")
        held_before = "" if resume else _run_in(folder, record)
    except OSError as error:
        return _unwritable(folder, error)
    if held_before:
        wrong = f"{folder} belongs to an earlier run: it holds {held_before}"
        return Finding(key, wrong, "--resume on the command line to go on with that run, or another folder here")
    failed = _try_writing(folder)
    return _unwritable(folder, failed) if failed else None


def _in_queue(folder: Path, record: records.Job, states: Mapping[str, QueueState]) -> Finding | None:
    state = states.get(record.job_id)
    if state is None or not state.live:
        return None
    where = f" on {state.nodes}" if state.nodes else ""
    wrong = f"job {record.job_id} is in the queue for {folder} ({state.state}{where}), which belongs to it alone"
    name = shlex.quote(str(folder))
    remedy = f"`rhovideo status {name}` to look at it, `rhovideo cancel {name}` to end it, or another folder"
    return Finding(("OUTPUT_DIR",), wrong, remedy)


def _run_in(folder: Path, record: records.Job | None) -> str:
    """The files that an earlier run left in a folder; empty if there was none."""
    checkpoints = list_checkpoints(folder)
    what: Iterable[str] = (
        f"the record of job {record.job_id or record.name}" if record else "",
        f"checkpoints up to {checkpoints[0].name}" if checkpoints else "",
        RESULTS_FILE if (folder / RESULTS_FILE).exists() else "",
    )
    return ", ".join(filter(None, what))


def _unwritable(folder: Path, error: OSError) -> Finding:
    reason = error.strerror or str(error)
    return Finding(("OUTPUT_DIR",), f"{folder} cannot be written to: {reason}", "a folder that the nodes share")


def _try_writing(folder: Path) -> OSError | None:
    """Make the folder and a file in it, and remove what was made."""
    made: list[Path] = []
    try:
        for each in reversed(_missing_folders(folder.absolute())):
            with contextlib.suppress(FileExistsError):
                each.mkdir()
                made.append(each)
        with tempfile.NamedTemporaryFile(prefix=".rhovideo-", dir=folder) as file:
            # A full disk or quota shows once the bytes have to be somewhere.
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error
    finally:
        for each in reversed(made):
            with contextlib.suppress(OSError):
                each.rmdir()
    return None


def _missing_folders(folder: Path) -> list[Path]:
    """The folder and those above it that do not exist, the innermost first."""
    missing = []
    for each in (folder, *folder.parents):
        if each.exists():
            break
        missing.append(each)
    return missing
