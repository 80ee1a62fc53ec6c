"""The shell text of a job: the lines around srun in its script, and the shell around each rank."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from rhovideo.launch.slurm.job_environment import ATTEMPT_VARIABLE, ENVIRONMENT_FILE, FOLDER_VARIABLE, WORK_VARIABLE

_CODE_VARIABLE = "RHOVIDEO_CODE"
_STEP_VARIABLE = "RHOVIDEO_SETUP_LINE"


def script_lines(python: str, code: Path, folder: Path, setup: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Shell lines before and after srun.

    Args:
        python: the interpreter's path.
        code: the copy of the package.
        folder: of submitit's files.
        setup: SLURM.SETUP. Where one of these lines fails, the job ends, and says which.
    """
    module = f"{shlex.quote(python)} -m rhovideo.launch.slurm.batch_script"
    before = [
        # They are for the submission, and srun or a requeue is not to read them.
        'unset "${!SBATCH_@}" "${!SRUN_@}"',
        f"export {FOLDER_VARIABLE}={shlex.quote(str(folder))} {_CODE_VARIABLE}={shlex.quote(str(code))}",
        *(_guarded(setup, module) if setup else []),
        f"export PYTHONPATH=${_CODE_VARIABLE}${{PYTHONPATH:+:$PYTHONPATH}}",
        # `python -m` imports from the current folder first, which may be a checkout that is edited meanwhile.
        f'export {WORK_VARIABLE}="$PWD" && cd "${_CODE_VARIABLE}"',
        # The script must outlive the signals that end srun's tasks; a trap, unlike '', is not inherited.
        "trap : TERM USR1 USR2 HUP",
        f'{ATTEMPT_VARIABLE}=$({module} start "${FOLDER_VARIABLE}") || exit 1',
        f'[ -n "${ATTEMPT_VARIABLE}" ] || exit 0',
        # submitit makes the port from the job's number: if another program has it, every attempt fails.
        f'export MASTER_PORT="${{MASTER_PORT:-${{{ATTEMPT_VARIABLE}#* }}}}"',
        f'export {ATTEMPT_VARIABLE}="${{{ATTEMPT_VARIABLE}% *}}"',
    ]
    after = ["code=$?", f'exec {module} end "${FOLDER_VARIABLE}" "$code"']
    return before, after


def _guarded(setup: Sequence[str], module: str) -> list[str]:
    """The lines of SLURM.SETUP, each followed by a look at its exit code.

    A line may end the shell itself (``exit``, ``set -e``), so the shell's end is watched, too.
    """
    # In a shell of its own: the imports are not to follow what the lines have done to PYTHONPATH and the folder.
    tell = f'(cd "${_CODE_VARIABLE}" && PYTHONPATH=${_CODE_VARIABLE} exec {module} setup "${FOLDER_VARIABLE}" "$code"'
    lines = [f"trap 'code=$?; {tell} \"${_STEP_VARIABLE}\")' EXIT"]
    for part in whole_commands(setup):
        lines += [f"{_STEP_VARIABLE}={shlex.quote(part)}", part, "code=$?; [ $code = 0 ] || exit $code"]
    # What the lines have set for themselves is not meant for the lines below.
    return [*lines, "trap - EXIT", "set +eu +o pipefail"]


def whole_commands(lines: Sequence[str]) -> list[str]:
    """Lines of bash, those of one command together, such as those of an ``if`` that goes over several lines."""
    found: list[str] = []
    open_lines: list[str] = []
    for line in lines:
        open_lines.append(line)
        if _is_whole("\n".join(open_lines)):
            found.append("\n".join(open_lines))
            open_lines = []
    return [*found, "\n".join(open_lines)] if open_lines else found


def _is_whole(text: str) -> bool:
    """True if bash can read a text to its end; where there is no bash, every line is taken as whole."""
    if text.endswith("\\"):
        return False
    try:
        read = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return True
    # Of a here-document without its end, bash only warns.
    return read.returncode == 0 and not read.stderr


def rank_command(python: str, folder: Path) -> str:
    """The shell command that starts the interpreter of a rank, whose arguments follow it.

    The shell outlives a rank that is killed and writes down its exit code. Signals reach all processes of a step, this
    shell too; its trap, unlike an ignored signal, is not inherited.

    Args:
        python: the interpreter's path.
        folder: of submitit's files.
    """
    environment = f"{shlex.quote(str(folder))}/{ENVIRONMENT_FILE}$SLURM_JOB_ID"
    watched = (
        f'trap : TERM USR1 USR2 HUP; [ ! -r {environment} ] || . {environment}; "$@"; code=$?; [ $code = 0 ] || {{ '
        f'left="${FOLDER_VARIABLE}/failures/${{SLURM_JOB_ID}}_attempt_${ATTEMPT_VARIABLE}"; '
        'mkdir -p "$left" && echo "$code $SLURMD_NODENAME" >"$left/exit_$SLURM_PROCID"; }; exit $code'
    )
    return f"sh -c {shlex.quote(watched)} rank {shlex.quote(python)}"
