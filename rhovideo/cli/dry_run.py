"""What ``--dry-run`` tells of a run on this machine. Without torch, but where the keys name what torch has to be asked.

Somebody may look at jobs on a machine that has no torch, or whose torch is slow to come; but a key that says what this
machine must have is looked after as the run itself would.
"""

from __future__ import annotations

from collections.abc import Sequence

from fvcore.common.config import CfgNode

from rhovideo.config.problems import ConfigError
from rhovideo.config.tasks import TRAINS
from rhovideo.engine.list_doubts import count_list, doubts
from rhovideo.launch.plan import Plan, print_configurations
from rhovideo.terminal import say

_CHECKED = "keys, files, and the first rows of the lists with their labels"


def show_dry_run(plan: Plan, doubts_of_rows: Sequence[str]) -> None:
    """Print what would run, what looks like a mistake, and what was checked.

    Args:
        plan: checked, with its lists' first rows.
        doubts_of_rows: what these tell (:attr:`rhovideo.engine.first_rows.FirstRows.doubts`).

    Raises:
        ConfigError: this machine does not have what is asked for.
        ManifestError: a row of a training list is unusable.
    """
    gpus = check_this_machine(plan)
    told = [*doubts_of_rows, *_doubts(plan)]
    print_configurations(plan)
    for doubt in told:
        say(f"warning: {doubt}")
    say(verdict(_CHECKED, gpus))


def check_this_machine(plan: Plan) -> bool:
    """Ask whether this machine has what the keys name; whether its GPUs were looked at.

    Raises:
        ConfigError: it does not have it; the run would say the same.
    """
    asking = [job for job in plan.jobs if _asks_for(job.cfg)]
    if asking:
        from rhovideo.launch.machine import check_machine

        problems = [job.problem(finding) for job in asking for finding in check_machine(job.cfg)]
        if problems:
            raise ConfigError(dict.fromkeys(problems))
    return all(job in asking for job in plan.jobs if job.cfg.NUM_GPUS)


def _asks_for(cfg: CfgNode) -> bool:
    """Whether the keys name what a machine may lack."""
    data = cfg.DATA
    return cfg.NUM_GPUS > 0 or cfg.NUM_SHARDS > 1 or data.AUG_DEVICE == "gpu" or data.DECODING_BACKEND == "torchcodec"


def verdict(checked: str, gpus: bool) -> str:
    """The last line of a dry run: what was looked at, and what was not.

    Args:
        checked: what was.
        gpus: whether those of this machine were, or none is asked for.
    """
    skipped = ["what the videos hold", *([] if gpus else ["this machine's GPUs"]), "the memory that it takes"]
    return f"checked: {checked}; not looked at: {', '.join(skipped)}; nothing was started"


def _doubts(plan: Plan) -> list[str]:
    """What the log of the run would warn of, each once."""
    told = []
    for job in plan.jobs:
        if job.cfg.TASK in TRAINS and (listed := count_list(job.cfg, "train")):
            told += doubts(job.cfg, listed)
    return list(dict.fromkeys(told))
