"""Everything that depends on submitit's undocumented insides; setup.py allows the versions that have them.

submitit is imported inside of the functions, since batch scripts and ``rhovideo logs`` need only a file name.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rhovideo.errors import JobError
from rhovideo.launch.slurm.login_environment import foreign_variables
from rhovideo.launch.slurm.script_text import rank_command

if TYPE_CHECKING:
    from submitit import SlurmExecutor


# sbatch may take so long: while the controller is busy it tries again for minutes.
SBATCH_SECONDS = 300
_OPTION = re.compile(r"#SBATCH --([a-z0-9-]+)")
_SUBMITTED = re.compile(r"^Submitted batch job (\d+)(?: on cluster \S+)?\s*$", re.MULTILINE)


class SubmissionRefused(JobError):
    """sbatch refused the job; its message is sbatch's."""


def log_file(folder: str | Path, job_id: str, rank: int, kind: str) -> Path:
    """The file of a rank's output; that of rank 0 has the batch script's output too.

    Args:
        folder: of submitit's files.
        job_id: ``"17"`` or ``"17_3"``.
        rank: the rank.
        kind: ``out`` or ``err``.
    """
    return Path(folder) / f"{job_id}_{rank}_log.{kind}"


def stop_signal() -> signal.Signals:
    """The signal that the sbatch file asks SLURM to send ahead of a preemption or the time limit."""
    from submitit import JobEnvironment

    return signal.Signals(JobEnvironment._usr_sig())


def sbatch_text(folder: Path, parameters: dict[str, Any], count: int, dropped: Collection[str] = ()) -> str:
    """The sbatch file that :func:`submit` would use for this many jobs; needs no SLURM."""
    executor = _executor(folder, parameters, dropped)
    if count > 1:
        executor.parameters["map_count"] = count
    return executor._make_submission_file_text(executor._submitit_command_str, "")


def _option_of(line: str) -> str:
    """The option that a line of an sbatch file has; empty for another line."""
    found = _OPTION.match(line)
    return found[1] if found else ""


def requested_options(parameters: Mapping[str, Any], dropped: Collection[str]) -> set[str]:
    """The names of sbatch's options that a script has by its parameters, without those that it does without."""
    names = {*parameters, *(parameters.get("additional_parameters") or {})}
    return {name.replace("_", "-") for name in names} - set(dropped)


def submit(
    folder: Path, parameters: dict[str, Any], functions: Sequence[Any], dropped: Collection[str] = ()
) -> list[str]:
    """Queue a job, or an array of several, each of which calls one of the functions on all its ranks.

    Args:
        folder: for submitit's files and the logs.
        parameters: of ``SlurmExecutor.update_parameters``.
        functions: without arguments; they are pickled.
        dropped: options of sbatch that the script is to do without.

    Returns:
        The id of each job.

    Raises:
        SubmissionRefused: with sbatch's message.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        return [job.job_id for job in _executor(folder, parameters, dropped).submit_array(functions)]
    except (FailedJobError, FailedSubmissionError) as error:
        # The exit codes of `timeout`, which prints nothing.
        ended = getattr(error.__cause__, "returncode", 0) in (124, 137)
        message = f"sbatch has not answered within {SBATCH_SECONDS} seconds" if ended else str(error)
        raise SubmissionRefused(message) from error


def _executor(folder: Path, parameters: dict[str, Any], dropped: Collection[str]) -> SlurmExecutor:
    from submitit import SlurmExecutor
    from submitit.core.utils import FailedSubmissionError

    class Executor(SlurmExecutor):
        @classmethod
        def affinity(cls) -> int:
            """1, for "SLURM is there": without SLURM submitit would write no file. We check for SLURM before."""
            return 1

        def _make_submission_command(self, submission_file_path: Path) -> list[str]:
            """With a time limit: submitit would wait for ever, and Ctrl-C waits for sbatch's answer."""
            foreign = foreign_variables(os.environ, requested_options(self.parameters, dropped))
            command = ["env", *(f"--unset={name}" for name in foreign), "sbatch", str(submission_file_path)]
            return ["timeout", "--kill-after=5", str(SBATCH_SECONDS), *command] if shutil.which("timeout") else command

        def _make_submission_file_text(self, command: str, uid: str) -> str:
            """Without the options that a site forbids."""
            lines = super()._make_submission_file_text(command, uid).split("\n")
            return "\n".join(line for line in lines if _option_of(line) not in dropped)

        @staticmethod
        def _get_job_id_from_submission_command(string: bytes | str) -> str:
            """The number in sbatch's own line: lines of plugins and wrappers before it may name other jobs."""
            text = string if isinstance(string, str) else string.decode(errors="replace")
            found = _SUBMITTED.findall(text)
            if not found:
                raise FailedSubmissionError(
                    f"sbatch printed no line `Submitted batch job NUMBER`, but {text.strip()!r}"
                )
            return found[-1]

    executor = Executor(folder, python=rank_command(sys.executable, Path(folder)))
    executor.update_parameters(**parameters)
    return executor
