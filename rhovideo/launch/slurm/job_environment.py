"""Which run and which attempt a process of a job belongs to, as the batch script tells it in its environment."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path

from rhovideo.atomic_files import write_text
from rhovideo.errors import JobError

_RUNS_FILE = "runs.json"
_ATTEMPT_VARIABLE = "RHOVIDEO_ATTEMPT"
_FOLDER_VARIABLE = "RHOVIDEO_SLURM_FOLDER"
_WORK_VARIABLE = "RHOVIDEO_WORK_FOLDER"
# Around each rank: one that is killed leaves no word, so its exit code is written by a shell that outlives it. Signals
# reach all processes of a step, this shell too; a trap, unlike '', is not inherited.
_WATCHED = (
    'trap : TERM USR1 USR2 HUP; "$@"; code=$?; [ $code = 0 ] || { '
    f'left="${_FOLDER_VARIABLE}/failures/${{SLURM_JOB_ID}}_attempt_${_ATTEMPT_VARIABLE}"; '
    'mkdir -p "$left" && echo "$code $SLURMD_NODENAME" >"$left/exit_$SLURM_PROCID"; }; exit $code'
)


@dataclass(frozen=True)
class Place:
    """Which job of a submission this batch script is.

    Attributes:
        folder: submitit's.
        run: the run folder.
        finished: it was done before this submission.
        max_failures: how many failures with progress are requeued.
        job_id: ``"17"`` or ``"17_3"``.
    """

    folder: Path
    run: Path
    finished: bool
    max_failures: int
    job_id: str


def write_runs(folder: Path, runs: list[Path], finished: list[bool], max_failures: int) -> None:
    """Leave in submitit's folder which array index is which run; to be called before submitting."""
    entries = [{"run": str(run), "finished": done} for run, done in zip(runs, finished, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / _RUNS_FILE, json.dumps({"runs": entries, "max_failures": max_failures}, indent=2) + "\n")


def script_lines(python: str, code: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Shell lines before and after srun.

    Args:
        python: the interpreter's path.
        code: the copy of the package.
        folder: submitit's.
    """
    module = f"{shlex.quote(python)} -m rhovideo.launch.slurm.batch_script"
    before = [
        f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}",
        # `python -m` looks into the current folder first, which may be a checkout that goes on changing.
        f'export {_WORK_VARIABLE}="$PWD" && cd {shlex.quote(str(code))}',
        # The script must outlive the signals that end srun's tasks; a trap, unlike '', is not inherited.
        "trap : TERM USR1 USR2 HUP",
        f"export {_FOLDER_VARIABLE}={shlex.quote(str(folder))}",
        f'{_ATTEMPT_VARIABLE}=$({module} start "${_FOLDER_VARIABLE}") || exit 1',
        f'[ -n "${_ATTEMPT_VARIABLE}" ] || exit 0',
        # submitit's own number is made from the job's, and whoever has that port makes every attempt fail.
        f'export MASTER_PORT="${{MASTER_PORT:-${{{_ATTEMPT_VARIABLE}#* }}}}"',
        f'export {_ATTEMPT_VARIABLE}="${{{_ATTEMPT_VARIABLE}% *}}"',
    ]
    after = ["code=$?", f'exec {module} end "${_FOLDER_VARIABLE}" "$code"']
    return before, after


def rank_command(python: str) -> str:
    """The shell command that starts the interpreter of a rank, whose arguments follow it.

    Args:
        python: the interpreter's path.
    """
    return f"sh -c {shlex.quote(_WATCHED)} rank {shlex.quote(python)}"


def enter_work_folder() -> None:
    """Go back to the folder of the submission, from which relative paths start."""
    os.chdir(os.environ[_WORK_VARIABLE])


def attempt() -> int:
    """The number of the attempt that this process belongs to, from 1."""
    return int(os.environ[_ATTEMPT_VARIABLE])


def failures_folder() -> Path:
    """Where the ranks of this attempt leave word."""
    return Path(os.environ[_FOLDER_VARIABLE]) / "failures" / f"{os.environ['SLURM_JOB_ID']}_attempt_{attempt()}"


def free_port() -> int:
    """A port that nobody has on this machine, which is rank 0's; not one that the kernel hands out to others."""
    for port in random.sample(range(20_000, 32_768), 100):
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("", port))
            return port
    raise OSError("no port between 20000 and 32767 is free on this machine")


def _job_id() -> str:
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array else os.environ["SLURM_JOB_ID"]


def place_of(folder: Path) -> Place:
    """The place in a submission that SLURM's environment tells of; ``folder`` is submitit's.

    Raises:
        JobError: what the submission has left there is gone or damaged.
    """
    path = folder / _RUNS_FILE
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))
        entry = runs["runs"][int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))]
        return Place(folder, Path(entry["run"]), entry["finished"], int(runs["max_failures"]), _job_id())
    except (OSError, TypeError, ValueError, LookupError) as error:
        raise JobError(f"{path}: cannot be read ({error}): submit the same command again with --resume") from error
