"""The SLURM launcher: it checks everything, then queues a submission for each stage of the chain, through submitit."""

from __future__ import annotations

import contextlib
import shlex
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rhovideo.config.extension.plugins import plugin_folders
from rhovideo.config.files.reading import Loaded
from rhovideo.config.findings import ConfigError
from rhovideo.errors import JobError
from rhovideo.launch.before_start import Start, check_before_start
from rhovideo.launch.chains import checkpoint_source
from rhovideo.launch.finished_jobs import finished_before
from rhovideo.launch.plan import Plan, write_study_record
from rhovideo.launch.slurm import job_queue, submitit_adapter
from rhovideo.launch.slurm.code_snapshot import snapshot
from rhovideo.launch.slurm.job_environment import write_runs
from rhovideo.launch.slurm.preflight import check_run_folders, stages_here
from rhovideo.launch.slurm.rank_entry import SlurmTask
from rhovideo.launch.slurm.refusals import refusal
from rhovideo.launch.slurm.stages import Stage
from rhovideo.launch.slurm.submitit_adapter import SubmissionRefused
from rhovideo.runs import records
from rhovideo.runs.lock import held_to_submit
from rhovideo.terminal import print_line


def submit_plan(plan: Plan, *, resume: bool = False) -> int:
    """Check everything, then queue all jobs.

    Args:
        plan: cells and their chains, loaded for SLURM.
        resume: go on in run folders that already hold a run.

    Returns:
        0.

    Raises:
        ConfigError: with every problem found before anything is queued.
        JobError: SLURM refused a job, or a record could not be written; those queued before have been cancelled.
    """
    check_before_start(Start(plan, "slurm", resume))
    with _held(plan):
        # Another submission may have come since they were checked.
        if problems := check_run_folders(plan.jobs, resume=resume):
            raise ConfigError(problems)
        if plan.study:
            write_study_record(plan)
        _submit(plan)
    print_line(_what_next(plan))
    return 0


def _what_next(plan: Plan) -> str:
    """Commands that look after the queued jobs, to be copied."""
    runs = [shlex.quote(str(job.cfg.OUTPUT_DIR)) for job in plan.jobs]
    whole = [shlex.quote(str(plan.study))] if plan.study else runs
    lines = [*(f"status {folder}" for folder in whole), f"logs -f {runs[0]}", *(f"cancel {folder}" for folder in whole)]
    return "look after it:" + "".join(f"\n  rhovideo {line}" for line in lines)


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
    stages = stages_here(plan)
    if stages[0].parts > 1:
        most = len(stages[0].jobs)
        print_line(f"{len(plan.cells)} cells in {stages[0].parts} arrays: this cluster takes {most} jobs in one")
    queued: list[str] = []
    before: list[str] = []
    replaced: dict[Path, records.Job | None] = {}
    try:
        for stage in stages:
            # Each part has a chain of its own.
            before = before if stage.number else []
            with _interrupts_later():
                ids = _queue(stage, before)
                queued.append(_whole(ids))
            # Later stages may have fewer chains.
            waits_for = before[: len(ids)] or [""] * len(ids)
            for job, folder, job_id, earlier in zip(stage.jobs, stage.run_folders, ids, waits_for, strict=True):
                replaced[folder] = records.read_job(folder)
                records.write_job(folder, _record(stage, job, job_id, earlier, replaced[folder]))
                print_line(f"job {job_id}: {job.file} in {job.cfg.OUTPUT_DIR}")
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
    slurm = stage.cfg.SLURM
    ranks = slurm.NODES * slurm.TASKS_PER_NODE
    write_runs(stage.slurm_folder, stage.run_folders, finished, max_failures=slurm.MAX_FAILURES, ranks=ranks)
    for folder in stage.run_folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / records.CANCELLED_FILE).unlink(missing_ok=True)
    dependency = stage.dependency(before) if before else ""
    parameters = stage.parameters(snapshot(stage.code_folder, stage.plugins), dependency)
    tasks = [
        SlurmTask(chain[stage.number].cfg, checkpoint_source(chain, stage.number), plugin_folders())
        for chain in stage.chains
    ]
    try:
        return submitit_adapter.submit(stage.slurm_folder, parameters, tasks, stage.dropped)
    except SubmissionRefused as error:
        wrong, remedy = refusal(stage, str(error))
        raise JobError(f"{wrong}. Write {remedy}") from error


def _take_back(queued: list[str], stages: Sequence[Stage], replaced: dict[Path, records.Job | None]) -> None:
    """Cancel the jobs of a submission that has failed, and remove their records."""
    try:
        # submitit may fail once sbatch has taken the job, and then its number is not known.
        found = job_queue.submitted_from([stage.slurm_folder for stage in stages])
        queued = list(dict.fromkeys([*queued, *found]))
        # The later jobs of the chain first: none of them starts because its predecessor is gone.
        job_queue.cancel(queued[::-1])
    except JobError as error:
        how = f"`scancel {' '.join(queued)}`" if queued else "`scancel` where `squeue --me` shows any"
        print_line(f"jobs may be left in the queue, end them with {how}: {error}")
        return
    with contextlib.suppress(OSError):
        for folder, earlier in replaced.items():
            if earlier:
                records.write_job(folder, earlier)
            else:
                (folder / records.JOB_FILE).unlink(missing_ok=True)
    if queued:
        print_line(f"cancelled again: {', '.join(f'job {job_id}' for job_id in queued)}")


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Let Ctrl-C wait for sbatch's answer: without it, it would not be known whether the job is in the queue."""
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
