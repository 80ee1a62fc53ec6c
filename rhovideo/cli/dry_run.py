"""``--dry-run``: print what would run, do every check of a start that can be done here, and start nothing.

It works without torch and without SLURM, since jobs may be looked at on a machine that has neither. The last line names
the checks that were left out for that reason.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence

from fvcore.common.config import CfgNode

from rhovideo.config.extension.registries import lists_itself, reads_boxes
from rhovideo.config.list_names import needed_splits
from rhovideo.config.task_defaults import TRAINS
from rhovideo.launch.before_start import Place, Start, check_before_start
from rhovideo.launch.plan import Plan, print_configurations
from rhovideo.launch.slurm.code_snapshot import snapshot_folder
from rhovideo.launch.slurm.preflight import stages_here
from rhovideo.runs.first_launch import as_resumed, resumes
from rhovideo.runs.folder import list_checkpoints
from rhovideo.terminal import print_line


def show_run(plan: Plan) -> None:
    """Check jobs that would run on this machine; print their configurations, and a line for each.

    Raises:
        ConfigError: with every error found.
    """
    checked = check_before_start(Start(plan, "local"), dry_run=True)
    print_configurations(plan)
    sys.stdout.flush()
    for cell in plan.cells:
        for job in cell.jobs:
            print_line(f"{job.file}{f' of {cell.name}' if cell.name else ''}: {_in_short(as_resumed(job.cfg))}")
    print_line(checked.summary("local"))


def show_submission(plan: Plan, *, resume: bool = False) -> None:
    """Print the configurations and sbatch files of jobs for SLURM, then check the jobs.

    Args:
        plan: loaded for SLURM.
        resume: whether to go on in run folders that hold a run already.

    Raises:
        ConfigError: with every error found.
    """
    _print_submission(plan)
    _check(plan, "slurm", resume)


def show_generated(
    plan: Plan, text: str, place: Place, *, resume: bool, checked: Sequence[str], without: Collection[str] = ()
) -> None:
    """As :func:`show_run` or :func:`show_submission`, of a configuration that a command has written by itself.

    Args:
        plan: the job.
        text: the configuration, as it would be written.
        place: who would start the job.
        resume: on SLURM, whether to go on in a run folder that holds a run already.
        checked: what the command has checked by itself, for the last line.
        without: names of checks to leave out.

    Raises:
        ConfigError: with every error found.
    """
    if place == "slurm":
        _print_submission(plan)
    else:
        print(text, end="", flush=True)
    _check(plan, place, resume, checked, without)


def _print_submission(plan: Plan) -> None:
    print_configurations(plan)
    for stage in stages_here(plan):
        earlier = f"JOB_OF_STAGE_{stage.number}" + (f"_PART_{stage.part + 1}" if stage.parts > 1 else "")
        waits = f"; sbatch's number for stage {stage.number} takes the place of {earlier}" if stage.number else ""
        part = f", part {stage.part + 1} of {stage.parts}" if stage.parts > 1 else ""
        print(f"---\n# sbatch file of stage {stage.number + 1}{part}, {stage.name}: {len(stage.jobs)} job(s){waits}")
        code = snapshot_folder(stage.code_folder, stage.plugins)
        before = [earlier if len(stage.jobs) == 1 else f"{earlier}_0"]
        print(stage.script(code, stage.dependency(before) if stage.number else ""))
    sys.stdout.flush()


def check_plan(plan: Plan, place: Place, *, resume: bool = False) -> None:
    """Check the jobs, and print a line that says what was checked.

    Args:
        plan: the jobs.
        place: who would start them.
        resume: on SLURM, whether to go on in run folders that hold a run already.

    Raises:
        ConfigError: with every error found.
    """
    _check(plan, place, resume)


def _check(plan: Plan, place: Place, resume: bool, also: Sequence[str] = (), without: Collection[str] = ()) -> None:
    checked = check_before_start(Start(plan, place, resume), dry_run=True, without=without)
    print_line(checked.summary(place, also))


def _in_short(cfg: CfgNode) -> str:
    """A job in a line: its task, its videos, its steps, its processes and its run folder."""
    videos = _counted(cfg)
    counts = ", ".join(f"{split} {count}" for split, count in videos.items())
    uncounted = f"{'a registered data set' if lists_itself(cfg) else 'frame lists'}, whose videos were not counted"
    what = "key frames" if reads_boxes(cfg) else "videos"
    parts = [f"TASK {cfg.TASK}", f"{what}: {counts}" if counts else uncounted]
    if cfg.TASK in TRAINS:
        batch = cfg.TRAIN.BATCH_SIZE * cfg.NUM_SHARDS
        parts.append(f"{cfg.SOLVER.MAX_EPOCH} epochs of {_steps(videos, batch)} of {batch} {what}")
    return "; ".join([*parts, _processes(cfg), f"writes to {cfg.OUTPUT_DIR}{_from_before(cfg)}"])


def _counted(cfg: CfgNode) -> dict[str, int]:
    """The number of videos, or of key frames, in each list that the job reads, where it is known."""
    from rhovideo.checks.lists.list_contents import read_contents
    from rhovideo.data.lists.boxes.key_frames import open_key_frames

    if reads_boxes(cfg):
        return {split: len(open_key_frames(cfg, split)) for split in needed_splits(cfg)}
    splits = () if lists_itself(cfg) else needed_splits(cfg)
    counts = {split: read_contents(cfg, split).videos for split in splits}
    return {split: count for split, count in counts.items() if count is not None}


def _steps(videos: Mapping[str, int], batch: int) -> str:
    return f"{videos['train'] // batch} steps" if "train" in videos else "steps"


def _processes(cfg: CfgNode) -> str:
    on_cpu = f"{cfg.NUM_CPU_PROCESSES} process{'' if cfg.NUM_CPU_PROCESSES == 1 else 'es'} on the CPU"
    if cfg.NUM_GPUS < 0:
        return f"a process on each GPU of this machine, or where it has none {on_cpu}"
    return f"{cfg.NUM_GPUS} process{'' if cfg.NUM_GPUS == 1 else 'es'}, a GPU each" if cfg.NUM_GPUS else on_cpu


def _from_before(cfg: CfgNode) -> str:
    """The checkpoint in the run folder from which the run would go on."""
    checkpoints = list_checkpoints(cfg.OUTPUT_DIR) if resumes(cfg) else []
    return f", from {checkpoints[0].name} in it" if checkpoints else ""
