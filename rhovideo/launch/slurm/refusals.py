"""What sbatch answers where it refuses a job, with what to write instead."""

from __future__ import annotations

import re

from rhovideo.launch.slurm.stages import Stage

# By a part of sbatch's answer; the first that is found counts.
_REMEDIES = (
    (
        r"MaxSubmitJob|job submit limit",
        "fewer cells in one call: you may have only so many jobs in the queue. `sacctmgr show assoc user=$USER "
        "format=account,qos,maxsubmit` and `sacctmgr show qos format=name,maxsubmitpu` show the limits",
    ),
    (
        r"[Ii]nvalid job array specification",
        "fewer cells in one call: the array is larger than this cluster takes (`scontrol show config | grep "
        "MaxArraySize`)",
    ),
    (
        r"[Ii]nvalid account",
        "--account NAME with an account that you have: `sacctmgr show assoc user=$USER` lists them",
    ),
    (r"[Ii]nvalid qos", "--qos NAME with one that your account may use: `sacctmgr show assoc user=$USER` lists them"),
    (
        r"[Rr]equested time limit|time limit is invalid|MaxWall",
        "a shorter --time: a job that reaches it goes on by itself",
    ),
    (
        r"[Mm]emory specification|MaxMem",
        "a smaller --mem; or, where the site wants it for each core, SLURM.MEM '' and --slurm-arg mem-per-cpu=4G",
    ),
    (r"[Mm]utually exclusive", "one of the two options; SLURM.DROP leaves one that we write out"),
    (
        r"[Nn]ode configuration is not available|[Mm]ore processors requested|[Nn]ode count specification",
        "what a node of the partition has (`sinfo -o '%P %c %m %G %D'`): --nodes, --cpus-per-task, --mem or, for GPUs "
        "with a type, --slurm-arg gres=gpu:TYPE:N",
    ),
    (
        r"unrecognized option|invalid option|not allowed|not permitted|forbidden|must not|do not use",
        'SLURM.DROP with the name of the option that it forbids, such as DROP: ["ntasks-per-node"] in cluster.yaml',
    ),
    (
        r"must (specify|be specified|request|set)|please (specify|set|use|request)|is required|missing option",
        '--slurm-arg OPTION=VALUE with the option that it wants, or ARGS: ["OPTION=VALUE"] in cluster.yaml',
    ),
)
_ANY = (
    "other values in the SLURM section, in cluster.yaml or as flags (--partition, --account, --qos, --time, --nodes, "
    "...); SLURM.DROP leaves an option out, and --dry-run shows the sbatch file"
)


def refusal(stage: Stage, answer: str) -> tuple[str, str]:
    """The reason why SLURM refuses a stage, and the remedy.

    Args:
        stage: the submission.
        answer: what sbatch has printed.
    """
    reason = "; ".join(answer.strip().splitlines()) or "no reason given"
    remedy = next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, answer)), _ANY)
    return f"SLURM refuses {stage.jobs[0].file}: {reason}", remedy
