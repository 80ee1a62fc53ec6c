"""The environment that jobs are submitted from: as in a login shell, wherever the command was started.

sbatch reads ``SBATCH_*`` over the lines of a script, srun in the job reads ``SLURM_*``, and a job inherits whatever the
shell of its submission had. Inside of ``salloc``, of ``srun --pty`` or of a job, these are another job's.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from rhovideo.cache_variables import names_a_cache

# Which SLURM is meant.
_WHICH_SLURM = ("SLURM_CONF", "SLURM_CLUSTERS")
_OF_SLURM = re.compile(r"(SLURM|SLURMD|SBATCH|SRUN|SALLOC|SQUEUE|SACCT|SCANCEL|SINFO|PMI|PMI2|PMIX)_")
# Who pays and where: sites have them set at login. They count where the job does not say it itself.
_AT_LOGIN = {
    "SBATCH_ACCOUNT": "account",
    "SBATCH_PARTITION": "partition",
    "SBATCH_QOS": "qos",
    "SBATCH_RESERVATION": "reservation",
}
# A job gets its own of these, from SLURM, from the prolog of its site or from torchrun.
_OF_A_JOB = re.compile(
    r"(CUDA|ROCR|HIP)_VISIBLE_DEVICES|GPU_DEVICE_ORDINAL|TMPDIR|(OMP|MKL|OPENBLAS|NUMEXPR)_NUM_THREADS|OMP_PLACES|"
    r"OMP_PROC_BIND|(GOMP_CPU|KMP)_AFFINITY|(LOCAL_|GROUP_|NODE_)?RANK|(LOCAL_|GROUP_)?WORLD_SIZE|MASTER_(ADDR|PORT)|"
    r"RHOVIDEO_(ATTEMPT|SLURM_FOLDER|WORK_FOLDER|CODE|SETUP_LINE)"
)
# Folders that every machine has for itself.
_NODE_LOCAL = ("/tmp", "/var/tmp", "/dev/shm", "/run")


def foreign_variables(environment: Mapping[str, str], requested: Collection[str] = ()) -> list[str]:
    """The variables that must not reach SLURM's programs or a job, sorted.

    Args:
        environment: of this process.
        requested: sbatch's options that the job names itself, such as ``account``.
    """
    return sorted(_foreign(environment, requested))


def _foreign(environment: Mapping[str, str], requested: Collection[str]) -> Iterator[str]:
    in_a_job = "SLURM_JOB_ID" in environment
    for name, value in environment.items():
        if name in _AT_LOGIN:
            if _AT_LOGIN[name] in requested:
                yield name
        elif _OF_SLURM.match(name):
            if name not in _WHICH_SLURM:
                yield name
        elif (in_a_job and _OF_A_JOB.fullmatch(name)) or (value and names_a_cache(name) and is_node_local(value)):
            yield name


def copies_by_srun(environment: Mapping[str, str]) -> int:
    """How many copies of this command srun has started; 1 where it is alone, has a terminal, or is torchrun's.

    Args:
        environment: of this process.
    """
    by_torchrun = all(name in environment for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"))
    if by_torchrun or "SLURM_PTY_PORT" in environment:
        return 1
    return int(environment.get("SLURM_STEP_NUM_TASKS") or 1)


def is_node_local(folder: str | Path) -> bool:
    """True if a folder lies where, as a rule, each machine has its own."""
    places = {Path(place).resolve() for place in (*_NODE_LOCAL, tempfile.gettempdir())}
    resolved = Path(folder).resolve()
    return not places.isdisjoint((resolved, *resolved.parents))
