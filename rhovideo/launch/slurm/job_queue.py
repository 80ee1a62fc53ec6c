"""Asking SLURM for its partitions and for the states of jobs, and cancelling jobs.

The answers come from ``squeue`` and, for jobs that have left it, from ``sacct``, where accounting is set up. ``squeue
--states=all`` also lists jobs that ended within SLURM's MinJobAge (usually 300 seconds): as much as ``scontrol show
job`` knows, for many jobs at once. Plain formats are read, since SLURM 22.05 has JSON only with plugins. Imports no
torch.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rhovideo.errors import JobError
from rhovideo.launch.slurm.login_environment import foreign_variables

SECONDS = 60
_SACCT_SECONDS = 20
_FAILED = ("BOOT_FAIL", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "RECONFIG_FAIL", "TIMEOUT")
ENDED = frozenset({*_FAILED, "CANCELLED", "COMPLETED", "PREEMPTED", "REVOKED"})
# Requeued jobs are pending jobs, some of them held.
WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
_UNKNOWN_JOB = "Invalid job id"
_ARRAY = re.compile(r"(\d+)_\[([^\]%]+)(?:%\d+)?\]")
_JOB_LINE = re.compile(r"\d[^|]*\|[A-Z_]+\|[^|]*\|[^|]*$")
_RANGE = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")


class SlurmError(JobError):
    """SLURM does not answer, or cannot be asked; the message says what to do."""


@dataclass(frozen=True)
class QueueState:
    """A job in SLURM's answer.

    Attributes:
        state: SLURM's name of it: ``PENDING``, ``RUNNING``, ``COMPLETED``, ...
        nodes: ``node[0-1]``; empty while the job has none.
        reason: why it waits, or why it has failed; empty where SLURM gives no reason.
    """

    state: str
    nodes: str = ""
    reason: str = ""

    @property
    def live(self) -> bool:
        """True while the job is in the queue, or runs, or is being cleaned up."""
        return self.state not in ENDED

    @property
    def waiting(self) -> bool:
        return self.state in WAITING


def partitions() -> list[str]:
    """The names of all partitions.

    Raises:
        SlurmError: SLURM cannot be asked.
    """
    done = ask(["sinfo", "--all", "--noheader", "--format=%R"])
    _must_succeed(done)
    return list(dict.fromkeys(done.stdout.split()))


def largest_array() -> int | None:
    """Jobs that an array may have on this cluster; None where SLURM does not say."""
    try:
        done = ask(["scontrol", "show", "config"])
    except SlurmError:
        return None
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.stdout, re.MULTILINE)
    # The largest index is one less, and indices are counted from 0. 0 forbids arrays.
    return max(1, int(found[1])) if found else None


def live_state(job_ids: Iterable[str]) -> dict[str, QueueState]:
    """The states of jobs.

    Args:
        job_ids: ``"17"``, or ``"17_3"`` for a job of an array.

    Returns:
        The states by job id, without jobs that SLURM no longer knows, or never knew.

    Raises:
        SlurmError: the controller cannot be asked.
    """
    wanted = list(dict.fromkeys(job_ids))
    if not wanted:
        return {}
    found = _squeue(wanted)
    left = [job_id for job_id in wanted if job_id not in found]
    if left:
        found |= _sacct(left)
    return {job_id: found[job_id] for job_id in wanted if job_id in found}


def _squeue(job_ids: Sequence[str]) -> dict[str, QueueState]:
    # Whole arrays: the list stays short, however many cells a study has.
    jobs = ",".join(dict.fromkeys(job_id.partition("_")[0] for job_id in job_ids))
    done = ask(["squeue", "--noheader", "--all", "--array", "--states=all", "--format=%i|%T|%N|%r", f"--jobs={jobs}"])
    if _UNKNOWN_JOB not in done.stderr:
        _must_succeed(done)
    _must_be_a_list(done)
    found = {}
    for job_id, state, nodes, reason in _rows(done.stdout, 4):
        for each in expand(job_id):
            found[each] = QueueState(state, nodes, "" if reason == "None" else reason)
    return found


def _sacct(job_ids: Sequence[str]) -> dict[str, QueueState]:
    """The states of jobs that are over; empty where there is no accounting, which is common."""
    jobs = ",".join(dict.fromkeys(job_id.partition("_")[0] for job_id in job_ids))
    command = ["sacct", "--noheader", "--parsable2", "--allocations", "--format=JobID,State,NodeList", f"--jobs={jobs}"]
    try:
        done = ask(command, _SACCT_SECONDS)
    except SlurmError:
        return {}
    found: dict[str, QueueState] = {}
    for job_id, state, nodes in _rows(done.stdout, 3):
        # "CANCELLED by 1000"
        now = QueueState(state.partition(" ")[0], "" if nodes == "None assigned" else nodes)
        # A job that the controller no longer knows is over, even if the accounts have missed its end.
        if not now.live:
            found |= dict.fromkeys(expand(job_id), now)
    return found


def submitted_from(folders: Sequence[Path]) -> list[str]:
    """The user's jobs in the queue whose batch script lies in one of the folders, in the order of the folders.

    An array is one job.

    Raises:
        SlurmError: the controller cannot be asked.
    """
    done = ask(["squeue", "--noheader", "--all", f"--user={os.getuid()}", "--format=%F|%o"])
    _must_succeed(done)
    found = [
        (folders.index(Path(script).parent), job_id)
        for job_id, script in _rows(done.stdout, 2)
        if Path(script).parent in folders
    ]
    return list(dict.fromkeys(job_id for _, job_id in sorted(found)))


def cancel(job_ids: Sequence[str]) -> None:
    """Cancel jobs, all in one call and in this order; jobs that are over already stay so.

    Raises:
        SlurmError: SLURM cannot be asked, or refuses one of them.
    """
    if not job_ids:
        return
    done = ask(["scancel", *job_ids])
    wrong = [line for line in done.stderr.splitlines() if _UNKNOWN_JOB not in line and "already complet" not in line]
    if done.returncode and wrong:
        raise SlurmError(f"scancel failed: {_shortened(wrong)}")


def expand(job_id: str) -> list[str]:
    """The jobs behind an id as SLURM shows it: ``17_[2-4,7%2]`` is 17_2, 17_3, 17_4 and 17_7."""
    array = _ARRAY.fullmatch(job_id)
    if array is None:
        return [job_id]
    indices: list[int] = []
    for part in array[2].split(","):
        span = _RANGE.fullmatch(part)
        if span:
            indices += range(int(span[1]), int(span[2] or span[1]) + 1, int(span[3] or 1))
    return [f"{array[1]}_{index}" for index in indices]


def _rows(text: str, columns: int) -> list[list[str]]:
    """Lines of this many columns; others are headings (``CLUSTER: x``)."""
    rows = [line.strip().split("|") for line in text.splitlines()]
    return [[value.strip() for value in row] for row in rows if len(row) == columns]


def ask(
    command: Sequence[str], seconds: float | None = None, requested: Collection[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run one of SLURM's programs to its end; a failure is in its exit code.

    Args:
        command: the program and its arguments.
        seconds: to wait at most; None: :data:`SECONDS`.
        requested: options that a script for sbatch has, and which no variable may replace.

    Raises:
        SlurmError: it cannot be started, or does not answer.
    """
    seconds = seconds or SECONDS
    try:
        return subprocess.run(
            list(command),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env=_environment(requested),
        )
    except OSError as error:
        raise SlurmError(
            f"`{command[0]}` cannot be started here ({error.strerror}): use a login node of the cluster, or put "
            "SLURM's programs on the PATH"
        ) from error
    except subprocess.TimeoutExpired as error:
        stderr = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else error.stderr or ""
        raise SlurmError(
            f"`{command[0]}` has not answered within {seconds:g} seconds{_after_colon(stderr)}: "
            "is the controller up? `scontrol ping` shows it"
        ) from error


def _environment(requested: Collection[str]) -> dict[str, str]:
    """The environment without the user's formats and other jobs' variables, and with array ranges written out."""
    foreign = set(foreign_variables(os.environ, requested))
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return kept | {"SLURM_BITSTR_LEN": "0"}


def _must_be_a_list(done: subprocess.CompletedProcess[str]) -> None:
    """Stop at an answer that is no list of jobs: a job that is not in it may still run."""
    for line in filter(str.strip, done.stdout.splitlines()):
        if not (_JOB_LINE.match(line.strip()) or line.startswith("CLUSTER:")):
            raise SlurmError(f"`{done.args[0]}` printed something that is no list of jobs: {line.strip()[:120]!r}")


def _must_succeed(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise SlurmError(
            f"`{done.args[0]}` failed{_after_colon(done.stderr)}. "
            "Does SLURM answer here? `scontrol ping` shows it. SLURM_CONF is the path of its configuration, where "
            "that is not the usual one"
        )


def _after_colon(stderr: str) -> str:
    lines = [line for line in stderr.splitlines() if line.strip()]
    return f": {_shortened(lines)}" if lines else ""


def _shortened(lines: Sequence[str]) -> str:
    text = "; ".join(dict.fromkeys(line.strip() for line in lines))
    return text if len(text) <= 400 else f"... {text[-400:]}"
