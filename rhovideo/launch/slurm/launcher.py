"""Jobs on SLURM: check everything, then queue one submission for each stage of the chain, through submitit."""

from __future__ import annotations

import contextlib
import shlex
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rhovideo.config.findings import ConfigError, Problem
from rhovideo.config.plugins import plugin_folders
from rhovideo.config.reading import Loaded
from rhovideo.errors import JobError
from rhovideo.launch.chains import checkpoint_source
from rhovideo.launch.finished_jobs import begun_from_other_weights, finished_before
from rhovideo.launch.plan import Plan, check_each, print_configurations, write_study_record
from rhovideo.launch.slurm import job_queue, submitit_adapter
from rhovideo.launch.slurm.code_snapshot import snapshot, snapshot_folder
from rhovideo.launch.slurm.job_environment import write_runs
from rhovideo.launch.slurm.preflight import (
    check_before_queueing,
    check_run_folders,
    doubts_before_queueing,
    why_not_asked,
)
from rhovideo.launch.slurm.rank_entry import SlurmTask
from rhovideo.launch.slurm.stages import Stage, stages_of
from rhovideo.launch.slurm.submitit_adapter import SubmissionRefused
from rhovideo.runs import records
from rhovideo.runs.first_launch import check_resume
from rhovideo.runs.lock import held_to_submit
from rhovideo.terminal import say

_SBATCH_SECONDS = 120


def submit_plan(plan: Plan, *, resume: bool = False, dry_run: bool = False) -> int:
    """Check everything, then queue all jobs.

    Args:
        plan: cells and their chains, loaded for SLURM.
        resume: go on in run folders that already hold a run.
        dry_run: print the configurations and the sbatch files, check, and queue nothing. Needs no SLURM.

    Returns:
        0.

    Raises:
        ConfigError: with every problem found before anything is queued.
        JobError: SLURM refused a job, or a record could not be written; those queued before have been cancelled.
    """
    unasked = why_not_asked() if dry_run else []
    if dry_run:
        print_configurations(plan)
        _print_scripts(stages_of(plan))
    problems = [*check_before_queueing(plan.jobs, resume=resume), *_check_resumes(plan.jobs)]
    _refuse([problem for problem in problems if problem not in unasked])
    for doubt in [*doubts_before_queueing(plan.jobs), *_doubts_about_weights(plan)]:
        say(doubt)
    _rehearse(plan)
    if not unasked:
        for stage in stages_of(plan):
            _test(stage)
    if dry_run:
        say(_verdict(unasked))
        return 0
    with _held(plan):
        # Somebody else may have submitted since they were checked.
        _refuse(check_run_folders(plan.jobs, resume=resume))
        if plan.study:
            write_study_record(plan)
        _submit(plan)
    say(_what_next(plan))
    return 0


def _what_next(plan: Plan) -> str:
    """Commands to be copied that look after what was queued."""
    runs = [shlex.quote(str(job.cfg.OUTPUT_DIR)) for job in plan.jobs]
    whole = [shlex.quote(str(plan.study))] if plan.study else runs
    lines = [*(f"status {folder}" for folder in whole), f"logs -f {runs[0]}", *(f"cancel {folder}" for folder in whole)]
    return "look after it:" + "".join(f"\n  rhovideo {line}" for line in lines)


def _refuse(problems: Sequence[Problem]) -> None:
    if problems:
        raise ConfigError(dict.fromkeys(problems))


def _check_resumes(jobs: Sequence[Loaded]) -> list[Problem]:
    """A run that goes on keeps its global batch, which not every number of processes can share."""
    return [
        job.problem(finding)
        for job in jobs
        for finding in check_resume(job.cfg, job.cfg.SLURM.NODES * job.cfg.SLURM.TASKS_PER_NODE)
    ]


def _doubts_about_weights(plan: Plan) -> list[str]:
    return [
        f"{cell.jobs[number].cfg.OUTPUT_DIR} goes on from its own checkpoints, while the job that its first weights "
        "came from is done again: remove its folder `checkpoints` to begin with the new ones"
        for cell in plan.cells
        for number in range(len(cell.jobs))
        if begun_from_other_weights(cell.jobs, number)
    ]


def _rehearse(plan: Plan) -> None:
    """What takes torch: the lists' first rows, and each network built once."""
    from rhovideo.checks.network import Rehearsal

    rehearsal = Rehearsal()
    check_each(plan, rehearsal)
    for doubt in rehearsal.doubts:
        say(f"warning: {doubt}")


def _verdict(unasked: list[Problem]) -> str:
    """The last line of a dry run: what was looked at, and what was not."""
    return (
        "checked: keys, files, the first rows of the lists with their labels, and the network; not looked at: what the "
        "videos hold, the nodes, the memory that it takes; nothing was queued"
        + "".join(f", and SLURM was not asked: {problem.wrong}" for problem in unasked)
    )


def _print_scripts(stages: Sequence[Stage]) -> None:
    for stage in stages:
        earlier = f"JOB_OF_STAGE_{stage.number}"
        waits = f"; sbatch's number for stage {stage.number} takes the place of {earlier}" if stage.number else ""
        print(f"---\n# sbatch file of stage {stage.number + 1}, {stage.name}: {len(stage.jobs)} job(s){waits}")
        print(
            _script(
                stage,
                snapshot_folder(stage.code_folder, stage.plugins),
                stage.dependency(earlier) if stage.number else "",
            )
        )


def _script(stage: Stage, code: Path, dependency: str = "") -> str:
    parameters = stage.parameters(code, dependency)
    return submitit_adapter.sbatch_text(stage.slurm_folder, parameters, len(stage.jobs))


def _test(stage: Stage) -> None:
    """Let SLURM say what it would refuse: an account, a limit, more nodes than there are."""
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(_script(stage, stage.code_folder))
        file.flush()
        done = job_queue.ask(["sbatch", "--test-only", file.name], _SBATCH_SECONDS)
    if done.returncode:
        raise _refused(stage, done.stderr)


def _refused(stage: Stage, stderr: str) -> JobError:
    said = "; ".join(line.removeprefix("sbatch: ").removeprefix("error: ") for line in stderr.strip().splitlines())
    first = stage.jobs[0]
    return JobError(
        f"SLURM refuses {first.file}: {said or 'no reason given'}. "
        "Put the SLURM section, cluster.yaml or the flags right (--partition, --account, --qos, --time, --nodes, ...); "
        "--dry-run shows the sbatch file"
    )


@contextlib.contextmanager
def _held(plan: Plan) -> Iterator[None]:
    """Keep other submissions out of the study, or of the chain's run folders, until the records are written."""
    folders = [plan.study] if plan.study else sorted({Path(job.cfg.OUTPUT_DIR).absolute() for job in plan.jobs})
    with contextlib.ExitStack() as stack:
        for folder in folders:
            stack.enter_context(held_to_submit(folder))
        yield


def _submit(plan: Plan) -> None:
    """Queue all stages, or none."""
    stages = stages_of(plan)
    queued: list[str] = []
    before: list[str] = []
    replaced: dict[Path, records.Job | None] = {}
    try:
        for stage in stages:
            with _interrupts_later():
                ids = _queue(stage, before)
                queued.append(_whole(ids))
            waits_for = before or [""] * len(ids)
            for job, folder, job_id, earlier in zip(stage.jobs, stage.run_folders, ids, waits_for, strict=True):
                replaced[folder] = records.read_job(folder)
                records.write_job(folder, _record(stage, job, job_id, earlier, replaced[folder]))
                say(f"job {job_id}: {job.file} in {job.cfg.OUTPUT_DIR}")
            before = ids
    except BaseException as error:
        _take_back(queued, stages, replaced)
        if isinstance(error, OSError):
            raise JobError(f"{error.filename or plan.study}: cannot be written ({error.strerror or error})") from error
        raise


def _whole(ids: Sequence[str]) -> str:
    """The number of the job, or of the array, that these belong to."""
    return ids[0].partition("_")[0]


def _queue(stage: Stage, before: Sequence[str]) -> list[str]:
    """Queue a stage behind the one before; the id of each of its jobs."""
    finished = [finished_before(chain, stage.number) for chain in stage.chains]
    write_runs(stage.slurm_folder, stage.run_folders, finished, stage.cfg.SLURM.MAX_FAILURES)
    for folder in stage.run_folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / records.CANCELLED_FILE).unlink(missing_ok=True)
    dependency = stage.dependency(_whole(before)) if before else ""
    parameters = stage.parameters(snapshot(stage.code_folder, stage.plugins), dependency)
    tasks = [
        SlurmTask(chain[stage.number].cfg, checkpoint_source(chain, stage.number), plugin_folders())
        for chain in stage.chains
    ]
    try:
        return submitit_adapter.submit(stage.slurm_folder, parameters, tasks)
    except SubmissionRefused as error:
        raise _refused(stage, str(error)) from error


def _take_back(queued: list[str], stages: Sequence[Stage], replaced: dict[Path, records.Job | None]) -> None:
    """Cancel what a submission that failed has queued, and its records."""
    try:
        # submitit may fail once sbatch has taken the job, and does not tell its number then.
        found = job_queue.submitted_from([stage.slurm_folder for stage in stages])
        queued = list(dict.fromkeys([*queued, *found]))
        # The later jobs of the chain first: none of them starts because its predecessor is gone.
        job_queue.cancel(queued[::-1])
    except JobError as error:
        how = f"`scancel {' '.join(queued)}`" if queued else "`scancel` where `squeue --me` shows any"
        say(f"jobs may be left in the queue, end them with {how}: {error}")
        return
    with contextlib.suppress(OSError):
        for folder, earlier in replaced.items():
            if earlier:
                records.write_job(folder, earlier)
            else:
                (folder / records.JOB_FILE).unlink(missing_ok=True)
    if queued:
        say(f"cancelled again: {', '.join(f'job {job_id}' for job_id in queued)}")


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Let Ctrl-C wait for sbatch's answer: nobody could tell whether it has taken the job."""
    heard: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    # sbatch inherits the mask; a handler it would not.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if heard:
        signal.raise_signal(signal.SIGINT)


def _record(stage: Stage, job: Loaded, job_id: str, depends_on: str, earlier: records.Job | None) -> records.Job:
    cfg = job.cfg
    return records.Job(
        name=stage.name,
        task=cfg.TASK,
        config=job.file,
        job_id=job_id,
        output_dir=str(Path(cfg.OUTPUT_DIR).absolute()),
        slurm_folder=str(stage.slurm_folder),
        nodes=cfg.SLURM.NODES,
        tasks_per_node=cfg.SLURM.TASKS_PER_NODE,
        submitted=time.time(),
        depends_on=depends_on,
        earlier_ids=[*earlier.earlier_ids, earlier.job_id] if earlier and earlier.job_id else [],
    )
