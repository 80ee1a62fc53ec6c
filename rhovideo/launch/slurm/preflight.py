"""What would fail on a cluster and can be told before anything is queued. Without torch: in a second or two.

Keys, times, amounts of memory, lists and checkpoints are checked where configurations are loaded. Here it is what
SLURM and the file system have to be asked for: the partition, and the run folder, which belongs to one run. What takes
torch is in :mod:`rhovideo.checks.network`.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rhovideo.config.findings import Finding, Origin, Problem
from rhovideo.config.reading import Loaded
from rhovideo.errors import JobError
from rhovideo.launch.run_state import ask_slurm, judge
from rhovideo.launch.slurm.job_queue import QueueState, SlurmError, live_state, partitions
from rhovideo.runs import records
from rhovideo.runs.folder import RESULTS_FILE, list_checkpoints
from rhovideo.runs.lock import is_held

_SLURM = Origin("SLURM")
_PROGRAMS = ("sbatch", "srun", "sinfo", "squeue")
_PARTITIONS_SHOWN = 12
# Folders that every machine has for itself.
_NODE_LOCAL = ("/tmp", "/var/tmp", "/dev/shm", "/run")


def check_before_queueing(plan_jobs: Sequence[Loaded], *, resume: bool) -> list[Problem]:
    """What keeps the jobs from being queued. Nothing is left behind in their folders.

    Args:
        plan_jobs: all jobs of all cells, loaded for SLURM.
        resume: whether to go on in run folders that hold a run already.

    Returns:
        The problems of all jobs, each once.
    """
    known, problems = _ask_for_partitions()
    asks = not problems
    problems += _check_partitions(plan_jobs, known) if asks else []
    problems += check_run_folders(plan_jobs, resume=resume, ask=asks)
    return list(dict.fromkeys(problems))


def check_run_folders(plan_jobs: Sequence[Loaded], *, resume: bool, ask: bool = True) -> list[Problem]:
    """The part of :func:`check_before_queueing` that another submission may change at any moment.

    Args:
        plan_jobs: all jobs.
        resume: whether to go on in run folders that hold a run already.
        ask: whether SLURM can be asked about jobs that were submitted into these folders before.
    """
    found = [_submitted(job) for job in plan_jobs]
    states: dict[str, QueueState] = {}
    problems = []
    if ask:
        try:
            states = live_state([record.job_id for record in found if isinstance(record, records.Job)])
        except SlurmError as error:
            problems.append(Problem("", _SLURM, str(error)))
    for job, record in zip(plan_jobs, found, strict=True):
        if isinstance(record, Finding):
            finding = record
        else:
            finding = _check_run_folder(Path(job.cfg.OUTPUT_DIR), record, states, resume)
        problems += [job.problem(finding)] if finding else []
    return _together(problems)


def _together(problems: Sequence[Problem]) -> list[Problem]:
    """One problem for all folders, of a study say, with which the same is to be done."""
    alike: dict[tuple[str, Origin, str], list[Problem]] = {}
    for problem in problems:
        alike.setdefault((problem.key, problem.origin, problem.write), []).append(problem)
    return [
        replace(first, wrong=f"{first.wrong}; so it is with {more} more" if more else first.wrong)
        for first, more in ((group[0], len(set(group)) - 1) for group in alike.values())
    ]


def check_not_queued(plan_jobs: Sequence[Loaded]) -> tuple[list[Problem], list[str]]:
    """What keeps jobs from being run here: others that were submitted into their folders, and are not over.

    Returns:
        Problems, and a sentence for each folder of which SLURM could not tell.
    """
    found = [(job, _submitted(job)) for job in plan_jobs]
    answer = ask_slurm([record for _, record in found if isinstance(record, records.Job)])
    problems, doubts = [], []
    for job, record in found:
        folder = Path(job.cfg.OUTPUT_DIR)
        if record is None:
            continue
        finding = record if isinstance(record, Finding) else _in_queue(folder, record, answer.found)
        if finding:
            problems.append(job.problem(finding))
        elif answer.trouble and not judge(folder, record, answer).over:
            doubts.append(f"{folder}: whether job {record.job_id} still waits for it is not known: {answer.trouble}")
    return problems, doubts


def doubts_before_queueing(plan_jobs: Sequence[Loaded]) -> list[str]:
    """What is likely to be a mistake, and may be meant: a sentence each, for the person who submits."""
    folders = dict.fromkeys(job.cfg.OUTPUT_DIR for job in plan_jobs if _is_node_local(job.cfg.OUTPUT_DIR))
    if not folders:
        return []
    first, *others = folders
    which = f"OUTPUT_DIR {first}" + (f" (and {len(others)} more)" if others else "")
    return [
        f"{which} lies in a folder that each machine has for itself as a rule: where nodes do not share it, a job "
        "finds neither its code nor its checkpoints. Write a folder on the shared file system"
    ]


def why_not_asked() -> list[Problem]:
    """Why SLURM cannot be asked from this machine: its commands are missing, or it does not answer."""
    return _ask_for_partitions()[1]


def _ask_for_partitions() -> tuple[list[str], list[Problem]]:
    problems = _missing_programs()
    if problems:
        return [], problems
    try:
        return list(partitions()), []
    except SlurmError as error:
        return [], [Problem("", _SLURM, str(error))]


def _missing_programs() -> list[Problem]:
    missing = [program for program in _PROGRAMS if not shutil.which(program)]
    if not missing:
        return []
    wrong = (
        f"there is no {' and no '.join(missing)} on the PATH of this machine, so it cannot queue jobs: log in to a "
        "login node of the cluster, load its SLURM module, or run here with --launcher local"
    )
    return [Problem("", _SLURM, wrong)]


def _check_partitions(jobs: Sequence[Loaded], known: Sequence[str]) -> Iterator[Problem]:
    for job in jobs:
        # As sbatch: several may be named, the first to start the job wins.
        wanted = job.cfg.SLURM.PARTITION.split(",") if job.cfg.SLURM.PARTITION else []
        unknown = [name for name in wanted if name not in known]
        if unknown:
            nearest = {name: _nearest_partition(name, known) for name in unknown}
            there = ", ".join(known[:_PARTITIONS_SHOWN]) + (", ..." if len(known) > _PARTITIONS_SHOWN else "")
            wrong = f"this cluster has no partition {' and no '.join(map(repr, unknown))}; it has {there or 'none'}"
            meant = ",".join(dict.fromkeys(nearest.get(name, name) for name in wanted)) if all(nearest.values()) else ""
            yield job.problem(Finding(("SLURM.PARTITION",), wrong, meant or "one of these (`sinfo -s` tells of them)"))


def _nearest_partition(name: str, known: Sequence[str]) -> str:
    by_lower = {other.lower(): other for other in reversed(known)}
    close = difflib.get_close_matches(name.strip().lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[close[0]] if close else ""


def _submitted(job: Loaded) -> records.Job | Finding | None:
    """The record in the job's run folder; a finding where it cannot be read."""
    folder = Path(job.cfg.OUTPUT_DIR)
    try:
        return records.read_job(folder) if (folder / records.JOB_FILE).exists() else None
    except JobError as error:
        return Finding(("OUTPUT_DIR",), str(error))
    except OSError:
        return None  # a folder that cannot be entered, which is said when writing is tried


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
    error = _try_writing(folder)
    return _unwritable(folder, error) if error else None


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
    """What a run has left in a folder; empty where there was none."""
    checkpoints = list_checkpoints(folder)
    what = [
        f"the record of job {record.job_id or record.name}" if record else "",
        f"checkpoints up to {checkpoints[0].name}" if checkpoints else "",
        RESULTS_FILE if (folder / RESULTS_FILE).exists() else "",
    ]
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


def _is_node_local(folder: str) -> bool:
    places = {Path(place).resolve() for place in (*_NODE_LOCAL, tempfile.gettempdir())}
    return not places.isdisjoint(Path(folder).resolve().parents)
