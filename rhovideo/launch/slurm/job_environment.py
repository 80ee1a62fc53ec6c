"""The run and the attempt that a process of a job belongs to, which the batch script passes on in its environment."""

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
# The shell around each rank: it outlives a rank that is killed and writes down its exit code. Signals reach all
# processes of a step, this shell too; its trap, unlike an ignored signal, is not inherited.
_WATCHED = (
    'trap : TERM USR1 USR2 HUP; "$@"; code=$?; [ $code = 0 ] || { '
    f'left="${_FOLDER_VARIABLE}/failures/${{SLURM_JOB_ID}}_attempt_${_ATTEMPT_VARIABLE}"; '
    'mkdir -p "$left" && echo "$code $SLURMD_NODENAME" >"$left/exit_$SLURM_PROCID"; }; exit $code'
)


@dataclass(frozen=True)
class Place:
    """The job of a submission that this batch script runs.

    Attributes:
        folder: of submitit's files.
        run: the run folder.
        finished: True if the run was finished before this submission.
        max_failures: how often a failed attempt that made progress is requeued.
        job_id: ``"17"`` or ``"17_3"``.
    """

    folder: Path
    run: Path
    finished: bool
    max_failures: int
    job_id: str


def write_runs(folder: Path, runs: list[Path], finished: list[bool], max_failures: int) -> None:
    """Write the run of each array index into submitit's folder, before submitting."""
    entries = [{"run": str(run), "finished": done} for run, done in zip(runs, finished, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / _RUNS_FILE, json.dumps({"runs": entries, "max_failures": max_failures}, indent=2) + "\n")


def script_lines(python: str, code: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Shell lines before and after srun.

    Args:
        python: the interpreter's path.
        code: the copy of the package.
        folder: of submitit's files.
    """
    module = f"{shlex.quote(python)} -m rhovideo.launch.slurm.batch_script"
    before = [
        f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}",
        # `python -m` imports from the current folder first, which may be a checkout that is edited meanwhile.
        f'export {_WORK_VARIABLE}="$PWD" && cd {shlex.quote(str(code))}',
        # The script must outlive the signals that end srun's tasks; a trap, unlike '', is not inherited.
        "trap : TERM USR1 USR2 HUP",
        f"export {_FOLDER_VARIABLE}={shlex.quote(str(folder))}",
        f'{_ATTEMPT_VARIABLE}=$({module} start "${_FOLDER_VARIABLE}") || exit 1',
        f'[ -n "${_ATTEMPT_VARIABLE}" ] || exit 0',
        # submitit makes the port from the job's number: if another program has it, every attempt fails.
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
    """The folder where the ranks of this attempt write their failures."""
    return Path(os.environ[_FOLDER_VARIABLE]) / "failures" / f"{os.environ['SLURM_JOB_ID']}_attempt_{attempt()}"


def free_port() -> int:
    """A free port of this machine, rank 0's, outside of the range that the kernel gives to other programs."""
    for port in random.sample(range(20_000, 32_768), 100):
        with socket.socket() as candidate, contextlib.suppress(OSError):
            candidate.bind(("", port))
            return port
    raise OSError("no port between 20000 and 32767 is free on this machine")


def _job_id() -> str:
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array else os.environ["SLURM_JOB_ID"]


def place_of(folder: Path) -> Place:
    """The job of a submission that SLURM's environment names.

    Args:
        folder: of submitit's files.

    Raises:
        JobError: the file that the submission wrote there is gone or damaged.
    """
    path = folder / _RUNS_FILE
    try:
        runs = json.loads(path.read_text(encoding="utf-8"))
        entry = runs["runs"][int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))]
        return Place(folder, Path(entry["run"]), entry["finished"], int(runs["max_failures"]), _job_id())
    except (OSError, TypeError, ValueError, LookupError) as error:
        raise JobError(f"{path}: cannot be read ({error}): submit the same command again with --resume") from error
