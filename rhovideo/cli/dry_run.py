"""What ``--dry-run`` tells of a run on this machine. Without torch, but where the keys name what torch has to be asked.

Somebody may look at jobs on a machine that has no torch, or whose torch is slow to come; but a key that says what this
machine must have is looked after as the run itself would.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from fvcore.common.config import CfgNode

from rhovideo.checks.list_warnings import Listed, count_list, doubts
from rhovideo.config.findings import ConfigError
from rhovideo.config.input_files import needed_splits
from rhovideo.config.task_defaults import TRAINS
from rhovideo.launch.plan import Plan, print_configurations
from rhovideo.runs.first_launch import as_resumed, resumes
from rhovideo.runs.folder import list_checkpoints
from rhovideo.terminal import say

_CHECKED = "keys, files, and the first rows of the lists with their labels"


def show_dry_run(plan: Plan, doubts_of_rows: Sequence[str]) -> None:
    """Print what would run, what looks like a mistake, and what was checked.

    Args:
        plan: checked, with its lists' first rows.
        doubts_of_rows: what these tell (:attr:`rhovideo.checks.lists.FirstRows.doubts`).

    Raises:
        ConfigError: this machine does not have what is asked for.
        ManifestError: a row of a list is unusable.
    """
    gpus = check_this_machine(plan)
    lines, doubts_of_lists = _read_lists(plan)
    print_configurations(plan)
    sys.stdout.flush()
    for line in lines:
        say(line)
    for doubt in [*doubts_of_rows, *doubts_of_lists]:
        say(f"warning: {doubt}")
    say(verdict(_CHECKED, gpus))


def check_this_machine(plan: Plan) -> bool:
    """Ask whether this machine has what the keys name; whether its GPUs were looked at.

    Raises:
        ConfigError: it does not have it; the run would say the same.
    """
    asking = [job for job in plan.jobs if _asks_for(job.cfg)]
    if asking:
        from rhovideo.checks.machine import check_machine

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


def _read_lists(plan: Plan) -> tuple[list[str], list[str]]:
    """A line for each job, and what the log of the run would warn of, each once."""
    counted: dict[tuple, Listed | None] = {}
    lines, told = [], []
    for cell in plan.cells:
        for job in cell.jobs:
            cfg, lists = as_resumed(job.cfg), {}
            for split in needed_splits(cfg):
                key = (cfg.TRAIN.DATASET, cfg.DATA.PATH_TO_DATA_DIR, split)
                key += (cfg.DATA.PATH_LABEL_SEPARATOR, cfg.DATA.SKIP_ROWS)
                if key not in counted:
                    counted[key] = count_list(cfg, split)
                lists[split] = counted[key]
            lines.append(f"{job.file}{f' of {cell.name}' if cell.name else ''}: {_in_short(cfg, lists)}")
            if cfg.TASK in TRAINS and lists["train"]:
                told += doubts(cfg, lists["train"])
    return lines, list(dict.fromkeys(told))


def _in_short(cfg: CfgNode, lists: Mapping[str, Listed | None]) -> str:
    """What a job amounts to, in a line."""
    counts = ", ".join(f"{split} {listed.videos}" for split, listed in lists.items() if listed)
    parts = [f"TASK {cfg.TASK}", f"videos: {counts}" if counts else "frame lists, whose videos were not counted"]
    if cfg.TASK in TRAINS:
        batch = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS
        steps = f"{lists['train'].videos // batch} steps" if lists["train"] else "steps"
        parts.append(f"{cfg.SOLVER.MAX_EPOCH} epochs of {steps} of {batch} videos")
    return "; ".join([*parts, _processes(cfg), f"writes to {cfg.OUTPUT_DIR}{_from_before(cfg)}"])


def _processes(cfg: CfgNode) -> str:
    on_cpu = f"{cfg.NUM_CPU_PROCESSES} process{'' if cfg.NUM_CPU_PROCESSES == 1 else 'es'} on the CPU"
    if cfg.NUM_GPUS < 0:
        return f"a process on each GPU of this machine, or where it has none {on_cpu}"
    return f"{cfg.NUM_GPUS} process{'' if cfg.NUM_GPUS == 1 else 'es'}, a GPU each" if cfg.NUM_GPUS else on_cpu


def _from_before(cfg: CfgNode) -> str:
    """What the run folder holds that the run would go on from."""
    checkpoints = list_checkpoints(cfg.OUTPUT_DIR) if resumes(cfg) else []
    return f", from {checkpoints[0].name} in it" if checkpoints else ""
